"""Single lanes of a vector, division and the exponential function: against NumPy."""

import numpy as np
import pytest
from numba import njit

from minissd.nn.fast import lanes
from minissd.nn.fast.simd import LANES, load, memory, store
from minissd.nn.fast.vector_functions import exp


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


def test_division(rng):
    @njit
    def run(a, b, out):
        store(memory(out), 0, load(memory(a), 0) / load(memory(b), 0))

    a, b, out = rng.standard_normal((3, LANES)).astype(np.float32)
    b[2] = 0
    run(a, b, out)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(out, a / b)


class TestExp:
    def values(self, x):
        @njit
        def run(x, out):
            for i in range(0, x.size, LANES):
                store(memory(out), i, exp(load(memory(x), i)))

        x = np.asarray(x, np.float32)
        padded = np.zeros(-(-x.size // LANES) * LANES, np.float32)
        padded[: x.size] = x
        out = np.empty_like(padded)
        run(padded, out)
        return out[: x.size]

    def test_one_unit_in_the_last_place(self, rng):
        x = np.concatenate([np.linspace(-110, 40, 300_000), rng.uniform(-1, 1, 50_000)]).astype(np.float32)
        expected = np.exp(x.astype(np.float64))
        error = np.abs(self.values(x) - expected) / np.spacing(expected.astype(np.float32))
        assert error.max() < 1

    def test_special_values(self):
        result = self.values([0, -0.0, -np.inf, -1000, -103.9, np.nan])
        np.testing.assert_array_equal(result, np.array([1, 1, 0, 0, 1e-45, np.nan], np.float32))
