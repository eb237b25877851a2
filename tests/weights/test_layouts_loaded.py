"""Weights by the names of other implementations are loaded for their own inputs, or refused as misfits."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.numpy

from minissd import weights
from minissd.config import SSD300_VOC, SSD512_VOC, TINY
from minissd.data import network_input
from minissd.errors import InputError
from minissd.models import SSD
from minissd.weights import loading, translate
from minissd.weights.fitting import put_arrays
from minissd.weights.formats import WeightFile
from minissd.weights.layouts import LAYOUTS
from minissd.weights.loading import undrawn_model


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
