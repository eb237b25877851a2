"""The weights of SSD300 and SSD512 by the names of other implementations, there and back."""

from dataclasses import replace

import numpy as np
import pytest

from minissd.config import SSD300_COCO, SSD300_VOC, SSD512_VOC
from minissd.conventions import CONVENTIONS
from minissd.data import VOC_CLASSES
from minissd.data.classes import COCO_CLASSES, coco_names_by_id
from minissd.weights import translate
from minissd.weights.layouts import LAYOUTS
from minissd.weights.loading import undrawn_model

NETWORKS = [
    (layout, config)
    for layout in LAYOUTS.values()
    for config in (SSD300_VOC, SSD512_VOC)
    if len(config.feature_maps) in layout.num_maps
]
NETWORK_IDS = [f"{layout.name}-{config.name}" for layout, config in NETWORKS]


def test_a_norm_with_four_axes_is_one_with_one_axis(arrays_of):
    theirs = translate.to_layout(arrays_of(SSD300_VOC), SSD300_VOC, LAYOUTS["sgrvinod"], "file")
    theirs["rescale_factors"] = theirs["rescale_factors"].reshape(1, 512, 1, 1)
    back = translate.from_layout(theirs, LAYOUTS["sgrvinod"], undrawn_model(SSD300_VOC), "file")
    np.testing.assert_array_equal(back["conv4_3_norm.weight"], arrays_of(SSD300_VOC)["conv4_3_norm.weight"])


@pytest.mark.parametrize(("layout", "config"), NETWORKS, ids=NETWORK_IDS)
def test_there_and_back_nothing_has_changed(layout, config, arrays_of):
    ours = arrays_of(config)
    theirs = translate.to_layout(ours, config, layout, "file")
    assert translate.recognize(theirs) == (layout, len(config.feature_maps))
    back = translate.from_layout(dict(theirs), layout, undrawn_model(config), "file")
    assert back.keys() == ours.keys()
    for name, array in ours.items():
        if layout.name == "sgrvinod" and name == "conv1_1.weight":  # multiplied and divided
            np.testing.assert_allclose(back[name], array, rtol=3e-7)
        else:
            np.testing.assert_array_equal(back[name], array, err_msg=name)


# What the implementations call some layers of SSD300: a wrong name would go there and back unnoticed.
THEIR_LAYERS = {
    "torchvision": {
        "conv1_1 conv4_3": "backbone.features.0 backbone.features.21",
        "conv5_1 conv5_3": "backbone.extra.0.1 backbone.extra.0.5",
        "fc6 fc7": "backbone.extra.0.7.1 backbone.extra.0.7.3",
        "conv8_1 conv8_2 conv11_2": "backbone.extra.1.0 backbone.extra.1.2 backbone.extra.4.2",
        "fc7_head": "head.regression_head.module_list.1 head.classification_head.module_list.1",
    },
    "amdegroot": {
        "conv1_1 conv4_3 conv5_1 fc6 fc7": "vgg.0 vgg.21 vgg.24 vgg.31 vgg.33",
        "conv8_1 conv8_2 conv11_2": "extras.0 extras.1 extras.7",
        "conv4_3_head": "loc.0 conf.0",
    },
    "lufficc": {
        "conv1_1 conv4_3 conv5_1 fc6": "backbone.vgg.0 backbone.vgg.21 backbone.vgg.24 backbone.vgg.31",
        "conv8_1 conv11_2": "backbone.extras.0 backbone.extras.7",
        "fc7_head": "box_head.predictor.reg_headers.1 box_head.predictor.cls_headers.1",
    },
    "caffe": {
        "conv1_1 fc6 fc7": "conv1_1 fc6 fc7",
        "conv8_1 conv8_2 conv11_2": "conv6_1 conv6_2 conv9_2",
        "conv4_3_head": "conv4_3_norm_mbox_loc conv4_3_norm_mbox_conf",
        "conv8_2_head": "conv6_2_mbox_loc conv6_2_mbox_conf",
    },
    "chainercv": {
        "conv1_1 fc6 fc7": "extractor/conv1_1 extractor/conv6 extractor/conv7",
        "conv8_1 conv11_2": "extractor/conv8_1 extractor/conv11_2",
        "conv8_2_head": "multibox/loc/2 multibox/conf/2",
    },
    "sgrvinod": {
        "conv1_1 fc6 fc7": "base.conv1_1 base.conv6 base.conv7",
        "conv8_1 conv11_2": "aux_convs.conv8_1 aux_convs.conv11_2",
        "conv4_3_head": "pred_convs.loc_conv4_3 pred_convs.cl_conv4_3",
        "fc7_head": "pred_convs.loc_conv7 pred_convs.cl_conv7",
    },
}
THEIR_INPUTS = {  # mean in RGB, deviation in RGB, order of the colours, how a picture is resized
    "torchvision": ((123, 117, 104), (1, 1, 1), "rgb", "float"),
    "amdegroot": ((123, 117, 104), (1, 1, 1), "rgb", "opencv"),
    "lufficc": ((123, 117, 104), (1, 1, 1), "rgb", "opencv"),
    "caffe": ((123, 117, 104), (1, 1, 1), "bgr", "opencv"),
    "chainercv": ((123, 117, 104), (1, 1, 1), "rgb", "float"),
    "sgrvinod": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "rgb", "pillow"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_names_and_inputs_of_the_implementations(name):
    layout = LAYOUTS[name]
    layers = layout.layers(6)
    for ours, theirs in THEIR_LAYERS[name].items():
        assert [part for layer in ours.split() for part in layers[layer]] == theirs.split()
    config = layout.config(SSD300_VOC)
    mean, deviation, channel_order, resize = THEIR_INPUTS[name]
    np.testing.assert_allclose(config.mean_rgb, mean, atol=2e-3)
    np.testing.assert_allclose(layout.std_rgb, deviation)
    assert (config.channel_order, config.resize) == (channel_order, resize)
    assert config.convention == name


def test_chainercvs_offsets_are_those_of_y_x_height_width(arrays_of):
    ours = dict(arrays_of(SSD300_VOC))
    ours["fc7_head.bias"] = np.arange(6 * (4 + 21), dtype=np.float32)
    theirs = translate.to_layout(ours, SSD300_VOC, LAYOUTS["chainercv"], "file")
    np.testing.assert_array_equal(theirs["multibox/loc/1/b"][:8], [1, 0, 3, 2, 5, 4, 7, 6])
    np.testing.assert_array_equal(theirs["multibox/conf/1/b"], np.arange(24, 150))


class TestWhatTheFileTells:
    @pytest.mark.parametrize(
        ("layout", "num_classes", "sizes_of", "class_names"),
        [
            ("torchvision", 91, SSD300_COCO, coco_names_by_id()),
            ("torchvision", 5, SSD300_COCO, ()),
            ("amdegroot", 21, SSD300_VOC, VOC_CLASSES),
            ("amdegroot", 6, SSD300_COCO, ()),
            ("lufficc", 81, SSD300_COCO, COCO_CLASSES),
            ("amdegroot", 2, SSD300_COCO, ()),
            ("lufficc", 6, SSD300_VOC, ()),
            ("lufficc", 91, SSD300_VOC, coco_names_by_id()),
            ("caffe", 21, SSD300_VOC, VOC_CLASSES),
            ("chainercv", 21, SSD300_VOC, VOC_CLASSES),
        ],
    )
    def test_classes_and_default_boxes(self, layout, num_classes, sizes_of, class_names):
        layout = LAYOUTS[layout]
        given = replace(SSD300_VOC, num_classes=num_classes)
        theirs = translate.to_layout(undrawn_model(given).params, given, layout, "file")
        config = translate.config_of(layout, 6, theirs, "file")
        assert config.num_classes == num_classes
        assert (config.min_sizes, config.max_sizes) == (sizes_of.min_sizes, sizes_of.max_sizes)
        assert config.convention == layout.convention
        assert config.clip == CONVENTIONS[layout.convention].boxes.clip
        assert translate.class_names_of(config) == class_names

    def test_the_boxes_of_sgrvinod_stand_in_another_order(self):
        config = LAYOUTS["sgrvinod"].config(SSD300_VOC)
        assert config.aspect_ratios[1] == (2, 3, 0.5, 0.333)
        assert config.boxes_per_cell == SSD300_VOC.boxes_per_cell


class TestLikeness:
    """A file is of the layout that shares the most names with it, if these are half of both together."""

    @pytest.fixture
    def names(self):
        return [name for parts in LAYOUTS["amdegroot"].arrays(6).values() for name in parts]

    def test_a_file_with_holes_is_known(self, names):
        assert translate.recognize(names[len(names) // 3 :]) == (LAYOUTS["amdegroot"], 6)
        assert translate.recognize(names[2 * len(names) // 3 :]) == (None, 0)

    def test_a_few_of_very_many_names_are_not_enough(self, names):
        others = [f"other.{number}" for number in range(len(names) + 1)]
        assert translate.recognize([*names, *others[2:]]) == (LAYOUTS["amdegroot"], 6)
        assert translate.recognize([*names, *others]) == (None, 0)
