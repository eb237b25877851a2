"""Every number that the paper and Caffe's scripts give of the network, derived from our layers.

Sources: the paper, section 3 and figure 2; ssd_pascal.py, AddExtraLayers; model_libs.py, VGGNetBody and
CreateMultiBoxHead; filler.hpp, XavierFiller. Nothing is run: `minissd.models.summary` follows the shapes.
"""

import dataclasses
import functools
import math

import numpy as np
import pytest

from minissd.config import SSD300_COCO, SSD300_VOC, SSD512_COCO, SSD512_VOC
from minissd.models import SSD
from minissd.models.summary import summary
from minissd.models.vgg16 import EXTRA_LAYERS
from minissd.nn import Conv2d, L2Norm, MaxPool2d
from minissd.nn.conv_shape import output_side
from minissd.nn.initialization import UNDRAWN

SSD300_COCO_91 = dataclasses.replace(SSD300_COCO, name="ssd300-91", num_classes=91)  # torchvision's classes


@functools.cache
def model_of(config):
    return SSD(config)


@functools.cache
def table_of(config):
    return summary(SSD(config, UNDRAWN))  # shapes are all that counts


@pytest.fixture(scope="module", autouse=True)
def forget_the_models():
    """Each has over 100 MB of weights."""
    yield
    model_of.cache_clear()


def sides(config, *names):
    return [table_of(config)[name].output_shape[1] for name in names]


def convolution(config, name):
    """Channels in and out, kernel, and (stride, padding, dilation) of a layer."""
    layer = model_of(config).layers[name]
    outputs, inputs, kernel, _ = layer.params["weight"].shape
    return inputs, outputs, kernel, layer.conv.geometry


def of_size(*groups):
    return pytest.mark.parametrize(("config", "expected"), groups, ids=[group[0].name for group in groups])


# -- the truncated VGG16 -----------------------------------------------------------------------------------


@of_size(
    (SSD300_VOC, [300, 150, 150, 75, 75, 38, 38, 19, 19, 19, 19, 19]),
    (SSD512_VOC, [512, 256, 256, 128, 128, 64, 64, 32, 32, 32, 32, 32]),
)
def test_sides_of_the_maps_of_vgg16(config, expected):
    """Paper, figure 2; pool3 makes 38 of 75."""
    names = "conv1_2 pool1 conv2_2 pool2 conv3_3 pool3 conv4_3 pool4 conv5_3 pool5 fc6 fc7"
    assert sides(config, *names.split()) == expected


def test_pool3_must_round_up_for_ssd300_and_need_not_for_ssd512():
    """Caffe's pooling always does; with floor the map of conv4_3 would have 37 x 37 cells."""
    pools = [model_of(SSD300_VOC).layers[f"pool{number}"] for number in (1, 2, 3, 4)]
    assert all(pool.ceil_mode and pool.is_2x2() for pool in pools)

    def after_pools(side, ceil_mode):
        for _ in pools[:3]:
            side = MaxPool2d(2, ceil_mode=ceil_mode).output_side(side)
        return side

    assert [after_pools(300, ceil_mode) for ceil_mode in (True, False)] == [38, 37]
    assert [after_pools(512, ceil_mode) for ceil_mode in (True, False)] == [64, 64]


@pytest.mark.parametrize("config", [SSD300_VOC, SSD512_VOC], ids=lambda config: config.name)
def test_convolutions_of_vgg16_are_3x3_with_a_border_of_1(config):
    groups = {1: (2, 64), 2: (2, 128), 3: (3, 256), 4: (3, 512), 5: (3, 512)}
    inputs = 3
    for group, (depth, width) in groups.items():
        for number in range(1, depth + 1):
            assert convolution(config, f"conv{group}_{number}") == (inputs, width, 3, (1, 1, 1))
            inputs = width
        assert f"conv{group}_{depth + 1}" not in model_of(config).layers


@pytest.mark.parametrize("config", [SSD300_VOC, SSD512_VOC], ids=lambda config: config.name)
def test_pool5_and_the_former_fully_connected_layers(config):
    """Paper, section 3: pool5 3x3 of stride 1, fc6 spread out by 6, no dropout and no fc8."""
    pool5 = model_of(config).layers["pool5"]
    assert (pool5.kernel_size, pool5.stride, pool5.padding) == (3, 1, 1)
    assert convolution(config, "fc6") == (512, 1024, 3, (1, 6, 6))
    assert convolution(config, "fc7") == (1024, 1024, 1, (1, 0, 1))
    assert not [name for name in model_of(config).layers if name.startswith(("fc8", "drop"))]


def test_fc6_and_fc7_have_the_shapes_of_the_subsampled_vgg16():
    """Every 4th output and every 3rd place of 4096x512x7x7; every 4th output and input of 4096x4096."""
    fc6 = np.broadcast_to(np.float32(0), (4096, 512, 7, 7))[::4, :, ::3, ::3]
    fc7 = np.broadcast_to(np.float32(0), (4096, 4096, 1, 1))[::4, ::4]
    assert model_of(SSD300_VOC).params["fc6.weight"].shape == fc6.shape
    assert model_of(SSD300_VOC).params["fc7.weight"].shape == fc7.shape


def test_l2_norm_is_on_conv4_3_alone_with_512_scales_of_20():
    """Paper, section 3.1; ssd_pascal.py, normalizations = [20, -1, -1, -1, -1, -1]."""
    for config in (SSD300_VOC, SSD512_VOC):
        model = model_of(config)
        assert [isinstance(norm, L2Norm) for norm in model.norms] == [True] + [False] * (len(model.norms) - 1)
        np.testing.assert_array_equal(model.params["conv4_3_norm.weight"], np.full(512, 20, np.float32))


# -- extra layers and heads --------------------------------------------------------------------------------


@of_size(
    (SSD300_VOC, {8: (256, 512, 3, (2, 1, 1), 10), 9: (128, 256, 3, (2, 1, 1), 5),
                  10: (128, 256, 3, (1, 0, 1), 3), 11: (128, 256, 3, (1, 0, 1), 1)}),
    (SSD512_VOC, {8: (256, 512, 3, (2, 1, 1), 16), 9: (128, 256, 3, (2, 1, 1), 8),
                  10: (128, 256, 3, (2, 1, 1), 4), 11: (128, 256, 3, (2, 1, 1), 2),
                  12: (128, 256, 4, (1, 1, 1), 1)}),
)  # fmt: skip
def test_extra_layers(config, expected):
    """ssd_pascal.py and ssd_pascal_512.py, AddExtraLayers, by the paper's names."""
    before = 1024
    for number, (narrow, wide, *shape, side) in expected.items():
        assert convolution(config, f"conv{number}_1") == (before, narrow, 1, (1, 0, 1))
        assert convolution(config, f"conv{number}_2") == (narrow, wide, *shape)
        assert sides(config, f"conv{number}_2") == [side]
        before = wide
    assert f"conv{max(expected) + 1}_1" not in model_of(config).layers


def test_torchvisions_high_resolution_extras_are_not_those_of_ssd512():
    """Those end unpadded and with stride 1: maps of 64, 32, 16, 8, 6, 4, 1."""
    unpadded = [(3, 2, 1), (3, 2, 1), (3, 1, 0), (3, 1, 0), (4, 1, 0)]

    def maps(extras):
        found = [64, 32]
        for kernel, stride, padding in extras:
            found.append(output_side(found[-1], kernel, stride, padding))
        return found

    assert maps(unpadded) == [64, 32, 16, 8, 6, 4, 1]
    assert maps(EXTRA_LAYERS[512]) == [64, 32, 16, 8, 4, 2, 1] == list(SSD512_VOC.feature_maps)


@of_size((SSD300_VOC, (4, 6, 6, 6, 4, 4)), (SSD512_VOC, (4, 6, 6, 6, 6, 4, 4)))
def test_heads_are_3x3_with_4k_and_ck_channels(config, expected):
    """CreateMultiBoxHead; as many numbers in all as P default boxes have."""
    model = model_of(config)
    assert tuple(head.boxes_per_cell for head in model.heads) == expected
    rows = [table_of(config)[f"{name}_head"] for name in model.source_names]
    for head, row, k in zip(model.heads, rows, expected, strict=True):
        assert head.params["weight"].shape[::2] == (k * (4 + 21), 3)
        assert head.geometry == (1, 1, 1)
        assert row.output_shape[0] == 4 * k + 21 * k
    assert sum(math.prod(row.output_shape) for row in rows) == config.num_priors * (4 + 21)


def test_relu_is_behind_every_convolution_but_the_heads():
    """AddExtraLayers has use_relu for the 1x1 convolutions too."""
    model = model_of(SSD512_VOC)
    heads = set(map(id, model.heads))
    for name, layer in model.layers.items():
        conv = getattr(layer, "conv", layer)
        if isinstance(conv, Conv2d):
            assert conv.relu == (id(conv) not in heads), name


# -- initial weights ---------------------------------------------------------------------------------------


def test_extras_and_heads_start_with_caffes_xavier():
    """filler.hpp: uniform within sqrt(3 / fan-in). Glorot's bound is sqrt(6 / (fan-in + fan-out)): other than
    that for conv8_1, which has 1024 channels in and 256 out."""
    new = ("conv8_", "conv9_", "conv10_", "conv11_", "conv4_3_head", "fc7_head")
    params = model_of(SSD300_VOC).params
    names = [name for name in params if name.startswith(new) and name.endswith(".weight")]
    assert len(names) == 8 + 6
    for name in names:
        bound = math.sqrt(3 / math.prod(params[name].shape[1:]))
        assert 0.999 * bound < np.abs(params[name]).max() <= bound * (1 + 1e-6), name
    assert np.abs(params["conv8_1.weight"]).max() < 0.8 * math.sqrt(6 / (1024 + 256))


def test_every_bias_starts_at_0():
    biases = {name: bias for name, bias in model_of(SSD300_VOC).params.items() if name.endswith("bias")}
    assert len(biases) == 13 + 2 + 8 + 6  # VGG16, fc6 and fc7, extra layers, heads
    assert not any(bias.any() for bias in biases.values())


# -- cost and reach ----------------------------------------------------------------------------------------


@of_size(
    (SSD300_VOC, (26_285_486, 31.37)),
    (SSD300_COCO, (34_305_206, 34.36)),
    (SSD300_COCO_91, (35_641_826, None)),
    (SSD512_VOC, (27_188_676, 90.21)),
    (SSD512_COCO, (36_038_196, 98.63)),
)
def test_parameters_and_multiply_accumulates(config, expected):
    """35,641,826 is also in torchvision's documentation; 26.285 M and 62.8 GFLOPs in OpenVINO's."""
    params, gmacs = expected
    assert table_of(config).params == params
    if gmacs:
        assert table_of(config).macs / 1e9 == pytest.approx(gmacs, abs=0.005)


def test_ssd300_is_62_8_gigaflops():
    assert 2 * table_of(SSD300_VOC).macs / 1e9 == pytest.approx(62.8, abs=0.06)


def test_where_the_parameters_of_ssd300_are():
    def total(holds):
        return sum(row.params for row in table_of(SSD300_VOC).rows if holds(row.name))

    extras = ("conv8_", "conv9_", "conv10_", "conv11_")
    parts = {
        "heads": total(lambda name: name.endswith("_head")),
        "norm": total(lambda name: name.endswith("_norm")),
        "extras": total(lambda name: name.startswith(extras) and not name.endswith("_head")),
    }
    assert parts == {"heads": 3_341_550, "norm": 512, "extras": 2_459_520}
    assert table_of(SSD300_VOC).params - sum(parts.values()) == 20_483_904  # VGG16 with fc6 and fc7


def test_classes_cost_parameters_in_the_heads_only():
    """Each class more has k filters of 3x3 with a bias on every map."""
    channels = (512, 1024, 512, 256, 256, 256)
    per_class = sum(k * (9 * c + 1) for k, c in zip(SSD300_VOC.boxes_per_cell, channels))
    voc, coco, coco_91 = (table_of(config).params for config in (SSD300_VOC, SSD300_COCO, SSD300_COCO_91))
    assert (coco - voc, coco_91 - coco) == (60 * per_class, 10 * per_class)


def test_theoretical_receptive_fields():
    """Of the input's 300 pixels: from conv9_2 on the field is larger than the image."""
    fields = {row.name: row.receptive_field for row in table_of(SSD300_VOC).rows}
    expected = {"conv4_3": 92, "conv4_3_head": 108, "fc7": 420, "conv8_2": 452, "conv9_2": 516}
    expected |= {"conv10_2": 644, "conv11_2": 772}
    assert {name: fields[name] for name in expected} == expected


def test_strides_of_the_source_maps_are_the_steps_of_the_default_boxes_until_the_unpadded_ones():
    """Caffe's steps 100 and 300 are 300 / 3 and 300 / 1; the maps conv10_2 and conv11_2 move by 64."""
    strides = [table_of(SSD300_VOC)[name].stride for name in model_of(SSD300_VOC).source_names]
    assert strides == [8, 16, 32, 64, 64, 64]
    assert SSD300_VOC.steps[:4] == (8, 16, 32, 64) and SSD300_VOC.steps[4:] == (100, 300)
    strides = [table_of(SSD512_VOC)[name].stride for name in model_of(SSD512_VOC).source_names]
    assert strides[:6] == list(SSD512_VOC.steps[:6])
