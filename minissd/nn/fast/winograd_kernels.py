"""The compiled inner part of `minissd.nn.fast.winograd`; each function here runs in one thread.

Arrays are flat. What the names stand for::

    x, y, dy   maps, channels last                            shape (N, H, W, C)
    v          transformed input tiles                        [36][tile][row of v]
    u          transformed weights, and their gradient        [chunk of outputs][36][inputs][16]
    m          products, still transformed                    [tile][36][16 or 32]
    d          transformed tiles of the output's gradient     [36][chunk][tile][16]

A chunk is sixteen output channels, one vector. A row of v is 16 numbers longer than its channels: at a length
that is a power of two, rows would compete for the same few places of the cache.
"""

from __future__ import annotations

from collections import namedtuple

from numba import njit

from minissd.nn.fast.simd import LANES, broadcast, clear, copy, load, maximum, memory, store, store_first
from minissd.nn.fast.tile import COLUMNS, ROWS, add_products, load_tile, store_tile, zero_tile
from minissd.nn.fast.winograd_transforms import (
    INPUT_SIDE,
    OUTPUT_SIDE,
    POINTS,
    transform_gradient,
    transform_input,
    transform_output,
    transform_weight,
    transform_weight_gradient,
)

# Output rows and columns where tiles begin; the kernel's dilation; the padding; tiles that are worked on at
# a time. A tile at (row, column) gives the outputs (row + i * dilation, column + j * dilation), i, j < 4.
Grid = namedtuple("Grid", "rows columns dilation padding block")

compiled = njit(cache=True, nogil=True)
inlined = njit(nogil=True, forceinline=True)


@njit(nogil=True)
def place_of(tile, grid):
    """Image, output row and output column of a tile."""
    per_image = len(grid.rows) * len(grid.columns)
    image, rest = tile // per_image, tile % per_image
    return image, grid.rows[rest // len(grid.columns)], grid.columns[rest % len(grid.columns)]


@njit(nogil=True)
def up_to_lanes(count):
    """`count`, rounded up to whole vectors."""
    return (count + LANES - 1) // LANES * LANES


@njit(nogil=True)
def is_whole(shape, row, column, side, step):
    """Whether a patch lies on the map and its channels are whole vectors, so that it can be read in place."""
    end = (side - 1) * step
    on_map = row >= 0 and column >= 0 and row + end < shape[1] and column + end < shape[2]
    return on_map and shape[3] % LANES == 0


@njit(nogil=True)
def gather_patch(x, shape, image, row, column, side, step, patch):
    """Copy a patch of side x side places, with zeros where it leaves the map."""
    _, height, width, channels = shape
    padded = up_to_lanes(channels)
    for i in range(side):
        for j in range(side):
            r, q, target = row + i * step, column + j * step, (i * side + j) * padded
            if 0 <= r < height and 0 <= q < width:
                copy(x, ((image * height + r) * width + q) * channels, patch, target, channels)
            else:
                clear(patch, target, padded)


@njit(nogil=True)
def transform_input_tile(x, shape, tile, grid, patch, scratch, v, o, point_step):
    """The 6x6 inputs under a tile, transformed, all channels: to row o of every point of v."""
    _, height, width, channels = shape
    image, row, column = place_of(tile, grid)
    row, column, step = row - grid.padding, column - grid.padding, grid.dilation
    if is_whole(shape, row, column, INPUT_SIDE, step):
        source, start = x, ((image * height + row) * width + column) * channels
        row_step, column_step = step * width * channels, step * channels
    else:
        gather_patch(x, shape, image, row, column, INPUT_SIDE, step, patch)
        source, start = patch, 0
        column_step = up_to_lanes(channels)
        row_step = INPUT_SIDE * column_step
    for c in range(0, channels, LANES):
        transform_input(source, start + c, row_step, column_step, scratch, v, o + c, point_step)


@njit(nogil=True)
def transform_gradient_tile(dy, shape, tile, grid, patch, scratch, d, o, point_step):
    """The 4x4 gradients of a tile, transformed: its chunks go to d, ``grid.block`` vectors apart."""
    _, height, width, channels = shape
    image, row, column = place_of(tile, grid)
    step = grid.dilation
    if is_whole(shape, row, column, OUTPUT_SIDE, step):
        source, start = dy, ((image * height + row) * width + column) * channels
        row_step, column_step = step * width * channels, step * channels
    else:
        gather_patch(dy, shape, image, row, column, OUTPUT_SIDE, step, patch)
        source, start = patch, 0
        column_step = up_to_lanes(channels)
        row_step = OUTPUT_SIDE * column_step
    for c in range(0, channels, LANES):
        chunk = o + c * grid.block
        transform_gradient(source, start + c, row_step, column_step, scratch, d, chunk, point_step)


@njit(nogil=True)
def write_output_tile(m, i, point_step, y, shape, tile, grid, channel, bias, low, scratch):
    """Transform sixteen channels of a tile back and write them: ``max(result + bias, low)``."""
    _, height, width, channels = shape
    transform_output(m, i, point_step, scratch)
    image, top, left = place_of(tile, grid)
    count = min(LANES, channels - channel)
    offset, lowest = load(bias, channel), broadcast(low)
    for i in range(OUTPUT_SIDE):
        row = top + i * grid.dilation
        if row >= height:
            break
        for j in range(OUTPUT_SIDE):
            column = left + j * grid.dilation
            if column >= width:
                break
            target = ((image * height + row) * width + column) * channels + channel
            value = maximum(load(scratch, (i * OUTPUT_SIDE + j) * LANES) + offset, lowest)
            if count == LANES:
                store(y, target, value)
            else:
                store_first(y, target, value, count)


def _products(columns):
    """Make ``products(v, row, point_step, tiles, u, first, panel, depth, m)`` for 16 * columns outputs."""
    m_row = POINTS * columns * LANES

    @njit(nogil=True)
    def products(v, row, point_step, tiles, u, first, panel, depth, m):
        """36 matrix products, (tiles x depth) @ (depth x 16 * columns), one per point."""
        for point in range(POINTS):
            for t in range(0, tiles, ROWS):
                a, b = point * point_step + t * row, first + point * depth * LANES
                tile = zero_tile(ROWS, columns)
                for k in range(depth):
                    tile = add_products(tile, v, a + k, row, u, b + k * LANES, panel)
                store_tile(tile, m, t * m_row + point * columns * LANES, m_row, LANES)

    return products


wide_products, narrow_products = _products(COLUMNS), _products(1)


@compiled
def convolve(
    x, x_shape, u, bias, low, y, y_shape, grid, first_tile, last_tile, first, last, v, m, patch, scratch
):
    """Outputs of some tiles, channels of the chunks from `first` to before `last`."""
    x, u, bias, y = memory(x), memory(u), memory(bias), memory(y)
    v, m, patch, scratch = memory(v), memory(m), memory(patch), memory(scratch)
    depth = x_shape[3]
    row = up_to_lanes(depth) + LANES
    point_step, panel = grid.block * row, POINTS * depth * LANES
    for begin in range(first_tile, last_tile, grid.block):
        tiles = min(grid.block, last_tile - begin)
        for t in range(tiles):
            transform_input_tile(x, x_shape, begin + t, grid, patch, scratch, v, t * row, point_step)
        chunk = first
        while chunk < last:
            if chunk + COLUMNS <= last:
                columns = COLUMNS
                wide_products(v, row, point_step, tiles, u, chunk * panel, panel, depth, m)
            else:
                columns = 1
                narrow_products(v, row, point_step, tiles, u, chunk * panel, panel, depth, m)
            step = columns * LANES
            for t in range(tiles):
                for column in range(columns):
                    i, channel = t * POINTS * step + column * LANES, (chunk + column) * LANES
                    write_output_tile(m, i, step, y, y_shape, begin + t, grid, channel, bias, low, scratch)
            chunk += columns


def _outer_products(columns):
    """Make ``outer_products(v, row, point_step, d, chunk_step, tiles, du, first, depth)``."""

    @njit(nogil=True)
    def outer_products(v, row, point_step, d, d_first, d_point_step, d_panel, tiles, du, first, panel, depth):
        """du += v^T d, 36 times: (depth x tiles) @ (tiles x 16 * columns)."""
        like = zero_tile(ROWS, columns)
        rows = (depth + ROWS - 1) // ROWS * ROWS
        for point in range(POINTS):
            for c in range(0, depth, ROWS):
                o = first + (point * rows + c) * LANES
                a, b = point * point_step + c, d_first + point * d_point_step
                tile = load_tile(like, du, o, LANES, panel)
                for t in range(tiles):
                    tile = add_products(tile, v, a + t * row, 1, d, b + t * LANES, d_panel)
                store_tile(tile, du, o, LANES, panel)

    return outer_products


wide_outer_products, narrow_outer_products = _outer_products(COLUMNS), _outer_products(1)


@compiled
def correlate(
    x, x_shape, dy, dy_shape, du, start, grid, first_tile, last_tile, first, last, v, d, patch, scratch
):
    """Gradient of the transformed weights from some tiles, for the chunks from `first` to before `last`.

    It is added up in ``du[start:]``, with the input channels rounded up to whole register tiles.
    """
    x, dy, du, v, d = memory(x), memory(dy), memory(du), memory(v), memory(d)
    patch, scratch = memory(patch), memory(scratch)
    depth, block = x_shape[3], grid.block
    row = up_to_lanes(depth) + LANES
    point_step, d_panel = block * row, block * LANES
    d_point_step = up_to_lanes(dy_shape[3]) * block
    panel = POINTS * ((depth + ROWS - 1) // ROWS * ROWS) * LANES
    clear(du, start + first * panel, (last - first) * panel)
    for begin in range(first_tile, last_tile, block):
        tiles = min(block, last_tile - begin)
        for t in range(tiles):
            transform_input_tile(x, x_shape, begin + t, grid, patch, scratch, v, t * row, point_step)
            transform_gradient_tile(dy, dy_shape, begin + t, grid, patch, scratch, d, t * LANES, d_point_step)
        chunk = first
        while chunk < last:
            o, b = start + chunk * panel, chunk * d_panel
            if chunk + COLUMNS <= last:
                wide_outer_products(
                    v, row, point_step, d, b, d_point_step, d_panel, tiles, du, o, panel, depth
                )
                chunk += COLUMNS
            else:
                narrow_outer_products(
                    v, row, point_step, d, b, d_point_step, d_panel, tiles, du, o, panel, depth
                )
                chunk += 1


@compiled
def pack_weights(weight, start, output_step, input_step, tap_step, outputs, inputs, u, first, last, scratch):
    """Transform the weights of some chunks. Tap k of output o and input i is at
    ``weight[start + o * output_step + i * input_step + k * tap_step]``."""
    numbers, taps = (
        memory(scratch),
        POINTS * LANES,
    )  # the taps of sixteen outputs, behind what the transform needs
    for chunk in range(first, last):
        count = min(LANES, outputs - chunk * LANES)
        scratch[taps : taps + 9 * LANES] = 0
        for i in range(inputs):
            for lane in range(count):
                tap = start + (chunk * LANES + lane) * output_step + i * input_step
                for k in range(9):
                    scratch[taps + k * LANES + lane] = weight[tap + k * tap_step]
            o = (chunk * POINTS * inputs + i) * LANES
            transform_weight(numbers, taps, numbers, memory(u), o, inputs * LANES)


@compiled
def unpack_weight_gradient(du, parts, part_step, outputs, inputs, dweight, first, last, scratch):
    """Add up the parts of du and transform them back into ``dweight`` (O, I, 3, 3)."""
    u, numbers, taps = memory(du), memory(scratch), POINTS * LANES
    point_step = (inputs + ROWS - 1) // ROWS * ROWS * LANES
    for chunk in range(first, last):
        count = min(LANES, outputs - chunk * LANES)
        for i in range(inputs):
            o = chunk * POINTS * point_step + i * LANES
            for part in range(1, parts):
                for point in range(POINTS):
                    p = o + point * point_step
                    store(u, p, load(u, p) + load(u, p + part * part_step))
            transform_weight_gradient(u, o, point_step, numbers, numbers, taps)
            for lane in range(count):
                target = ((chunk * LANES + lane) * inputs + i) * 9
                for k in range(9):
                    dweight[target + k] = scratch[taps + k * LANES + lane]
