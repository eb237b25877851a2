"""Arrays become a model's own: copied where they must be, and all or none."""

import numpy as np
import pytest

from minissd.config import TINY
from minissd.errors import InputError
from minissd.models import SSD
from minissd.weights.fitting import put_arrays, require_fitting_shapes, shapes_of

NAME = "conv1.weight"


@pytest.fixture
def model():
    return SSD(TINY, np.random.default_rng(0))


@pytest.fixture
def array(model):
    return np.random.default_rng(1).random(model.params[NAME].shape, np.float32)


def test_only_what_may_be_written_to_is_taken_as_it_is(model, array):
    put_arrays(model, {NAME: array}, "file", copy=False)
    assert model.params[NAME] is array
    array.setflags(write=False)  # as the arrays of a .caffemodel are
    put_arrays(model, {NAME: array}, "file", copy=False)
    assert model.params[NAME].flags.writeable
    assert not np.shares_memory(model.params[NAME], array)


def test_a_copy_is_the_models_own(model, array):
    put_arrays(model, {NAME: array}, "file")
    np.testing.assert_array_equal(model.params[NAME], array)
    assert not np.shares_memory(model.params[NAME], array)


def test_other_types_and_orders_become_the_models(model, array):
    for other in (array.astype(np.float64), np.asfortranarray(array), array.astype(">f4")):
        put_arrays(model, {NAME: other}, "file", copy=False)
        np.testing.assert_array_equal(model.params[NAME], array, strict=True)
        assert model.params[NAME].flags.c_contiguous


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e39, -1e39])
def test_a_number_that_no_weight_can_be_changes_nothing(model, array, odd):
    before = model.params[NAME].copy()
    spoiled = model.buffers["conv1.norm.running_var"].astype(np.float64)
    spoiled[0] = odd
    with pytest.raises(InputError, match=r"file: conv1.norm.running_var holds NaN, infinite or too large"):
        put_arrays(model, {NAME: array, "conv1.norm.running_var": spoiled}, "file")
    np.testing.assert_array_equal(model.params[NAME], before)


def test_shapes_are_those_of_parameters_and_buffers(model):
    shapes = shapes_of(model)
    assert shapes[NAME] == model.params[NAME].shape
    assert shapes.keys() == {*model.params, *model.buffers}


def test_a_message_lists_many_problems_but_not_any_number():
    with pytest.raises(InputError, match="in 1000 arrays") as error:
        require_fitting_shapes({}, {f"x{number}": np.zeros(1) for number in range(1000)}, "file")
    assert str(error.value).count("is unknown") == 200
