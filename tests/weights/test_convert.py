"""Weights from one layout to another, by way of files."""

import dataclasses

import numpy as np
import pytest
import safetensors

from minissd import weights
from minissd.config import SSD300_COCO, SSD300_VOC, SSD512_VOC
from minissd.conventions import CONVENTIONS
from minissd.errors import InputError
from minissd.weights import convert
from minissd.weights.checkpoint import Checkpoint
from minissd.weights.loading import undrawn_model


@pytest.fixture
def found(monkeypatch):
    """What every file holds: an SSD300 for three classes."""
    config = dataclasses.replace(SSD300_VOC, num_classes=4, convention="lufficc")
    arrays = dict(undrawn_model(config).params)
    arrays["fc7_head.bias"] = np.arange(len(arrays["fc7_head.bias"]), dtype=np.float32)
    checkpoint = Checkpoint(arrays, config, (), {}, {})
    monkeypatch.setattr(convert, "read", lambda path: checkpoint)
    return checkpoint


def test_names_and_default_boxes_may_be_given(found, tmp_path):
    path = tmp_path / "out.safetensors"
    convert.convert_file("in.pth", path, class_names=["a", "b", "c"], config_name="ssd300-coco")
    written = weights.read(path)
    assert written.class_names == ("a", "b", "c")
    expected = CONVENTIONS["lufficc"].config(SSD300_COCO, num_classes=4)
    assert written.config == expected


def test_rules_may_be_given(found, tmp_path):
    path = tmp_path / "out.safetensors"
    config, losses = convert.convert_file("in.pth", path, convention="paper")
    assert config == weights.read(path).config == CONVENTIONS["paper"].config(SSD300_VOC, num_classes=4)
    assert losses == []


def test_what_a_layout_cannot_say_is_said(found, tmp_path):
    """Torchvision makes default boxes of the COCO scripts' sizes for any number of classes."""
    _, losses = convert.convert_file("in.pth", tmp_path / "out.safetensors", "torchvision")
    assert losses[0] == "the file does not hold the names of the classes"
    assert losses[1].startswith("torchvision takes (21, 45, 99, 153, 207, 261) for min_sizes: set (30, 60, ")
    assert any("takes size for clip" in loss for loss in losses)


def test_another_layout_is_for_pytorch(found, tmp_path):
    path = tmp_path / "out.safetensors"
    convert.convert_file("in.pth", path, "amdegroot")
    with safetensors.safe_open(path, framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
        np.testing.assert_array_equal(file.get_tensor("loc.1.bias"), np.arange(24))
        np.testing.assert_array_equal(file.get_tensor("conf.1.bias"), np.arange(24, 48))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "caffe2"}, "layout: no layout 'caffe2' .choose one of minissd, torchvision"),
        ({"config_name": SSD512_VOC.name}, "config: ssd512-voc has other feature maps"),
        ({"config_name": "ssd"}, "config: no configuration 'ssd' .choose one of tiny"),
        ({"class_names": ["a"]}, "--classes: 1 class names for 4 classes"),
    ],
)
def test_what_does_not_fit_is_refused(found, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        convert.convert_file("in.pth", tmp_path / "out.safetensors", **options)
    assert list(tmp_path.iterdir()) == []
