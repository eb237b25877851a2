"""The exponential function and the logarithm of sixteen numbers, against NumPy in float64."""

import numpy as np
import pytest
from numba import njit

from minissd.nn.fast import vector_functions
from minissd.nn.fast.simd import LANES, load, memory, store


@njit
def apply_exp(x, out):
    for i in range(0, x.size, LANES):
        store(memory(out), i, vector_functions.exp(load(memory(x), i)))


@njit
def apply_log(x, out):
    for i in range(0, x.size, LANES):
        store(memory(out), i, vector_functions.log(load(memory(x), i)))


def values(function, x):
    x = np.asarray(x, np.float32)
    padded = np.ones(-(-x.size // LANES) * LANES, np.float32)
    padded[: x.size] = x
    out = np.empty_like(padded)
    function(padded, out)
    return out[: x.size]


def units_in_the_last_place(result, expected):
    return np.abs(result - expected) / np.spacing(np.abs(expected).astype(np.float32))


class TestExp:
    def test_one_unit_in_the_last_place(self, rng):
        x = np.concatenate([np.linspace(-110, 40, 300_000), rng.uniform(-1, 1, 50_000)]).astype(np.float32)
        assert units_in_the_last_place(values(apply_exp, x), np.exp(x.astype(np.float64))).max() < 1

    def test_special_values(self):
        result = values(apply_exp, [0, -0.0, -np.inf, -1000, -104.5, -103.9, np.nan])
        np.testing.assert_array_equal(result, np.array([1, 1, 0, 0, 0, 1e-45, np.nan], np.float32))

    def test_what_is_no_number_stays_none_whatever_its_bits(self):
        bits = np.array([0x7FC00001, 0x7FC001FF, 0xFFC00100, 0x7FC00000], np.uint32)
        assert np.isnan(values(apply_exp, bits.view(np.float32))).all()


class TestLog:
    def test_two_units_in_the_last_place(self, rng):
        x = np.exp(rng.uniform(-87, 88, 300_000)).astype(np.float32)
        x = x[x >= np.finfo(np.float32).tiny]
        assert units_in_the_last_place(values(apply_log, x), np.log(x.astype(np.float64))).max() < 2

    @pytest.mark.parametrize("distance", [1e-7, 1e-5, 1e-3, 0.1])
    def test_around_one(self, distance, rng):
        """Where the logarithm is small, and its error must be small beside it."""
        x = (1 + rng.uniform(-distance, distance, 10_000)).astype(np.float32)
        np.testing.assert_allclose(values(apply_log, x), np.log(x.astype(np.float64)), rtol=3e-7)

    def test_special_values(self):
        result = values(apply_log, [1, 2, 0.5, np.nan, np.float32(np.e)])
        np.testing.assert_allclose(result[:3], [0, np.log(2), -np.log(2)], rtol=1e-7)
        assert np.isnan(result[3]) and result[0] == 0 and result[4] == pytest.approx(1, abs=1e-7)
