"""Matrix products out of register tiles: what all fast convolutions come down to.

A matrix of few columns is kept in *chunks* of sixteen, one vector each, so that a tile reads it straight
down. Rows are dealt with in strips: tall ones first, which read each chunk least often, and low ones for the
rest. Sizes need not fit: what a tile computes beyond the last row or channel is dropped.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from minissd.compilation import inlined
from minissd.nn.fast.prefetch import prefetch
from minissd.nn.fast.simd import LANES, broadcast, copy, local_memory
from minissd.nn.fast.tile import (
    COLUMNS,
    MANY_ROWS,
    ROWS,
    add_products,
    load_tile,
    store_tile,
    tile_maximum,
    zero_tile,
)

PAIR = COLUMNS * LANES  # numbers in the columns of a wide tile
EDGE = MANY_ROWS * PAIR
AHEAD = 48  # rows of b that are asked for before they are needed
DEPTH = 256  # rows of b that are read for one strip after the other, and stay in the innermost cache
NONE = np.intp(0)  # for a literal 0, Numba would compile once more
NO_LIMIT = -math.inf  # lower than every product: no ReLU


def _strip(rows, columns):
    """Make ``strip(...)`` for so many rows and 16 * columns columns."""

    @njit(nogil=True)
    def strip(a, i, a_row, b, j, chunk_step, depth, start, c, start_row, low, y, o, y_row):
        """y[o:] = max(start[c:] + a[i:] @ b[j:], low), (rows x depth) @ (depth x 16 * columns)."""
        tile = load_tile(zero_tile(rows, columns), start, c, start_row, LANES)
        for k in range(depth):
            for chunk in range(columns):
                prefetch(b, j + chunk * chunk_step + (k + AHEAD) * LANES)
            tile = add_products(tile, a, i + k, a_row, b, j + k * LANES, chunk_step)
        store_tile(tile_maximum(tile, broadcast(low)), y, o, y_row, LANES)

    return strip


def _outer_strip(rows, columns):
    """Make ``outer_strip(...)`` for so many rows and 16 * columns columns."""

    @njit(nogil=True)
    def outer_strip(a, i, a_row, b, j, chunk_step, depth, y, o, y_chunk):
        """y[o:] += a[i:]^T @ b[j:], (rows x depth) @ (depth x 16 * columns)."""
        tile = load_tile(zero_tile(rows, columns), y, o, LANES, y_chunk)
        for k in range(depth):
            for chunk in range(columns):
                prefetch(b, j + chunk * chunk_step + (k + AHEAD) * LANES)
            tile = add_products(tile, a, i + k * a_row, 1, b, j + k * LANES, chunk_step)
        store_tile(tile, y, o, LANES, y_chunk)

    return outer_strip


tall_wide, tall_narrow = _strip(MANY_ROWS, COLUMNS), _strip(MANY_ROWS, 1)
low_wide, low_narrow = _strip(ROWS, COLUMNS), _strip(ROWS, 1)
outer_tall_wide, outer_tall_narrow = _outer_strip(MANY_ROWS, COLUMNS), _outer_strip(MANY_ROWS, 1)
outer_low_wide, outer_low_narrow = _outer_strip(ROWS, COLUMNS), _outer_strip(ROWS, 1)


@njit(nogil=True)
def count_chunks(channels):
    """Vectors that hold so many channels."""
    return (channels + LANES - 1) // LANES


@njit(nogil=True)
def padded_rows(rows):
    """Rows with room for what the last strip of `add_outer_products` does too many."""
    return (rows + ROWS - 1) // ROWS * ROWS + MANY_ROWS


@njit(nogil=True)
def multiply(a, i, a_row, rows, b, j, chunk_step, depth, columns, start, c, low, y, o, y_row):
    """Rows of a times at most `COLUMNS` chunks: ``y[r, :columns] = max(start + a[r] @ b, low)``.

    Row r of a begins at ``a[i + r * a_row]``, row k of chunk n of b at ``b[j + n * chunk_step + 16 * k]``,
    what the sums start from at ``start[c]``, row r of y at ``y[o + r * y_row]``. Some rows of a behind the
    last are read.
    """
    wide = columns > LANES
    whole = whole_rows(rows) if columns == (PAIR if wide else LANES) else 0
    multiply_whole(a, i, a_row, whole, b, j, chunk_step, depth, wide, start, c, low, y, o, y_row)
    rest, i, o = rows - whole, i + whole * a_row, o + whole * y_row
    multiply_edge(a, i, a_row, rest, b, j, chunk_step, depth, columns, start, c, low, y, o, y_row)


@inlined
def multiply_whole(a, i, a_row, rows, b, j, chunk_step, depth, wide, start, c, low, y, o, y_row):
    """Rows that strips fill, straight to y; the sums of the rows of b before the last `DEPTH` wait there."""
    for k in range(0, depth, DEPTH):
        floor = low if k + DEPTH >= depth else NO_LIMIT
        base, q, base_row = (start, c, 0) if k == 0 else (y, o, y_row)
        w, d, r = j + k * LANES, min(DEPTH, depth - k), 0
        while r < rows:
            tall = rows - r >= MANY_ROWS
            x, s, p = i + r * a_row + k, q + r * base_row, o + r * y_row
            strip(a, x, a_row, b, w, chunk_step, d, base, s, base_row, floor, y, p, y_row, tall, wide)
            r += MANY_ROWS if tall else ROWS


@inlined
def multiply_edge(a, i, a_row, rows, b, j, chunk_step, depth, columns, start, c, low, y, o, y_row):
    """Rows or columns that strips do not fill: what belongs to y is copied there."""
    edge, r = local_memory(EDGE), 0
    wide = columns > LANES
    width = PAIR if wide else LANES
    while r < rows:
        tall = rows - r > 2 * ROWS
        x = i + r * a_row
        strip(a, x, a_row, b, j, chunk_step, depth, start, c, NONE, low, edge, NONE, width, tall, wide)
        count = MANY_ROWS if tall else ROWS
        for k in range(min(count, rows - r)):
            copy(edge, k * width, y, o + (r + k) * y_row, columns)
        r += count


@njit(nogil=True)
def whole_rows(rows):
    """As many of the rows as strips fill: tall ones, and low ones for what is left."""
    rest = rows % MANY_ROWS
    return rows - rest + rest // ROWS * ROWS


@inlined
def strip(a, i, a_row, b, j, chunk_step, depth, start, c, start_row, low, y, o, y_row, tall, wide):
    """The strip of the right size."""
    if tall and wide:
        tall_wide(a, i, a_row, b, j, chunk_step, depth, start, c, start_row, low, y, o, y_row)
    elif wide:
        low_wide(a, i, a_row, b, j, chunk_step, depth, start, c, start_row, low, y, o, y_row)
    elif tall:
        tall_narrow(a, i, a_row, b, j, chunk_step, depth, start, c, start_row, low, y, o, y_row)
    else:
        low_narrow(a, i, a_row, b, j, chunk_step, depth, start, c, start_row, low, y, o, y_row)


@njit(nogil=True)
def add_outer_products(a, i, a_row, rows, b, j, chunk_step, depth, columns, y, o, y_chunk):
    """Add a^T b to at most `COLUMNS` chunks of y, which has `padded_rows`.

    Column r of a begins at ``a[i + r]``, one row of it after the other `a_row` apart; chunk n of b at
    ``b[j + n * chunk_step]`` and of y at ``y[o + n * y_chunk]``.
    """
    wide, r = columns > LANES, 0
    for chunk in range(COLUMNS):  # ask for the chunks that come next
        for k in range(min(rows, MANY_ROWS)):
            prefetch(y, o + (COLUMNS + chunk) * y_chunk + k * LANES)
    while r < rows:
        tall = rows - r > 2 * ROWS
        if tall and wide:
            outer_tall_wide(a, i + r, a_row, b, j, chunk_step, depth, y, o + r * LANES, y_chunk)
        elif wide:
            outer_low_wide(a, i + r, a_row, b, j, chunk_step, depth, y, o + r * LANES, y_chunk)
        elif tall:
            outer_tall_narrow(a, i + r, a_row, b, j, chunk_step, depth, y, o + r * LANES, y_chunk)
        else:
            outer_low_narrow(a, i + r, a_row, b, j, chunk_step, depth, y, o + r * LANES, y_chunk)
        r += MANY_ROWS if tall else ROWS
