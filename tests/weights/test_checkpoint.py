"""Weight files: what is saved is what is loaded, and nothing else gets in."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.numpy

from minissd import weights
from minissd.config import TINY
from minissd.errors import InputError
from minissd.models import SSD

CONFIG = dataclasses.replace(TINY, num_classes=3)
CLASS_NAMES = ("cat", "dog")


@pytest.fixture
def model():
    model = SSD(CONFIG, np.random.default_rng(3))
    model.buffers["conv1.norm.running_mean"][...] = 5  # running statistics travel along
    return model


@pytest.fixture
def file(model, tmp_path):
    path = tmp_path / "weights.safetensors"
    weights.save(model, path, CLASS_NAMES)
    return path


def test_load_model_restores_every_bit(model, file):
    loaded, class_names = weights.load_model(file)
    assert class_names == CLASS_NAMES
    assert loaded.config == CONFIG
    for store in ("params", "buffers"):
        for name, array in getattr(model, store).items():
            other = getattr(loaded, store)[name]
            assert other.dtype == array.dtype
            np.testing.assert_array_equal(other, array, err_msg=name)


def test_load_puts_the_arrays_into_a_model_in_place(model, file):
    other = SSD(CONFIG, np.random.default_rng(4))
    checkpoint = weights.load(other, file, CLASS_NAMES)
    assert checkpoint.class_names == CLASS_NAMES
    np.testing.assert_array_equal(other.params["conv7_2.weight"], model.params["conv7_2.weight"])


def test_saving_twice_gives_the_same_bytes(model, file, tmp_path):
    weights.save(model, tmp_path / "again.safetensors", CLASS_NAMES)
    assert file.read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_training_state_travels_apart_from_the_weights(model, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    weights.save(model, path, CLASS_NAMES, state={"conv1.weight": np.ones(3)}, details={"step": 8})
    checkpoint = weights.read(path)
    np.testing.assert_array_equal(checkpoint.state["conv1.weight"], np.ones(3))
    assert checkpoint.details == {"step": 8}
    assert checkpoint.arrays.keys() == {*model.params, *model.buffers}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.safetensors: no such file"):
        weights.load_model(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("keep", [100, 10_000, -1])
def test_a_file_that_is_cut_off_is_refused(file, keep):
    content = file.read_bytes()
    file.write_bytes(content[:keep])
    with pytest.raises(InputError, match=r"weights.safetensors: not a complete safetensors file"):
        weights.load_model(file)


@pytest.mark.parametrize(("keep", "message"), [(0, "is empty"), (4, "is no weight file of a known kind")])
def test_a_file_of_which_nearly_nothing_is_left(file, keep, message):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(InputError, match=message):
        weights.load_model(file)


def test_a_file_of_someone_else_is_refused(file):
    safetensors.numpy.save_file({"conv1.weight": np.zeros(3)}, file)
    with pytest.raises(InputError, match="not those of an SSD that is known here"):
        weights.load_model(file)


def about_in(file):
    """What the metadata of a file say, as plain values."""
    return json.loads(safetensors.safe_open(file, framework="numpy").metadata()["minissd"])


def rewrite(file, change_arrays=None, **change_metadata):
    """Save `file` again with some arrays or metadata changed."""
    with safetensors.safe_open(file, framework="numpy") as opened:
        metadata = opened.metadata() | change_metadata
        arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    (change_arrays or (lambda arrays: None))(arrays)
    safetensors.numpy.save_file(arrays, file, metadata)


@pytest.mark.parametrize("about", ["{", "{}", "[]", '{"config": {"name": "tiny"}}', "null", '{"config": 1}'])
def test_damaged_metadata_is_refused(file, about):
    rewrite(file, minissd=about)
    with pytest.raises(InputError, match=r"weights.safetensors: damaged metadata"):
        weights.load_model(file)


def test_everything_that_does_not_fit_is_listed_at_once_and_the_model_is_unchanged(model, file):
    def change(arrays):
        del arrays["conv1.weight"]
        arrays["conv99.weight"] = np.zeros(1)
        arrays["conv2.weight"] = np.zeros((1, 2))

    rewrite(file, change)
    before = {name: array.copy() for name, array in model.params.items()}
    with pytest.raises(InputError) as error:
        weights.load(model, file)
    assert "conv1.weight is missing" in str(error.value)
    assert "conv99.weight is unknown" in str(error.value)
    assert "conv2.weight has shape (1, 2) instead of (32, 16, 3, 3)" in str(error.value)
    assert all((model.params[name] == before[name]).all() for name in before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_classes": 5}, "was trained with 3 classes .* the model has 5"),
        ({"image_size": 512}, "was trained with 256 pixels of input, the model has 512"),
        ({"min_sizes": (20, 40, 80, 150)}, "another configuration, with other values of min_sizes"),
    ],
)
def test_weights_of_another_configuration_are_refused(file, change, message):
    with pytest.raises(InputError, match=message):
        weights.load(SSD(dataclasses.replace(CONFIG, **change)), file)


def test_weights_of_another_class_list_are_refused(model, file):
    with pytest.raises(InputError, match="trained for the classes cat, dog, not dog, cat"):
        weights.load(model, file, ("dog", "cat"))


def test_class_names_must_fit_the_model(model, tmp_path):
    with pytest.raises(InputError, match=r"3 class names for 3 classes \(leave out the background\)"):
        weights.save(model, tmp_path / "x.safetensors", ("background", "cat", "dog"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_names": ["cat"]}, "weights.safetensors: 1 class names for 3 classes"),
        ({"class_names": ["cat", "dog\x1b[2J"]}, "damaged metadata: class_names must be words"),
        ({"class_names": ["cat", 7]}, "damaged metadata: class_names must be words"),
        ({"details": []}, "damaged metadata: details must be"),
    ],
)
def test_names_and_details_are_what_they_should_be(file, change, message):
    rewrite(file, minissd=json.dumps(about_in(file) | change))
    with pytest.raises(InputError, match=message):
        weights.load_model(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_classes": 9000}, "heads of .* rows are not those of tiny with 9000 classes"),
        (
            {"convention": "nobody"},
            "network cannot be built: convention: no convention 'nobody' .* own, else",
        ),
    ],
)
def test_a_configuration_that_is_not_that_of_the_arrays(file, change, message):
    about = about_in(file)
    rewrite(file, minissd=json.dumps({**about, "class_names": [], "config": about["config"] | change}))
    with pytest.raises(InputError, match=message):
        weights.load_model(file)


def test_the_metadata_is_plain_json(file):
    about = about_in(file)
    assert about["config"]["num_classes"] == 3
    assert about["class_names"] == list(CLASS_NAMES)
