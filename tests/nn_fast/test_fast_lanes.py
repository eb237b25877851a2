"""Across the lanes of a vector: sums, maxima, bits and distant places, against NumPy."""

import numpy as np
import pytest
from numba import njit

from minissd.nn.fast import lanes
from minissd.nn.fast.simd import LANES, load, memory, store


@njit
def sum_and_largest(a):
    value = load(memory(a), 0)
    return lanes.sum_lanes(value), lanes.max_lanes(value)


def test_sum_and_largest(rng):
    for spread in (1e-6, 1, 1e30):
        a = (rng.standard_normal(LANES) * spread).astype(np.float32)
        total, largest = sum_and_largest(a)
        assert total == pytest.approx(a.sum(dtype=np.float64), rel=1e-5, abs=1e-5 * spread)
        assert largest == a.max()


@pytest.mark.parametrize("lane", range(LANES))
def test_every_lane_counts(lane):
    a = np.full(LANES, -np.inf, np.float32)
    a[lane] = -3
    assert sum_and_largest(a) == (-np.inf, -3)
    assert sum_and_largest(np.float32(np.arange(LANES) == lane)) == (1, 1)


def test_greater_has_a_bit_per_lane(rng):
    @njit
    def run(a, b):
        return lanes.greater(load(memory(a), 0), load(memory(b), 0))

    a, b = rng.standard_normal((2, LANES)).astype(np.float32)
    a[3], b[4], a[5], b[6] = np.nan, np.nan, b[5], -np.inf
    assert run(a, b) == sum(1 << lane for lane in range(LANES) if a[lane] > b[lane])
    assert run(np.ones(LANES, np.float32), np.zeros(LANES, np.float32)) == 0xFFFF


def test_a_loop_over_the_bits_visits_each_once():
    @njit
    def run(bits):
        found = []
        while bits:
            found.append(lanes.lowest_bit(bits))
            bits = lanes.without_lowest(bits)
        return found

    assert run(0b1010_0000_0000_0001) == [0, 13, 15]


@pytest.mark.parametrize(("count", "bits"), [(0, 0), (1, 1), (5, 31), (16, 0xFFFF), (99, 0xFFFF)])
def test_first_bits(count, bits):
    assert lanes.first_bits(count) == bits


@pytest.mark.parametrize("step", [1, 2, 21])
def test_load_strided(step):
    @njit
    def run(a, i, step, out):
        store(memory(out), 0, lanes.load_strided(memory(a), i, step))

    a, out = np.arange(400, dtype=np.float32), np.zeros(LANES, np.float32)
    run(a, 3, step, out)
    np.testing.assert_array_equal(out, a[3 : 3 + LANES * step : step])
