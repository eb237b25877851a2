"""Vectors and register tiles: every operation against NumPy, at edges that must not be crossed."""

import numpy as np
import pytest
from numba import njit

from minissd.nn.fast import simd, tile
from minissd.nn.fast.prefetch import prefetch
from minissd.nn.fast.simd import LANES, memory


def compiled(operation):
    """Make an operation on vectors into one on arrays of sixteen."""

    @njit
    def run(a, b, out):
        a, b, out = memory(a), memory(b), memory(out)
        simd.store(out, 0, operation(simd.load(a, 0), simd.load(b, 0)))

    def call(a, b):
        out = np.zeros(LANES, np.float32)
        run(a, b, out)
        return out

    return call


@njit
def _add(v, w):
    return v + w


@njit
def _subtract(v, w):
    return v - w


@njit
def _multiply(v, w):
    return v * w


@njit
def _maximum(v, w):
    return simd.maximum(v, w)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (_add, np.add),
        (_subtract, np.subtract),
        (_multiply, np.multiply),
        (_maximum, np.maximum),
    ],
)
def test_lane_by_lane(operation, expected, rng):
    a, b = rng.standard_normal((2, LANES)).astype(np.float32)
    a[3], b[5] = 0, 0
    np.testing.assert_array_equal(compiled(operation)(a, b), expected(a, b))


def test_a_nan_survives_relu():
    value = np.full(LANES, np.nan, np.float32)
    assert np.isnan(compiled(_maximum)(value, np.zeros(LANES, np.float32))).all()


def test_a_product_and_a_sum_are_rounded_once(rng):
    """Fused or not, the result is one of the two that IEEE arithmetic allows."""

    @njit
    def run(a, b, c, out):
        a, b, c, out = memory(a), memory(b), memory(c), memory(out)
        simd.store(out, 0, simd.load(a, 0) * simd.load(b, 0) + simd.load(c, 0))

    a, b, c = rng.standard_normal((3, LANES)).astype(np.float32)
    out = np.zeros(LANES, np.float32)
    run(a, b, c, out)
    fused = (a.astype(np.float64) * b + c).astype(np.float32)
    assert np.all((out == fused) | (out == a * b + c))


@pytest.mark.parametrize("start", [0, 1, 7])
def test_load_and_store_at_any_alignment(start):
    @njit
    def run(a, i, out, o):
        simd.store(memory(out), o, simd.load(memory(a), i))

    a, out = np.arange(40, dtype=np.float32), np.zeros(40, np.float32)
    run(a, start, out, start + 2)
    np.testing.assert_array_equal(out[start + 2 : start + 2 + LANES], a[start : start + LANES])
    assert np.count_nonzero(out) <= LANES


@pytest.mark.parametrize("count", range(LANES + 1))
def test_the_first_lanes_only(count):
    @njit
    def run(a, out, count):
        a, out = memory(a), memory(out)
        simd.store(out, 0, simd.load_first(a, 0, count))
        simd.store_first(out, LANES, simd.broadcast(7.0), count)

    a, out = np.arange(1, LANES + 1, dtype=np.float32), np.full(3 * LANES, -1, np.float32)
    run(a, out, count)
    np.testing.assert_array_equal(out[:LANES], np.where(np.arange(LANES) < count, a, 0))
    np.testing.assert_array_equal(out[LANES : LANES + count], 7)
    np.testing.assert_array_equal(out[LANES + count :], -1)


@pytest.mark.parametrize("count", [0, 1, 9, 15, 16, 17, 31, 32, 33, 100])
def test_copy_and_clear_touch_what_they_should(count):
    @njit
    def run(a, out, count):
        simd.copy(memory(a), 3, memory(out), 5, count)

    @njit
    def erase(out, count):
        simd.clear(memory(out), 5, count)

    a, out = np.arange(200, dtype=np.float32), np.full(200, -1, np.float32)
    run(a, out, count)
    expected = np.full(200, -1, np.float32)
    expected[5 : 5 + count] = a[3 : 3 + count]
    np.testing.assert_array_equal(out, expected)
    erase(out, count)
    expected[5 : 5 + count] = 0
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(("rows", "columns"), [(6, 1), (6, 2), (12, 2), (1, 1)])
@pytest.mark.parametrize("depth", [0, 1, 5])
def test_a_tile_is_a_block_of_a_matrix_product(rows, columns, depth, rng):
    @njit
    def run(a, b, c, low):
        a, b, c, low = memory(a), memory(b), memory(c), memory(low)
        block = tile.load_tile(tile.zero_tile(rows, columns), c, 0, columns * LANES, LANES)
        for k in range(depth):
            block = tile.add_products(block, a, k, depth, b, k * columns * LANES, LANES)
        tile.store_tile(tile.tile_maximum(block, simd.load(low, 0)), c, 0, columns * LANES, LANES)

    a = rng.integers(-4, 5, (rows, depth)).astype(np.float32)
    b = rng.integers(-4, 5, (depth, columns * LANES)).astype(np.float32)
    c = rng.integers(-4, 5, (rows, columns * LANES)).astype(np.float32)
    expected = np.maximum(c + a @ b, -3)  # whole numbers: exact in any order
    result = c.copy()
    run(a.reshape(-1), b.reshape(-1), result.reshape(-1), np.full(LANES, -3, np.float32))
    np.testing.assert_array_equal(result, expected)


def test_division(rng):
    @njit
    def run(a, b, out):
        simd.store(memory(out), 0, simd.load(memory(a), 0) / simd.load(memory(b), 0))

    a, b, out = rng.standard_normal((3, LANES)).astype(np.float32)
    b[2] = 0
    run(a, b, out)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(out, a / b)


def test_memory_that_is_not_there_may_be_asked_for():
    @njit
    def run(a):
        for place in (0, 5, 10**6, -(10**6)):
            prefetch(memory(a), place)

    a = np.ones(8, np.float32)
    run(a)
    assert (a == 1).all()


def test_a_tile_stays_in_registers():
    """The inner loop does one multiply-add per register of the tile and stores nothing."""
    rows, columns = tile.ROWS, tile.COLUMNS

    @njit
    def run(a, b, c, depth):
        a, b, c = memory(a), memory(b), memory(c)
        block = tile.zero_tile(rows, columns)
        for k in range(depth):
            block = tile.add_products(block, a, k, depth, b, k * LANES, depth * LANES)
        tile.store_tile(block, c, 0, columns * LANES, LANES)

    one = np.zeros(1, np.float32)
    run(one, np.zeros(LANES * tile.COLUMNS, np.float32), np.zeros(1000, np.float32), 1)
    assembly = next(iter(run.inspect_asm().values())).splitlines()
    places = [i for i, line in enumerate(assembly) if "vfmadd" in line]
    if not places:
        pytest.skip("the processor has no fused multiply-add of the x86 kind")
    registers_per_vector = 1 if simd.HAS_AVX512 else 2
    assert len(places) == tile.ROWS * tile.COLUMNS * registers_per_vector
    assert not any("(%rsp)" in line and "zmm" in line for line in assembly[places[0] : places[-1]])
    if simd.HAS_AVX512:
        assert "zmm" in assembly[places[0]]


def test_memory_takes_float32_only():
    @njit
    def run(a):
        return simd.load_first(memory(a), 0, 1) is None

    with pytest.raises(Exception, match="memory"):
        run(np.zeros(16))
