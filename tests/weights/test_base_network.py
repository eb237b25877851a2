"""What a training starts from: a VGG16 that classifies, or a detector of other classes."""

import dataclasses

import numpy as np
import pytest
import safetensors.numpy

from minissd import weights
from minissd.config import SSD300_VOC, TINY
from minissd.errors import InputError
from minissd.models import SSD
from minissd.weights.base_network import BASE_LAYOUTS, IMAGENET_STD
from minissd.weights.layouts import VGG_LAYERS
from minissd.weights.loading import undrawn_model

REDUCEDFC, TORCHVISION, CAFFE = BASE_LAYOUTS
FULL_FC6, FULL_FC7 = (4096, 25088), (4096, 4096)


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


def named(vgg, layout):
    """The arrays of a base by the names of a layout."""
    names = dict(zip(VGG_LAYERS, layout.layers))
    return {
        f"{names[layer]}.{kind}": vgg[f"{layer}.{kind}"] for layer in names for kind in ("weight", "bias")
    }


def write(path, arrays):
    safetensors.numpy.save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, path)
    return path


def fully_connected(arrays, names):
    """The arrays with fc6 and fc7 as a classifier has them, of which SSD's are a subsample."""
    fc6, fc7 = np.zeros(FULL_FC6, np.float32), np.zeros(FULL_FC7, np.float32)
    fc6.reshape(4096, 512, 7, 7)[::4, :, ::3, ::3] = arrays[f"{names[0]}.weight"]
    fc7.reshape(4096, 4096, 1, 1)[::4, ::4] = arrays[f"{names[1]}.weight"]
    biases = {f"{name}.bias": np.repeat(arrays[f"{name}.bias"], 4) for name in names}
    return arrays | {f"{names[0]}.weight": fc6, f"{names[1]}.weight": fc7} | biases


def test_amdegroots_reduced_vgg(vgg, model, tmp_path):
    loaded = weights.load_base(model, write(tmp_path / "base.safetensors", named(vgg, REDUCEDFC)))
    assert set(loaded) == set(vgg)
    for name, array in vgg.items():
        np.testing.assert_array_equal(model.params[name], array, err_msg=name)


def test_the_fully_connected_layers_of_a_classifier_are_subsampled(vgg, model, tmp_path):
    """And torchvision's, which divides by the deviation of ImageNet, is brought to SSD's input."""
    arrays = fully_connected(named(vgg, TORCHVISION), TORCHVISION.layers[13:])
    arrays["classifier.6.weight"] = np.zeros((1000, 2), np.float32)
    weights.load_base(model, write(tmp_path / "vgg16.safetensors", arrays))
    for name, array in vgg.items():
        expected = array
        if name == "conv1_1.weight":
            expected = array / np.array(IMAGENET_STD, np.float32)[:, None, None]
        np.testing.assert_array_equal(model.params[name], expected, err_msg=name)


def test_torchvisions_weights_for_ssd_have_nan_for_a_classifier(vgg, tmp_path):
    arrays = named(vgg, TORCHVISION)
    for name in arrays:
        if name.startswith("classifier"):
            arrays[name] = np.full_like(arrays[name], np.nan)
    model = SSD(SSD300_VOC, np.random.default_rng(3))
    own = model.params["fc6.weight"].copy()
    loaded = weights.load_base(model, write(tmp_path / "features.safetensors", arrays))
    assert not {"fc6.weight", "fc7.bias"} & set(loaded)
    np.testing.assert_array_equal(model.params["fc6.weight"], own)
    np.testing.assert_array_equal(model.params["conv1_1.weight"], vgg["conv1_1.weight"])  # no deviation


def test_caffes_first_layer_sees_blue_first(vgg, model, tmp_path):
    weights.load_base(model, write(tmp_path / "caffe.safetensors", named(vgg, CAFFE)))
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


def test_a_base_is_no_detector(vgg, tmp_path):
    path = write(tmp_path / "base.safetensors", named(vgg, REDUCEDFC))
    with pytest.raises(InputError, match=r"holds a VGG16 without SSD's own layers .*minissd train --base"):
        weights.load_model(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"0.weight": np.zeros((64, 3, 5, 5), np.float32)}, r"conv1_1.weight has shape \(64, 3, 5, 5\)"),
        ({"31.weight": np.zeros((4096, 99), np.float32)}, r"31.weight"),
    ],
)
def test_a_base_that_does_not_fit_changes_nothing(vgg, model, tmp_path, changes, message):
    path = write(tmp_path / "base.safetensors", named(vgg, REDUCEDFC) | changes)
    with pytest.raises(InputError, match=message):
        weights.load_base(model, path)
    assert not model.params["conv2_1.weight"].any()


def test_a_base_of_vgg_for_another_network_is_refused(vgg, tmp_path):
    path = write(tmp_path / "base.safetensors", named(vgg, REDUCEDFC))
    with pytest.raises(InputError, match=r"conv1_1[.]\w+ is not in a tiny"):
        weights.load_base(SSD(TINY), path)
