"""What a training starts from: a VGG16 that classifies, or a detector of other classes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from minissd import weights
from minissd.config import SSD300_VOC, TINY
from minissd.errors import InputError
from minissd.models import SSD
from minissd.weights import base_network, safetensors_file, translate
from minissd.weights.base_layouts import BASE_LAYOUTS, IMAGENET_STD
from minissd.weights.base_network import reduce_fully_connected
from minissd.weights.formats import WeightFile
from minissd.weights.layouts import LAYOUTS, VGG_LAYERS
from minissd.weights.loading import undrawn_model

REDUCEDFC, TORCHVISION, CAFFE = BASE_LAYOUTS


@pytest.fixture(scope="module")
def vgg():
    """Arrays of the base by minissd's names, float32."""
    rng = np.random.default_rng(0)
    params = undrawn_model(SSD300_VOC).params
    return {
        f"{layer}.{kind}": rng.random(params[f"{layer}.{kind}"].shape, np.float32)
        for layer in VGG_LAYERS
        for kind in ("weight", "bias")
    }


@pytest.fixture
def model():
    return undrawn_model(dataclasses.replace(SSD300_VOC, num_classes=4))


@pytest.fixture
def load_base(monkeypatch):
    """A function that loads arrays into a model as if they stood in a file."""

    def load(model, arrays):
        file = WeightFile(Path("base.pth"), "PyTorch", arrays, {})
        monkeypatch.setattr(base_network, "read_file", lambda path: file)
        return weights.load_base(model, "base.pth")

    return load


def named(vgg, layout):
    """The arrays of a base by the names of a layout."""
    names = dict(zip(VGG_LAYERS, layout.layers))
    return {
        f"{names[layer]}.{kind}": vgg[f"{layer}.{kind}"] for layer in names for kind in ("weight", "bias")
    }


def write(path, arrays):
    safetensors.numpy.save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, path)
    return path


def test_amdegroots_reduced_vgg(vgg, model, tmp_path):
    loaded = weights.load_base(model, write(tmp_path / "base.safetensors", named(vgg, REDUCEDFC)))
    assert set(loaded) == set(vgg)
    for name, array in vgg.items():
        np.testing.assert_array_equal(model.params[name], array, err_msg=name)


def test_the_fully_connected_layers_of_a_classifier_are_subsampled(vgg, model, load_base):
    """And torchvision's, which divides by the deviation of ImageNet, is brought to SSD's input."""
    large = as_vgg16(*overlapping_rows())
    arrays = named(vgg | large, TORCHVISION) | {"classifier.6.weight": np.zeros((1000, 2), np.float32)}
    assert set(load_base(model, arrays)) == set(vgg)
    expected = vgg | reduced(large)
    expected["conv1_1.weight"] = vgg["conv1_1.weight"] / np.array(IMAGENET_STD, np.float32)[:, None, None]
    for name, array in expected.items():
        np.testing.assert_allclose(model.params[name], array, rtol=2e-7, err_msg=name)


def test_torchvisions_weights_for_ssd_have_nan_for_a_classifier(vgg, load_base):
    arrays = named(vgg, TORCHVISION)
    for name in arrays:
        if name.startswith("classifier"):
            arrays[name] = np.full_like(arrays[name], np.nan)
    model = SSD(SSD300_VOC, np.random.default_rng(3))
    own = model.params["fc6.weight"].copy()
    loaded = load_base(model, arrays)
    assert not {"fc6.weight", "fc7.bias"} & set(loaded)
    np.testing.assert_array_equal(model.params["fc6.weight"], own)
    np.testing.assert_array_equal(model.params["conv1_1.weight"], vgg["conv1_1.weight"])  # no deviation


def test_caffes_first_layer_sees_blue_first(vgg, model, load_base):
    load_base(model, named(vgg, CAFFE))
    np.testing.assert_array_equal(model.params["conv1_1.weight"], vgg["conv1_1.weight"][:, ::-1])
    np.testing.assert_array_equal(model.params["fc7.weight"], vgg["fc7.weight"])


def test_a_detector_of_other_classes_gives_all_but_its_heads(tmp_path):
    theirs = SSD(dataclasses.replace(TINY, num_classes=3), np.random.default_rng(1))
    theirs.buffers["conv1.norm.running_mean"][...] = 4
    weights.save(theirs, tmp_path / "two.safetensors", ("cat", "dog"))
    ours = SSD(dataclasses.replace(TINY, num_classes=6), np.random.default_rng(2))
    heads = {name: array.copy() for name, array in ours.params.items() if "_head" in name}
    weights.load_base(ours, tmp_path / "two.safetensors")
    for name, array in ours.params.items():
        np.testing.assert_array_equal(array, heads.get(name, theirs.params.get(name)), err_msg=name)
    assert (ours.buffers["conv1.norm.running_mean"] == 4).all()


def test_a_detector_that_sees_colours_otherwise(tmp_path):
    """Its first layer is turned and scaled, so that it makes the same of its own input and of the model's."""
    config = dataclasses.replace(TINY, channel_order="bgr", pixel_scale=4.0)
    theirs = SSD(config, np.random.default_rng(1))
    weights.save(theirs, tmp_path / "bgr.safetensors")
    ours = SSD(TINY)
    weights.load_base(ours, tmp_path / "bgr.safetensors")
    expected = theirs.params["conv1.weight"][:, ::-1] * 16
    np.testing.assert_array_equal(ours.params["conv1.weight"], expected)


def test_caffes_detector_has_the_names_of_its_classifier_and_gives_more(model, load_base):
    theirs = undrawn_model(SSD300_VOC).params
    arrays = translate.to_layout(theirs, SSD300_VOC, LAYOUTS["caffe"], "file")
    assert set(load_base(model, arrays)) == {name for name in theirs if "_head" not in name}


def test_a_detector_with_a_missing_array_is_refused(tmp_path):
    theirs = SSD(TINY, np.random.default_rng(1))
    weights.save(theirs, tmp_path / "whole.safetensors")
    arrays = safetensors_file.read(tmp_path / "whole.safetensors")
    del arrays["conv1.norm.running_var"]
    words = safetensors_file.metadata(tmp_path / "whole.safetensors")
    safetensors_file.write(tmp_path / "part.safetensors", arrays, words)
    with pytest.raises(InputError, match=r"part.safetensors: .* conv1.norm.running_var is missing"):
        weights.load_base(SSD(TINY), tmp_path / "part.safetensors")


def test_a_base_is_no_detector(vgg, tmp_path):
    path = write(tmp_path / "base.safetensors", named(vgg, REDUCEDFC))
    with pytest.raises(InputError, match=r"holds a VGG16 without SSD's own layers .*minissd train --base"):
        weights.load_model(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"0.weight": np.zeros((64, 3, 5, 5), np.float32)}, r"conv1_1.weight has shape \(64, 3, 5, 5\)"),
        ({"0.weight": np.zeros(5, np.float32)}, r"conv1_1.weight has shape \(5,\)"),
        ({"31.weight": np.zeros((4096, 99), np.float32)}, r"base.pth: 31.weight"),
        ({"2.weight": np.full((64, 64, 3, 3), np.nan, np.float32)}, r"conv1_2.weight holds NaN"),
        ({"7.bias": None}, r"base.pth: does not fit .* in 1 arrays: conv2_2.bias is missing"),
    ],
)
def test_a_base_that_does_not_fit_changes_nothing(vgg, model, load_base, changes, message):
    arrays = {name: a for name, a in (named(vgg, REDUCEDFC) | changes).items() if a is not None}
    with pytest.raises(InputError, match=message):
        load_base(model, arrays)
    assert not model.params["conv2_1.weight"].any()


def test_a_base_of_vgg_for_another_network_is_refused(vgg, load_base):
    with pytest.raises(InputError, match=r"conv1_1[.]\w+ is unknown"):
        load_base(SSD(TINY), named(vgg, REDUCEDFC))


# fc6 and fc7.


def reduced(arrays, layers=("fc6", "fc7")):
    return reduce_fully_connected(arrays, layers, "file")


def overlapping_rows():
    """fc6 and fc7 of VGG16, whose entries (o, i) are o + i: rows that overlap, 117 kB instead of 411 MB."""
    return [np.lib.stride_tricks.sliding_window_view(np.arange(4095 + n), n) for n in (25088, 4096)]


def as_vgg16(fc6, fc7):
    biases = {"fc6.bias": np.arange(len(fc6)), "fc7.bias": -np.arange(len(fc7))}
    return {"fc6.weight": fc6, "fc7.weight": fc7, **biases}


def test_subsampling_keeps_every_fourth_filter_and_every_third_row_and_column():
    fc6 = np.zeros((8, 2, 7, 7))  # two digits for the channel and filter, two for the pixel: 4136 is...
    fc6 += 1000 * np.arange(8)[:, None, None, None]  # ...filter 4,
    fc6 += 100 * np.arange(2)[:, None, None]  # channel 1,
    fc6 += 10 * np.arange(7)[:, None] + np.arange(7)  # row 3, column 6
    fc7 = 10.0 * np.arange(8)[:, None] + np.arange(8)
    before = as_vgg16(fc6.reshape(8, 98), fc7)
    after = reduced(before | {"conv1.weight": np.ones(3)})
    np.testing.assert_array_equal(
        after["fc6.weight"][1, 1], [[4100, 4103, 4106], [4130, 4133, 4136], [4160, 4163, 4166]]
    )
    np.testing.assert_array_equal(after["fc6.weight"][0, 0], [[0, 3, 6], [30, 33, 36], [60, 63, 66]])
    np.testing.assert_array_equal(after["fc7.weight"][..., 0, 0], [[0, 4], [40, 44]])
    np.testing.assert_array_equal(after["fc6.bias"], [0, 4])
    np.testing.assert_array_equal(after["fc7.bias"], [0, -4])
    np.testing.assert_array_equal(after["conv1.weight"], np.ones(3))
    assert after["fc6.weight"].shape == (2, 2, 3, 3)
    assert after["fc7.weight"].shape == (2, 2, 1, 1)
    assert before["fc6.weight"].shape == (8, 98)


@pytest.mark.parametrize("layers", [("fc6", "fc7"), ("classifier.0", "classifier.3")])
def test_the_layers_of_vgg16_come_out_in_ssds_shapes(layers):
    arrays = as_vgg16(*overlapping_rows())
    arrays = {name.replace("fc6", layers[0]).replace("fc7", layers[1]): a for name, a in arrays.items()}
    after = reduced(arrays, layers)
    o, i, y, x = np.ogrid[:1024, :512, :3, :3]
    np.testing.assert_array_equal(after[f"{layers[0]}.weight"], 4 * o + 49 * i + 7 * 3 * y + 3 * x)
    o, i, y, x = np.ogrid[:1024, :1024, :1, :1]
    np.testing.assert_array_equal(after[f"{layers[1]}.weight"], 4 * o + 4 * i)
    assert after[f"{layers[0]}.weight"].shape == (1024, 512, 3, 3)
    assert after[f"{layers[1]}.weight"].shape == (1024, 1024, 1, 1)
    for layer in layers:
        assert after[f"{layer}.bias"].shape == (1024,)
        assert after[f"{layer}.weight"].flags.owndata  # so that the large one can go
        assert after[f"{layer}.bias"].flags.owndata


def test_fully_convolutional_weights_are_reduced_in_the_same_way(rng):
    arrays = as_vgg16(rng.standard_normal((8, 98)), rng.standard_normal((8, 8)))
    reshaped = arrays | {
        "fc6.weight": arrays["fc6.weight"].reshape(8, 2, 7, 7),
        "fc7.weight": arrays["fc7.weight"].reshape(8, 8, 1, 1),
    }
    for name, array in reduced(arrays).items():
        np.testing.assert_array_equal(reduced(reshaped)[name], array)


def test_what_is_reduced_already_or_has_no_fc6_is_left_alone(rng):
    once = reduced(as_vgg16(rng.standard_normal((8, 98)), rng.standard_normal((8, 8))))
    for arrays in (once, {"conv1.weight": np.ones(3)}, {}):
        again = reduced(arrays)
        assert again.keys() == arrays.keys()
        assert all(again[name] is arrays[name] for name in arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc7.weight": None}, "fc7.weight is missing"),
        ({"fc6.bias": None}, "fc6.bias is missing"),
        ({"fc6.weight": np.zeros((8, 97))}, r"fc6.weight has shape \(8, 97\) instead of \(8, 49\)"),
        ({"fc6.weight": np.zeros((8, 2, 5, 5))}, r"fc6.weight has shape \(8, 2, 5, 5\) instead of"),
        ({"fc6.weight": np.zeros(8)}, r"fc6.weight has shape \(8,\)"),
        ({"fc6.weight": np.zeros(())}, r"fc6.weight has shape \(\)"),
        ({"fc7.weight": np.zeros((8, 12))}, r"fc7.weight has shape \(8, 12\) instead of \(8, 8\)"),
        ({"fc7.bias": np.zeros(7)}, r"fc7.bias has shape \(7,\) instead of \(8,\)"),
        ({"fc6.bias": np.zeros((8, 1))}, r"fc6.bias has shape \(8, 1\) instead of \(8,\)"),
    ],
)
def test_layers_that_do_not_fit_are_refused(change, message):
    arrays = as_vgg16(np.zeros((8, 98)), np.zeros((8, 8))) | change
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(InputError, match=message):
        reduced(arrays)
