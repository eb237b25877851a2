"""Max pooling: by hand, ties, ceil mode, compiled and readable twins, PyTorch's numbers."""

import numpy as np
import pytest
from backends import every_backend
from hypothesis import given, settings
from hypothesis import strategies as st

from minissd.errors import InputError
from minissd.nn import MaxPool2d, check_layer, pool_readable
from minissd.nn.fast import pool as pool_fast

pytestmark = every_backend("MaxPool2d")
TWINS = pytest.mark.parametrize("twin", [pool_fast, pool_readable], ids=["fast", "readable"])


def distinct(shape, rng, dtype=np.float64):
    """An input without ties, whose values are far apart: safe for differences."""
    size = int(np.prod(shape))
    return (rng.permutation(size).reshape(shape) - size / 2).astype(dtype)


def test_by_hand():
    x = np.array([[[[1.0, 5.0, 2.0], [4.0, 3.0, 9.0], [7.0, 8.0, 6.0]]]])
    pool = MaxPool2d(2, stride=1)
    np.testing.assert_array_equal(pool.forward(x)[0, 0], [[5, 9], [8, 9]])
    dx = pool.backward(np.array([[[[1.0, 10.0], [100.0, 1000.0]]]]))
    np.testing.assert_array_equal(dx[0, 0], [[0, 1, 0], [0, 0, 1010], [0, 100, 0]])  # 9 won twice


def test_ceil_mode_by_hand():
    """A side of 75 becomes 38 with ceil mode and 37 without; the last window holds one row."""
    assert MaxPool2d(2, ceil_mode=True).output_side(75) == 38
    assert MaxPool2d(2).output_side(75) == 37
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    pool = MaxPool2d(2, ceil_mode=True)
    np.testing.assert_array_equal(pool.forward(x)[0, 0], [[4, 5], [7, 8]])
    dx = pool.backward(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))
    np.testing.assert_array_equal(dx[0, 0], [[0, 0, 0], [0, 1, 2], [0, 3, 4]])


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "side", "floor", "ceil"),
    [
        (2, 2, 0, 300, 150, 150),
        (2, 2, 0, 75, 37, 38),
        (3, 1, 1, 19, 19, 19),
        (3, 2, 1, 2, 1, 2),
        (2, 2, 1, 3, 2, 2),
    ],
)
def test_output_sides(kernel, stride, padding, side, floor, ceil):
    """In the last case a third window would begin in the border behind the map: it does not count."""
    for ceil_mode, expected in ((False, floor), (True, ceil)):
        pool = MaxPool2d(kernel, stride, padding, ceil_mode)
        assert pool.forward(np.zeros((1, 1, side, side))).shape == (1, 1, expected, expected)


def test_windows_do_not_overlap_unless_a_stride_is_given():
    x = np.arange(36.0).reshape(1, 1, 6, 6)
    np.testing.assert_array_equal(MaxPool2d(3).forward(x)[0, 0], [[14, 17], [32, 35]])
    assert MaxPool2d(3, stride=1).forward(x).shape == (1, 1, 4, 4)


def test_padding_never_wins_even_over_negative_values():
    x = np.full((1, 1, 2, 2), -5.0)
    np.testing.assert_array_equal(MaxPool2d(3, stride=1, padding=1).forward(x), x)


@TWINS
def test_of_equal_values_the_first_gets_the_gradient(twin):
    x = np.ones((1, 1, 3, 3), np.float32)
    y, winner = twin.pool(x, (1, 1, 3, 3), 3, 1, 1)
    dy = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    dx = twin.unpool(dy, winner, x.shape, 3, 1, 1)
    # The first value on the map of each window: windows 1, 2, 4, 5 begin at (0, 0); 3 and 6 at (0, 1); ...
    np.testing.assert_array_equal(dx[0, 0], [[1 + 2 + 4 + 5, 3 + 6, 0], [7 + 8, 9, 0], [0, 0, 0]])
    np.testing.assert_array_equal(y, x)
    assert winner.dtype == np.uint8


@pytest.mark.large
@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 4),
    padding=st.integers(0, 2),
    ceil_mode=st.booleans(),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    values=st.sampled_from([1, 3, 1000]),  # few values make many ties
    shift=st.sampled_from([0, -2000, -np.inf]),  # all values may be negative, or the lowest there is
    channels=st.sampled_from([1, 3, 16, 17]),
)
@settings(max_examples=100)
def test_twins_agree_exactly(kernel, stride, padding, ceil_mode, height, width, values, shift, channels):
    padding = min(padding, kernel // 2)
    pool = MaxPool2d(kernel, stride, padding, ceil_mode)
    sides = pool.output_side(height), pool.output_side(width)
    if min(height, width) + 2 * padding < kernel or min(sides) < 1:
        return
    rng = np.random.default_rng(kernel + 10 * height + 100 * width)
    x = (rng.integers(0, values, (2, channels, height, width)) + shift).astype(np.float32)
    geometry = ((2, channels, *sides), kernel, stride, padding)
    (y, winner), (y_readable, winner_readable) = (
        twin.pool(x, *geometry) for twin in (pool_fast, pool_readable)
    )
    np.testing.assert_array_equal(y, y_readable)
    np.testing.assert_array_equal(winner, winner_readable)
    dy = rng.integers(-9, 9, y.shape).astype(np.float32)
    dx, dx_readable = (
        twin.unpool(dy, winner, x.shape, kernel, stride, padding) for twin in (pool_fast, pool_readable)
    )
    np.testing.assert_array_equal(dx, dx_readable)
    assert dx.sum() == dy.sum(), "every gradient arrives exactly once"
    assert {a.dtype for a in (y, y_readable, dx, dx_readable)} == {np.dtype(np.float32)}


def agrees_with(numbers, i):
    kernel, stride, padding, ceil_mode = numbers["pool_params"][i].tolist()
    pool = MaxPool2d(kernel, stride, padding, bool(ceil_mode))
    np.testing.assert_array_equal(pool.forward(numbers[f"pool{i}_x"]), numbers[f"pool{i}_y"])
    np.testing.assert_allclose(
        pool.backward(numbers[f"pool{i}_gy"]), numbers[f"pool{i}_gx"], rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("i", [0, 2, 4])
def test_agrees_with_pytorch(i, copied_numbers):
    agrees_with(copied_numbers, i)


@pytest.mark.parametrize("i", range(5))
def test_agrees_with_all_of_pytorchs_cases(i, shared_numbers):
    agrees_with(shared_numbers("layers"), i)


@pytest.mark.parametrize("arguments", [(2,), (2, 2, 0, True), (3, 1, 1), (3, 2, 1, True)])
def test_gradients(arguments, rng):
    check_layer(MaxPool2d(*arguments), distinct((2, 2, 5, 7), rng), rng)


@TWINS
def test_the_winner_is_on_the_map_even_if_nothing_is_larger_than_the_padding(twin):
    """The window at the corner begins in the padding, whose place (0, 0) must not get the gradient."""
    x = np.full((1, 1, 2, 2), -np.inf, np.float32)
    y, winner = twin.pool(x, (1, 1, 2, 2), 3, 1, 1)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(winner[0, 0], [[4, 3], [1, 0]])
    dx = twin.unpool(np.float32([[[[1, 2], [3, 4]]]]), winner, x.shape, 3, 1, 1)
    np.testing.assert_array_equal(dx[0, 0], [[10, 0], [0, 0]])


def test_input_is_unchanged_and_empty_batches_pass(rng):
    pool = MaxPool2d(2)
    x = distinct((2, 3, 4, 4), rng, np.float32)
    before = x.copy()
    pool.backward(pool.forward(x))
    np.testing.assert_array_equal(x, before)
    y = pool.forward(np.zeros((0, 3, 4, 4), np.float32))
    assert y.shape == (0, 3, 2, 2)
    assert pool.backward(y).shape == (0, 3, 4, 4)


def test_rows_not_in_memory_order_are_handled(rng):
    x = distinct((2, 4, 4, 3), rng).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(MaxPool2d(2).forward(x), MaxPool2d(2).forward(x.copy()))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((17,), "kernel_size"), ((2, 2, 2), "padding"), ((0,), "kernel_size"), ((2, 0), "stride")],
)
def test_windows_that_cannot_be_pooled_are_named(arguments, name):
    """17 x 17 places are more than 8 bits can number; padding 2 makes windows of padding alone."""
    with pytest.raises(InputError, match=name):
        MaxPool2d(*arguments)


def test_the_largest_window_still_finds_its_winner():
    pool = MaxPool2d(16)
    pool.forward(np.arange(256.0).reshape(1, 1, 16, 16))
    assert np.argwhere(pool.backward(np.ones((1, 1, 1, 1)))[0, 0]).tolist() == [[15, 15]]


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4)])
def test_an_input_that_is_not_a_batch_is_named(shape):
    with pytest.raises(InputError, match="expected"):
        MaxPool2d(2).forward(np.zeros(shape))


def test_a_map_smaller_than_the_window_is_named():
    with pytest.raises(InputError, match="smaller than the window"):
        MaxPool2d(3).forward(np.zeros((1, 1, 2, 5)))
