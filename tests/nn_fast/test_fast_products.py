"""Products out of register tiles against NumPy: every number of rows and columns, and nothing beyond them.

All numbers are small and whole, so the sums are exact in any order and must agree to the bit.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minissd.compilation import compiled
from minissd.nn.fast import products
from minissd.nn.fast.products import DEPTH, NO_LIMIT, PAIR
from minissd.nn.fast.simd import LANES, memory
from minissd.nn.fast.tile import MANY_ROWS

GUARD = -77.0
ALL_ROWS = range(61)
WIDTHS = [columns for columns in (1, 2, 7, 15, 16, 17, 23, 31, 32) if columns <= PAIR]
DEPTHS = [1, 5, 100, DEPTH - 1, DEPTH, DEPTH + 1, 2 * DEPTH, 600]
count_chunks, padded_rows = products.count_chunks.py_func, products.padded_rows.py_func


@compiled
def multiply(a, i, a_row, rows, b, j, chunk_step, depth, columns, start, c, low, y, o, y_row):
    a, b, start, y = memory(a), memory(b), memory(start), memory(y)
    products.multiply(a, i, a_row, rows, b, j, chunk_step, depth, columns, start, c, low, y, o, y_row)


@compiled
def add_outer_products(a, i, a_row, rows, b, j, chunk_step, depth, columns, y, o, y_chunk):
    a, b, y = memory(a), memory(b), memory(y)
    products.add_outer_products(a, i, a_row, rows, b, j, chunk_step, depth, columns, y, o, y_chunk)


def whole_numbers(rng, *shape):
    return rng.integers(-4, 5, shape).astype(np.float32)


def laid_out(matrix, offset, row_step, spare=MANY_ROWS):
    """A matrix in flat memory, its rows apart; NaN wherever nobody should look, or look and forget."""
    rows, columns = matrix.shape
    flat = np.full(offset + (rows + spare) * row_step, np.nan, np.float32)
    for r in range(rows):
        flat[offset + r * row_step : offset + r * row_step + columns] = matrix[r]
    return flat


def in_chunks(matrix, offset, chunk_step):
    """Columns in chunks of sixteen; NaN behind the last one and between the chunks."""
    depth, columns = matrix.shape
    flat = np.full(offset + count_chunks(columns) * chunk_step, np.nan, np.float32)
    for chunk in range(count_chunks(columns)):
        part = matrix[:, chunk * LANES : (chunk + 1) * LANES]
        block = flat[offset + chunk * chunk_step :][: depth * LANES].reshape(depth, LANES)
        block[:, : part.shape[1]] = part
    return flat


def check_multiply(rng, rows, depth, columns, low, offsets=(0, 0, 0, 0), gaps=(0, 0, 0)):
    """One product between guards."""
    a, b, start = (whole_numbers(rng, *shape) for shape in ((rows, depth), (depth, columns), (1, columns)))
    expected = np.maximum(start + a @ b, np.float32(low))
    (i, j, c, o), a_row, y_row = offsets, depth + gaps[0], columns + gaps[2]
    chunk_step = depth * LANES + gaps[1]
    start = np.concatenate([np.full(c, np.nan), start[0], np.full(PAIR, np.nan)]).astype(np.float32)
    y = np.full(o + rows * y_row + PAIR, GUARD, np.float32)
    right = y.copy()
    for r in range(rows):
        right[o + r * y_row : o + r * y_row + columns] = expected[r]
    a, b = laid_out(a, i, a_row), in_chunks(b, j, chunk_step)
    multiply(a, i, a_row, rows, b, j, chunk_step, depth, columns, start, c, low, y, o, y_row)
    np.testing.assert_array_equal(y, right, err_msg=f"{rows} rows, depth {depth}, {columns} columns")


def check_outer(rng, rows, depth, columns, offsets=(0, 0, 0), gaps=(0, 0, 0)):
    """One sum of outer products between guards; the rows that pad may hold anything."""
    a, b, y = (whole_numbers(rng, *shape) for shape in ((depth, rows), (depth, columns), (rows, columns)))
    expected = y + a.T @ b
    (i, j, o), a_row = offsets, rows + MANY_ROWS + gaps[0]
    chunk_step, y_chunk = depth * LANES + gaps[1], padded_rows(rows) * LANES + gaps[2]
    flat = np.full(o + count_chunks(columns) * y_chunk + PAIR, GUARD, np.float32)
    right, free = flat.copy(), np.zeros(flat.size, bool)
    for chunk in range(count_chunks(columns)):
        where = slice(o + chunk * y_chunk, o + chunk * y_chunk + padded_rows(rows) * LANES)
        free[where] = True
        here = slice(chunk * LANES, min((chunk + 1) * LANES, columns))
        width = here.stop - here.start
        flat[where].reshape(-1, LANES)[:rows, :width] = y[:, here]
        right[where].reshape(-1, LANES)[:rows, :width] = expected[:, here]
        free[where].reshape(-1, LANES)[:rows, :width] = False
    a, b = laid_out(a, i, a_row), in_chunks(b, j, chunk_step)
    add_outer_products(a, i, a_row, rows, b, j, chunk_step, depth, columns, flat, o, y_chunk)
    message = f"{rows} rows, depth {depth}, {columns} columns"
    np.testing.assert_array_equal(flat[~free], right[~free], err_msg=message)


@pytest.mark.parametrize("low", [NO_LIMIT, 0.0, -3.0])
@pytest.mark.parametrize("depth", DEPTHS)
def test_multiply(depth, low, rng):
    for rows in ALL_ROWS:
        for columns in WIDTHS:
            check_multiply(rng, rows, depth, columns, low, gaps=(16, 0, 3))


@pytest.mark.parametrize("depth", DEPTHS)
def test_outer_products(depth, rng):
    for rows in ALL_ROWS:
        for columns in WIDTHS:
            check_outer(rng, rows, depth, columns, gaps=(3, 0, 32))


SIZES = {"rows": st.integers(0, 60), "depth": st.integers(1, 600), "columns": st.integers(1, PAIR)}
OFFSETS = {"seed": st.integers(0, 99), "offsets": st.tuples(*[st.integers(0, 40)] * 4)}


@given(**SIZES, **OFFSETS, gaps=st.tuples(*[st.integers(0, 40)] * 3), low=st.sampled_from([NO_LIMIT, 0.0]))
@settings(max_examples=150)
def test_multiply_wherever_the_matrices_lie(rows, depth, columns, seed, offsets, gaps, low):
    check_multiply(np.random.default_rng(seed), rows, depth, columns, low, offsets, gaps)


@given(**SIZES, **OFFSETS, gaps=st.tuples(*[st.integers(0, 40)] * 3))
@settings(max_examples=150)
def test_outer_products_wherever_the_matrices_lie(rows, depth, columns, seed, offsets, gaps):
    check_outer(np.random.default_rng(seed), rows, depth, columns, offsets[:3], gaps)


def test_nothing_is_cut_off_between_two_blocks_of_depth():
    """The first block of rows adds up to -DEPTH, the second to more: a ReLU between them would lose that."""
    a = np.ones((MANY_ROWS, 2 * DEPTH), np.float32)
    b = np.repeat(np.float32([-1, 1.5]), DEPTH)[:, None] * np.ones((1, PAIR), np.float32)
    y = np.zeros((MANY_ROWS, PAIR), np.float32)
    flat = np.append(a, np.zeros((MANY_ROWS, 2 * DEPTH), np.float32)).astype(np.float32)
    chunks, step = in_chunks(b, 0, 2 * DEPTH * LANES), 2 * DEPTH * LANES
    zeros, y = np.zeros(PAIR, np.float32), y.reshape(-1)
    multiply(flat, 0, 2 * DEPTH, MANY_ROWS, chunks, 0, step, 2 * DEPTH, PAIR, zeros, 0, 0.0, y, 0, PAIR)
    np.testing.assert_array_equal(y, DEPTH / 2)


@pytest.mark.parametrize("low", [NO_LIMIT, 0.0])
def test_nan_stays_in_its_row(low, rng):
    for rows in (5, 13, 20, 29):
        for columns in WIDTHS:
            a, b = whole_numbers(rng, rows, 9), whole_numbers(rng, 9, columns)
            a[3, 4] = np.nan
            y = np.full(rows * columns + PAIR, GUARD, np.float32)
            start = np.zeros(PAIR, np.float32)
            flat, chunks = laid_out(a, 0, 9), in_chunks(b, 0, 9 * LANES)
            multiply(flat, 0, 9, rows, chunks, 0, 9 * LANES, 9, columns, start, 0, low, y, 0, columns)
            is_nan = np.isnan(y[: rows * columns].reshape(rows, columns))
            assert is_nan[3].all()
            assert is_nan.sum() == columns
