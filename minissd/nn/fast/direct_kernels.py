"""The compiled inner part of `minissd.nn.fast.direct`; each function here runs in one thread.

Arrays are flat. What the names stand for::

    x, y, dx, dy   maps, channels last                     shape (N, H, W, C)
    a              patches, one per output place           [place][kernel row][kernel column][channel]
    w              weights, and their gradient             [chunk of outputs][kernel place][inputs][16]
    d              gradients of the output                 [chunk][place][16]

A chunk is sixteen output channels, one vector. Between patches in `a` there is a gap of at least 16 numbers:
at a distance that is a power of two, they would compete for the same few places of the cache.
"""

from __future__ import annotations

import math
from collections import namedtuple

from numba import njit

from minissd.nn.fast.simd import LANES, broadcast, clear, copy, load, load_first, memory, store_first
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

# The kernel, and the number of places that are worked on at a time.
Geometry = namedtuple("Geometry", "kernel stride padding dilation block")

NO_LIMIT = -math.inf  # lower than every output: no ReLU

compiled = njit(cache=True, nogil=True)
inlined = njit(nogil=True, forceinline=True)


@njit(nogil=True)
def row_length(depth):
    """Distance between patches of `depth` numbers."""
    return (depth + LANES - 1) // LANES * LANES + LANES


@inlined
def gather_row(x, place, left, width, channels, geometry, a, o):
    """Copy one kernel row; ``x[place]`` belongs to its first place, which is in column `left` of the map."""
    kernel, dilation = geometry.kernel, geometry.dilation
    if dilation == 1 and left >= 0 and left + kernel <= width:  # neighbours on the map: one run of memory
        copy(x, place, a, o, kernel * channels)
    elif dilation == 1:
        first = min(kernel, max(0, -left)) * channels
        last = max(first, min(kernel, width - left) * channels)
        clear(a, o, first)
        copy(x, place + first, a, o + first, last - first)
        clear(a, o + last, kernel * channels - last)
    else:
        for j in range(kernel):
            if 0 <= left + j * dilation < width:
                copy(x, place + j * dilation * channels, a, o + j * channels, channels)
            else:
                clear(a, o + j * channels, channels)


@inlined
def gather_patch(x, shape, image, row, column, geometry, a, o):
    """Copy the inputs under one output place, with zeros where they leave the map."""
    _, height, width, channels = shape
    top, left = row * geometry.stride - geometry.padding, column * geometry.stride - geometry.padding
    length = geometry.kernel * channels
    for i in range(geometry.kernel):
        r = top + i * geometry.dilation
        if 0 <= r < height:
            place = ((image * height + r) * width + left) * channels
            gather_row(x, place, left, width, channels, geometry, a, o + i * length)
        else:
            clear(a, o + i * length, length)


@njit(nogil=True)
def gather_patches(x, x_shape, y_shape, begin, count, geometry, a, step):
    """Copy the patches of `count` output places from number `begin` on, `step` apart."""
    _, height, width, _ = y_shape
    image, rest = begin // (height * width), begin % (height * width)
    row, column = rest // width, rest % width
    for p in range(count):
        gather_patch(x, x_shape, image, row, column, geometry, a, p * step)
        column += 1
        if column == width:
            row, column = row + 1, 0
            if row == height:
                image, row = image + 1, 0


def _products(columns):
    """Make ``products(...)`` for 16 * columns outputs."""

    @njit(nogil=True)
    def products(a, row, places, w, first, depth, bias, channel, low, y, o, step, channels, edge):
        """y = max(a @ w + bias, low), (places x depth) @ (depth x 16 * columns), tile by tile."""
        panel, lowest = depth * LANES, broadcast(low)
        like = zero_tile(MANY_ROWS, columns)
        whole_columns = channel + columns * LANES <= channels
        for p in range(0, places, MANY_ROWS):
            tile = load_tile(like, bias, channel, 0, LANES)
            for k in range(depth):
                tile = add_products(tile, a, p * row + k, row, w, first + k * LANES, panel)
            tile = tile_maximum(tile, lowest)
            target = o + p * step + channel
            if whole_columns and p + MANY_ROWS <= places:
                store_tile(tile, y, target, step, LANES)
                continue
            store_tile(tile, edge, 0, columns * LANES, LANES)
            for r in range(min(MANY_ROWS, places - p)):
                count = min(columns * LANES, channels - channel)
                copy(edge, r * columns * LANES, y, target + r * step, count)

    return products


wide_products, narrow_products = _products(COLUMNS), _products(1)


@compiled
def convolve(x, x_shape, w, bias, low, y, y_shape, geometry, first_place, last_place, first, last, a, edge):
    """Outputs of some places, channels of the chunks from `first` to before `last`."""
    x, w, bias, y, a, edge = memory(x), memory(w), memory(bias), memory(y), memory(a), memory(edge)
    channels = y_shape[3]
    depth = geometry.kernel * geometry.kernel * x_shape[3]
    row, panel = row_length(depth), depth * LANES
    for begin in range(first_place, last_place, geometry.block):
        places = min(geometry.block, last_place - begin)
        gather_patches(x, x_shape, y_shape, begin, places, geometry, a, row)
        o, chunk = begin * channels, first
        while chunk < last:
            b, channel = chunk * panel, chunk * LANES
            if chunk + COLUMNS <= last:
                wide_products(a, row, places, w, b, depth, bias, channel, low, y, o, channels, channels, edge)
                chunk += COLUMNS
            else:
                narrow_products(
                    a, row, places, w, b, depth, bias, channel, low, y, o, channels, channels, edge
                )
                chunk += 1


@njit(nogil=True)
def scatter(m, start, step, y_shape, begin, places, tap, geometry, dx, dx_shape, channel):
    """Add sixteen channels of what each output place sends back through one kernel place to dx."""
    _, height, width, channels = dx_shape
    count = min(LANES, channels - channel)
    image, rest = begin // (y_shape[1] * y_shape[2]), begin % (y_shape[1] * y_shape[2])
    row, column = rest // y_shape[2], rest % y_shape[2]
    down = tap // geometry.kernel * geometry.dilation - geometry.padding
    right = tap % geometry.kernel * geometry.dilation - geometry.padding
    for p in range(places):
        r, q = row * geometry.stride + down, column * geometry.stride + right
        if 0 <= r < height and 0 <= q < width:
            o = ((image * height + r) * width + q) * channels + channel
            store_first(dx, o, load_first(dx, o, count) + load(m, start + p * step), count)
        column += 1
        if column == y_shape[2]:
            row, column = row + 1, 0
            if row == y_shape[1]:
                image, row = image + 1, 0


@compiled
def send_back(
    dy, y_shape, w, zeros, dx, dx_shape, geometry, first_place, last_place, first, last, a, m, edge
):
    """Add the gradient from some output places to the chunks of dx from `first` to before `last`."""
    dy, w, zeros, dx = memory(dy), memory(w), memory(zeros), memory(dx)
    a, m, edge = memory(a), memory(m), memory(edge)
    taps, outputs = geometry.kernel * geometry.kernel, y_shape[3]
    row, panel = row_length(outputs), outputs * LANES
    wide = COLUMNS * LANES
    for begin in range(first_place, last_place, geometry.block):
        places = min(geometry.block, last_place - begin)
        for p in range(places):
            copy(dy, (begin + p) * outputs, a, p * row, outputs)
        q = first * taps
        while q < last * taps:
            columns = COLUMNS if q + COLUMNS <= last * taps else 1
            if columns == COLUMNS:
                wide_products(
                    a, row, places, w, q * panel, outputs, zeros, 0, NO_LIMIT, m, 0, wide, wide, edge
                )
            else:
                narrow_products(
                    a, row, places, w, q * panel, outputs, zeros, 0, NO_LIMIT, m, 0, wide, wide, edge
                )
            for c in range(columns):
                chunk, tap = (q + c) // taps, (q + c) % taps
                scatter(
                    m, c * LANES, wide, y_shape, begin, places, tap, geometry, dx, dx_shape, chunk * LANES
                )
            q += columns


def _outer_products(columns):
    """Make ``outer_products(...)`` for 16 * columns outputs."""

    @njit(nogil=True)
    def outer_products(a, row, places, d, first_d, d_panel, dw, first, panel, depth):
        """dw += a^T d: (depth x places) @ (places x 16 * columns), tile by tile."""
        like = zero_tile(ROWS, columns)
        for k in range(0, depth, ROWS):
            o = first + k * LANES
            tile = load_tile(like, dw, o, LANES, panel)
            for p in range(places):
                tile = add_products(tile, a, p * row + k, 1, d, first_d + p * LANES, d_panel)
            store_tile(tile, dw, o, LANES, panel)

    return outer_products


wide_outer_products, narrow_outer_products = _outer_products(COLUMNS), _outer_products(1)


@compiled
def correlate(x, x_shape, dy, y_shape, dw, start, geometry, first_place, last_place, first, last, a, d):
    """Gradient of the weights from some places, for the chunks from `first` to before `last`.

    It is added up in ``dw[start:]``, with the depth rounded up to whole register tiles.
    """
    x, dy, dw, a, d = memory(x), memory(dy), memory(dw), memory(a), memory(d)
    outputs, block = y_shape[3], geometry.block
    depth = geometry.kernel * geometry.kernel * x_shape[3]
    row, panel, d_panel = row_length(depth), (depth + ROWS - 1) // ROWS * ROWS * LANES, block * LANES
    clear(dw, start + first * panel, (last - first) * panel)
    for begin in range(first_place, last_place, block):
        places = min(block, last_place - begin)
        gather_patches(x, x_shape, y_shape, begin, places, geometry, a, row)
        for chunk in range(first, last):
            count = min(LANES, outputs - chunk * LANES)
            for p in range(places):
                value = load_first(dy, (begin + p) * outputs + chunk * LANES, count)
                store_first(d, chunk * d_panel + p * LANES, value, LANES)
        chunk = first
        while chunk < last:
            b, o = chunk * d_panel, start + chunk * panel
            if chunk + COLUMNS <= last:
                wide_outer_products(a, row, places, d, b, d_panel, dw, o, panel, depth)
                chunk += COLUMNS
            else:
                narrow_outer_products(a, row, places, d, b, d_panel, dw, o, panel, depth)
                chunk += 1


@compiled
def pack_weights(weight, start, output_step, input_step, tap_step, taps, outputs, inputs, w, first, last):
    """Reorder the weights of some chunks. Tap k of output o and input i is at
    ``weight[start + o * output_step + i * input_step + k * tap_step]``."""
    for chunk in range(first, last):
        count = min(LANES, outputs - chunk * LANES)
        for k in range(taps):
            for i in range(inputs):
                o = ((chunk * taps + k) * inputs + i) * LANES
                source = start + chunk * LANES * output_step + i * input_step + k * tap_step
                for lane in range(count):
                    w[o + lane] = weight[source + lane * output_step]
                w[o + count : o + LANES] = 0


@compiled
def unpack_weight_gradient(dw, parts, part_step, taps, outputs, inputs, dweight, first, last):
    """Add up the parts of dw and put them in the order of ``dweight`` (O, I, K, K)."""
    depth = taps * inputs
    panel = (depth + ROWS - 1) // ROWS * ROWS * LANES
    for chunk in range(first, last):
        for lane in range(min(LANES, outputs - chunk * LANES)):
            for i in range(inputs):
                for k in range(taps):
                    o = chunk * panel + (k * inputs + i) * LANES + lane
                    total = dw[o]
                    for part in range(1, parts):
                        total += dw[o + part * part_step]
                    dweight[((chunk * LANES + lane) * inputs + i) * taps + k] = total
