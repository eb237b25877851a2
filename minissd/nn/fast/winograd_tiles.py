"""From maps to transformed tiles and back, for `minissd.nn.fast.winograd_kernels`.

A tile is a square of 4x4 outputs and the 6x6 inputs under it. At the edge of the map, where a tile reaches
over it, its places are copied one by one, with zeros for those outside; everywhere else they are read in
place. All functions run in one thread, on sixteen channels at a time.
"""

from __future__ import annotations

import math
from collections import namedtuple

from numba import njit

from minissd.compilation import inlined
from minissd.nn.fast.prefetch import prefetch
from minissd.nn.fast.products import NONE
from minissd.nn.fast.simd import (
    LANES,
    broadcast,
    load,
    load_lanes,
    local_memory,
    maximum,
    memory,
    read_number,
    store,
    store_lanes,
    stream,
    where_greater,
)
from minissd.nn.fast.winograd_transforms import (
    INPUT_SIDE,
    OUTPUT_SIDE,
    POINTS,
    transform_gradient,
    transform_input,
    transform_output,
)

# Output rows and then columns where tiles begin, how many of each, tiles in all; dilation and padding; height
# and width of the output; whether it is pooled by 2x2, and whether it is written past the caches. The tile at
# (row, column) gives the outputs (row + i * dilation, column + j * dilation) for i, j < 4.
Grid = namedtuple("Grid", "origins rows columns tiles dilation padding height width pooled streams")

SCRATCH = 2 * POINTS * LANES
INPUT_SQUARE, OUTPUT_SQUARE = POINTS * LANES, OUTPUT_SIDE**2 * LANES


@njit(nogil=True)
def place_of(tile, grid):
    """Image, output row and output column of a tile."""
    per_image = grid.rows * grid.columns
    image, rest = tile // per_image, tile % per_image
    row, column = rest // grid.columns, grid.rows + rest % grid.columns
    return image, read_number(grid.origins, row), read_number(grid.origins, column)


@njit(nogil=True)
def with_origins(grid, origins):
    """The grid with a pointer to the origins, which unlike an array costs nothing to hand on."""
    sizes = grid.rows, grid.columns, grid.tiles, grid.dilation, grid.padding, grid.height, grid.width
    return Grid(memory(origins), *sizes, grid.pooled, grid.streams)


@njit(nogil=True)
def is_inside(shape, row, column, side, step):
    """Whether a square of places lies on the map, and whole vectors of channels fill it."""
    end = (side - 1) * step
    on_map = row >= 0 and column >= 0 and row + end < shape[1] and column + end < shape[2]
    return on_map and shape[3] % LANES == 0


@njit(nogil=True)
def copy_square(x, image, row, column, channel, side, step, target):
    """Sixteen channels of side x side places, with zeros where they leave the map."""
    _, height, width, channels = x.shape
    for i in range(side):
        for j in range(side):
            r, q, value = row + i * step, column + j * step, broadcast(0)
            if 0 <= r < height and 0 <= q < width:
                place = ((image * height + r) * width + q) * channels + channel
                value = load_lanes(x.numbers, place, min(LANES, channels - channel))
            store(target, (i * side + j) * LANES, value)


@njit(nogil=True)
def read_input_tile(x, tile, grid, v, o, point_step):
    """Transform the inputs under a tile: point p of channel c goes to ``v[o + p * point_step + c]``."""
    _, height, width, channels = x.shape
    image, row, column = place_of(tile, grid)
    row, column, step = row - grid.padding, column - grid.padding, grid.dilation
    scratch = local_memory(SCRATCH)
    if is_inside(x.shape, row, column, INPUT_SIDE, step):
        start, column_step = ((image * height + row) * width + column) * channels, step * channels
        row_step = width * column_step
        for c in range(0, channels, LANES):
            fetch_next_tile(x.numbers, start + c, row_step, column_step)
            transform_input(x.numbers, start + c, row_step, column_step, scratch, v, o + c, point_step)
    else:
        square = local_memory(INPUT_SQUARE)
        for c in range(0, channels, LANES):
            copy_square(x, image, row, column, c, INPUT_SIDE, step, square)
            transform_input(square, NONE, INPUT_SIDE * LANES, LANES, scratch, v, o + c, point_step)


@inlined
def fetch_next_tile(x, start, row_step, column_step):
    """Ask for what the tile on the right does not share with this one."""
    for i in range(INPUT_SIDE):
        for j in range(INPUT_SIDE, INPUT_SIDE + OUTPUT_SIDE):
            prefetch(x, start + i * row_step + j * column_step)


@njit(nogil=True)
def read_gradient_tile(dy, tile, grid, d, o, chunk_step, point_step):
    """Transform the 4x4 gradients of a tile: its vectors of channels go to d, `chunk_step` apart."""
    _, height, width, channels = dy.shape
    image, row, column = place_of(tile, grid)
    step = grid.dilation
    scratch = local_memory(SCRATCH)
    if is_inside(dy.shape, row, column, OUTPUT_SIDE, step):
        start, column_step = ((image * height + row) * width + column) * channels, step * channels
        for c in range(0, channels, LANES):
            target = o + c // LANES * chunk_step
            row_step = width * column_step
            transform_gradient(dy.numbers, start + c, row_step, column_step, scratch, d, target, point_step)
    else:
        square = local_memory(OUTPUT_SQUARE)
        for c in range(0, channels, LANES):
            target = o + c // LANES * chunk_step
            copy_square(dy, image, row, column, c, OUTPUT_SIDE, step, square)
            transform_gradient(square, NONE, OUTPUT_SIDE * LANES, LANES, scratch, d, target, point_step)


@njit(nogil=True)
def write_output_tile(m, i, point_step, y, tile, grid, channel, bias, low):
    """Transform sixteen channels of a tile back and write them: ``max(result + bias, low)``."""
    image, top, left = place_of(tile, grid)
    scratch = local_memory(SCRATCH)
    transform_output(m, i, point_step, scratch)
    offset, lowest = load(bias, channel), broadcast(low)
    for k in range(OUTPUT_SIDE * OUTPUT_SIDE):
        store(scratch, k * LANES, maximum(load(scratch, k * LANES) + offset, lowest))
    if grid.pooled:
        write_pooled(scratch, y, image, top, left, channel, grid)
    else:
        write_places(scratch, y, image, top, left, channel, grid)


@njit(nogil=True)
def write_places(scratch, y, image, top, left, channel, grid):
    """Write those of the 4x4 outputs that lie on the map."""
    channels = y.shape[3]
    lanes = min(LANES, channels - channel)
    for i in range(OUTPUT_SIDE):
        row = top + i * grid.dilation
        if row >= grid.height:
            break
        for j in range(OUTPUT_SIDE):
            column = left + j * grid.dilation
            if column >= grid.width:
                break
            target = ((image * grid.height + row) * grid.width + column) * channels + channel
            value = load(scratch, (i * OUTPUT_SIDE + j) * LANES)
            if grid.streams:
                stream(y.numbers, target, value)
            else:
                store_lanes(y.numbers, target, value, lanes)


@njit(nogil=True)
def write_pooled(scratch, y, image, top, left, channel, grid):
    """Write the largest of every 2x2 outputs: a tile begins at an even place, so no window is cut in two."""
    _, height, width, channels = y.shape
    lanes = min(LANES, channels - channel)
    for i in range(0, OUTPUT_SIDE, 2):
        for j in range(0, OUTPUT_SIDE, 2):
            row, column = (top + i) // 2, (left + j) // 2
            if row >= height or column >= width:
                continue
            best = broadcast(-math.inf)  # only a larger value takes its place, so NaN is left out
            for k in range(4):
                r, q = i + k // 2, j + k % 2
                if top + r < grid.height and left + q < grid.width:
                    value = load(scratch, (r * OUTPUT_SIDE + q) * LANES)
                    best = where_greater(value, best, value, best)
            target = ((image * height + row) * width + column) * channels + channel
            store_lanes(y.numbers, target, best, lanes)
