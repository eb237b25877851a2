"""The weights of SSD300 and SSD512 by the names of other implementations, there and back."""

import functools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.numpy

from minissd import weights
from minissd.config import SSD300_COCO, SSD300_VOC, SSD512_VOC, TINY
from minissd.conventions import CONVENTIONS
from minissd.data import VOC_CLASSES, network_input
from minissd.data.classes import COCO_CLASSES, coco_names_by_id
from minissd.errors import InputError
from minissd.models import SSD
from minissd.weights import loading, translate
from minissd.weights.fitting import put_arrays
from minissd.weights.formats import WeightFile
from minissd.weights.layouts import LAYOUTS
from minissd.weights.loading import undrawn_model

NETWORKS = [
    (layout, config)
    for layout in LAYOUTS.values()
    for config in (SSD300_VOC, SSD512_VOC)
    if len(config.feature_maps) in layout.num_maps
]
NETWORK_IDS = [f"{layout.name}-{config.name}" for layout, config in NETWORKS]


def numbered_arrays(config):
    """Every array of a network with numbers of its own, float32."""
    rng = np.random.default_rng(config.image_size)
    params = undrawn_model(config).params
    return {name: rng.random(array.shape, np.float32) for name, array in params.items()}


@pytest.fixture(scope="module")
def arrays_of():
    """`numbered_arrays`, which are made once."""
    return functools.cache(numbered_arrays)


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


def test_arrays_go_from_the_file_to_the_model_without_a_copy(arrays_of, monkeypatch):
    theirs = translate.to_layout(arrays_of(SSD300_VOC), SSD300_VOC, LAYOUTS["amdegroot"], "file")
    fc7 = theirs["vgg.33.weight"] = theirs["vgg.33.weight"].copy()
    file = WeightFile(Path("theirs.pth"), "PyTorch", theirs, {})
    monkeypatch.setattr(loading, "read_file", lambda path: file)
    given = replace(SSD300_VOC, name="given", mean_rgb=(0.0, 0.0, 0.0))
    model, _ = weights.load_model("theirs.pth", given)
    assert model.params["fc7.weight"] is fc7
    assert file.arrays == {}
    assert model.config == given


def write(path, layout, config, arrays, **changes):
    theirs = translate.to_layout(arrays, config, LAYOUTS[layout], path) | changes
    safetensors.numpy.save_file(
        {name: np.ascontiguousarray(a) for name, a in theirs.items() if a is not None}, path
    )
    return path


class TestInput:
    """Each layout's first layer expects colours in its own order and scale; the first map is the same."""

    @pytest.fixture
    def picture(self):
        return np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)

    @pytest.mark.parametrize(
        ("layout", "tolerance"), [("caffe", 1e-5), ("amdegroot", 1e-6), ("torchvision", 2e-3)]
    )
    def test_the_same_picture_gives_the_same_first_map(self, layout, tolerance, arrays_of, picture, tmp_path):
        path = write(tmp_path / "theirs.safetensors", layout, SSD300_VOC, arrays_of(SSD300_VOC))
        loaded, _ = weights.load_model(path)
        assert loaded.config.channel_order == LAYOUTS[layout].channel_order
        first, usual = loaded.layers["conv1_1"], undrawn_model(SSD300_VOC).layers["conv1_1"]
        for name in ("weight", "bias"):
            usual.params[name] = arrays_of(SSD300_VOC)[f"conv1_1.{name}"]
        expected = usual.forward(network_input([picture], SSD300_VOC))
        found = first.forward(network_input([picture], loaded.config))
        assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()

    def test_weights_for_bgr_are_turned_for_a_model_of_rgb(self, arrays_of, tmp_path):
        path = write(tmp_path / "caffe.safetensors", "caffe", SSD300_VOC, arrays_of(SSD300_VOC))
        model = undrawn_model(SSD300_VOC)
        weights.load(model, path)
        for name, array in arrays_of(SSD300_VOC).items():
            np.testing.assert_array_equal(model.params[name], array, err_msg=name)

    def test_the_deviation_of_imagenet_is_worked_into_the_first_layer(self, arrays_of):
        ours = arrays_of(SSD300_VOC)
        theirs = translate.to_layout(ours, SSD300_VOC, LAYOUTS["sgrvinod"], "file")
        ratio = theirs["base.conv1_1.weight"] / ours["conv1_1.weight"]
        np.testing.assert_allclose(ratio[0, :, 0, 0], [58.395, 57.12, 57.375], rtol=1e-6)


class TestMisfits:
    def test_everything_that_does_not_fit_is_in_one_message(self, arrays_of, tmp_path):
        path = write(
            tmp_path / "broken.safetensors",
            "amdegroot",
            SSD300_VOC,
            arrays_of(SSD300_VOC),
            **{
                "vgg.0.weight": np.zeros((64, 4, 3, 3), np.float32),
                "loc.2.bias": np.zeros(23, np.float32),
                "extras.3.bias": None,
                "momentum": np.zeros(1, np.float32),
            },
        )
        with pytest.raises(InputError) as error:
            weights.load_model(path)
        for part in (
            "broken.safetensors: does not fit the model in 4 arrays",
            "extras.3.bias is missing",
            "momentum is unknown",
            "vgg.0.weight has shape (64, 4, 3, 3) instead of (64, 3, 3, 3)",
            "loc.2.bias has shape (23,) instead of (24,)",
        ):
            assert part in str(error.value)

    def test_weights_of_other_classes_are_not_loaded_into_a_model(self, arrays_of, tmp_path):
        path = write(tmp_path / "voc.safetensors", "lufficc", SSD300_VOC, arrays_of(SSD300_VOC))
        model = undrawn_model(replace(SSD300_VOC, num_classes=4))
        before = model.params["conv1_1.weight"].copy()
        with pytest.raises(InputError, match="does not fit the model in 12 arrays"):
            weights.load(model, path)
        np.testing.assert_array_equal(model.params["conv1_1.weight"], before)

    def test_no_head_no_classes(self, arrays_of, tmp_path):
        theirs = translate.to_layout(arrays_of(SSD300_VOC), SSD300_VOC, LAYOUTS["torchvision"], "file")
        theirs = {name: array for name, array in theirs.items() if "classification" not in name}
        with pytest.raises(InputError, match="tells the number of classes"):
            translate.config_of(LAYOUTS["torchvision"], 6, theirs, "file")

    def test_names_of_no_one_are_shown(self, tmp_path):
        path = tmp_path / "resnet.safetensors"
        safetensors.numpy.save_file({f"layer{i}.weight": np.zeros(2, np.float32) for i in range(5)}, path)
        with pytest.raises(InputError, match=r"its arrays \(5: layer0.weight, .*minissd reads its own files"):
            weights.load_model(path)

    def test_weights_that_are_not_numbers(self, tmp_path):
        model = SSD(TINY)
        model.params["conv3.weight"][0, 0] = np.nan
        weights.save(model, tmp_path / "nan.safetensors")
        with pytest.raises(InputError, match=r"conv3[.]weight holds NaN"):
            weights.load_model(tmp_path / "nan.safetensors")

    @pytest.mark.parametrize(
        ("config", "layout", "message"),
        [
            (SSD512_VOC, "torchvision", "is a ssd512-voc, torchvision has only SSD300"),
            (TINY, "amdegroot", "is a tiny, amdegroot has only SSD300 and SSD512"),
            (replace(SSD300_VOC, name="six", base="tiny"), "caffe", "is a six, caffe has only"),
        ],
    )
    def test_networks_that_an_implementation_does_not_have(self, config, layout, message):
        with pytest.raises(InputError, match=message):
            translate.to_layout({}, config, LAYOUTS[layout], "file")
        with pytest.raises(InputError, match=message):
            translate.from_layout({}, LAYOUTS[layout], SimpleNamespace(config=config), "file")

    @pytest.mark.parametrize(
        ("name", "array", "message"),
        [
            (
                "vgg.2.weight",
                np.full((64, 64, 3, 3), 1e300),
                "conv1_2.weight holds NaN, infinite or too large",
            ),
            ("vgg.0.weight", np.full((64, 3, 3, 3), 3e38, np.float32), "conv1_1.weight holds NaN, infinite"),
            ("vgg.0.weight", np.ones(1, np.float32), r"vgg.0.weight has shape \(1,\) instead of"),
            ("L2Norm.weight", np.zeros(0, np.float32), r"L2Norm.weight has shape \(0,\) instead of"),
        ],
    )
    def test_hostile_arrays(self, arrays_of, name, array, message):
        amdegroot, model = LAYOUTS["amdegroot"], undrawn_model(replace(SSD300_VOC, pixel_scale=10.0))
        theirs = translate.to_layout(arrays_of(SSD300_VOC), SSD300_VOC, amdegroot, "file")
        with pytest.raises(InputError, match=message):
            put_arrays(model, translate.from_layout(theirs | {name: array}, amdegroot, model, "file"), "file")
        assert not model.params["conv5_1.weight"].any()


def test_the_loaded_copy_is_the_models_own(arrays_of, tmp_path):
    path = write(tmp_path / "theirs.safetensors", "amdegroot", SSD300_VOC, arrays_of(SSD300_VOC))
    model = undrawn_model(SSD300_VOC)
    checkpoint = weights.load(model, path)
    checkpoint.arrays["fc7.bias"][:] = -1
    assert (model.params["fc7.bias"] >= 0).all()
    assert checkpoint.details == {"layout": "amdegroot"}
