"""The configurations: consistent, frozen, and the same after a trip through a file."""

import dataclasses
import json

import pytest

from minissd.config import CONFIGS, SSD300_COCO, SSD300_VOC, SSD512_COCO, SSD512_VOC, TINY, SSDConfig
from minissd.errors import InputError

every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def test_every_configuration_is_listed_under_its_name():
    assert set(CONFIGS.values()) == {TINY, SSD300_VOC, SSD300_COCO, SSD512_VOC, SSD512_COCO}
    assert all(name == config.name for name, config in CONFIGS.items())


@every_config
def test_a_configuration_is_frozen_and_hashable(config):
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.num_classes = 4
    assert hash(config) == hash(dataclasses.replace(config))


@every_config
def test_a_configuration_survives_json(config):
    again = SSDConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)  # its sequences are tuples again


@pytest.mark.parametrize(
    ("config", "boxes_per_cell", "num_priors"),
    [
        # 38*38*4 + 19*19*6 + 10*10*6 + 5*5*6 + 3*3*4 + 1*4 = 5776 + 2166 + 600 + 150 + 36 + 4
        (SSD300_VOC, (4, 6, 6, 6, 4, 4), 8732),
        (SSD300_COCO, (4, 6, 6, 6, 4, 4), 8732),
        # 64*64*4 + 32*32*6 + 16*16*6 + 8*8*6 + 4*4*6 + 2*2*4 + 1*4
        (SSD512_VOC, (4, 6, 6, 6, 6, 4, 4), 24564),
        (SSD512_COCO, (4, 6, 6, 6, 6, 4, 4), 24564),
        # (32*32 + 16*16 + 8*8 + 4*4) * 4
        (TINY, (4, 4, 4, 4), 5440),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_numbers_of_default_boxes(config, boxes_per_cell, num_priors):
    assert config.boxes_per_cell == boxes_per_cell
    assert config.num_priors == num_priors


@pytest.mark.parametrize("config", [SSD300_VOC, SSD300_COCO, SSD512_VOC, SSD512_COCO], ids=lambda c: c.name)
def test_the_published_models_use_caffes_values(config):
    assert config.clip is False
    assert config.variances == (0.1, 0.2)
    assert config.mean_rgb == (123, 117, 104)
    assert config.max_sizes[:-1] == config.min_sizes[1:]  # the next map's size
    assert config.num_classes == (81 if "coco" in config.name else 21)


@every_config
def test_maps_shrink_and_sizes_grow(config):
    assert list(config.feature_maps) == sorted(config.feature_maps, reverse=True)
    assert list(config.min_sizes) == sorted(config.min_sizes)
    assert all(small < large for small, large in zip(config.min_sizes, config.max_sizes))


@pytest.mark.parametrize("field", ["steps", "min_sizes", "max_sizes", "aspect_ratios"])
def test_one_entry_per_map_is_required(field):
    with pytest.raises(InputError, match=f"config tiny: {field} has 3 entries for 4 feature maps"):
        dataclasses.replace(TINY, **{field: getattr(TINY, field)[:3]})


def test_the_background_counts_as_a_class():
    assert dataclasses.replace(TINY, num_classes=2).num_classes == 2
    with pytest.raises(InputError, match=r"num_classes is 1 .give 2 or more.* count the background too"):
        dataclasses.replace(TINY, num_classes=1)


def test_missing_and_unknown_fields_are_named():
    values = TINY.to_dict()
    del values["steps"]
    values["stride"] = 8
    with pytest.raises(InputError, match=r"missing or unknown fields \['steps', 'stride'\]"):
        SSDConfig.from_dict(values)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_size", 0),
        ("image_size", 300.5),
        ("image_size", True),
        ("pixel_scale", 0.0),
        ("pixel_scale", float("nan")),
        ("min_sizes", (18, -38, 77, 141)),
        ("max_sizes", (18, 38, 77, float("inf"))),
        ("channel_order", "BGR"),
        ("num_classes", 10**9),
        ("feature_maps", (32, 16, 8, "4")),
        ("feature_maps", 32),
        ("aspect_ratios", (2, 2, 2, 2)),
        ("variances", (0.1, 0.2, 0.3)),
        ("mean_rgb", (1.0, 2.0)),
        ("base", ["tiny"]),
        ("convention", "caffe\x1b[2J"),
        ("flip", 1),
        ("clip", 1.5),
        ("l2norm_epsilon", -1e-10),
    ],
)
def test_values_that_make_no_network_are_refused(field, value):
    with pytest.raises(InputError, match=f"config tiny: {field} is "):
        dataclasses.replace(TINY, **{field: value})


def test_so_many_default_boxes_that_no_memory_holds_them_are_refused():
    with pytest.raises(InputError, match=r"feature_maps make \d+ default boxes"):
        dataclasses.replace(TINY, feature_maps=(9999, 16, 8, 4))
