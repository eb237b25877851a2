"""Keys and bounds: the largest of some numbers, of equals the first, without sorting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minissd.kernels.cuda.selection import NO_KEY, bound_of_best, keys_of

TRICKY = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    np.inf,
    -np.inf,
    np.nan,
    1e-45,
    -1e-45,
    3.4e38,
    np.nextafter(1, 2, dtype="f4"),
]
VALUES = st.lists(st.one_of(st.sampled_from(TRICKY), st.floats(width=32)), max_size=40)


@given(VALUES)
def test_keys_are_in_the_order_of_a_stable_sort(values):
    values = np.array(values, np.float32)
    np.testing.assert_array_equal(keys_of(values).argsort(), np.argsort(-values, kind="stable"))


@given(VALUES)
def test_the_place_is_in_the_last_32_bits(values):
    keys = keys_of(np.array(values, np.float32))
    np.testing.assert_array_equal(keys % 2**32, np.arange(len(values)))
    assert all(key < NO_KEY for key in keys.tolist())


@given(st.sets(st.integers(0, 2**64 - 2), max_size=40), st.integers(0, 45))
def test_so_many_keys_are_below_the_bound(keys, wanted):
    keys = np.array(sorted(keys), np.uint64)
    bound = bound_of_best(keys, wanted)
    np.testing.assert_array_equal(keys < np.uint64(bound), np.arange(len(keys)) < wanted)


@pytest.mark.parametrize("wanted", [1, 255, 256, 257, 299])
def test_keys_that_differ_in_their_last_digits_only(wanted):
    keys = np.arange(300, dtype=np.uint64) + np.uint64(2**64 - 1000)
    assert (keys < np.uint64(bound_of_best(keys, wanted))).sum() == wanted
