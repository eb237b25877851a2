"""The first layer: 3x3 convolution of images with three channels; float32.

Every output place looks at 3 x 9 numbers: so few that copying them into a patch, as `minissd.nn.fast.direct`
does, takes longer than to multiply them. Here only the three image rows under a row of the output are copied,
with zeros around them. The patches of neighbouring places begin `stride` * 3 numbers apart, and a patch is
three runs of nine numbers, one in each of the rows.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from minissd.compilation import compiled
from minissd.nn.conv_shape import output_side
from minissd.nn.fast import direct, direct_weights
from minissd.nn.fast.layout import empty_channels_last, is_streamed, nhwc
from minissd.nn.fast.maps import Map
from minissd.nn.fast.prefetch import prefetch
from minissd.nn.fast.products import NO_LIMIT, PAIR, padded_rows
from minissd.nn.fast.simd import LANES, advance, broadcast, clear, copy, memory
from minissd.nn.fast.sums import channel_sums, padded_bias
from minissd.nn.fast.team import share_out, team
from minissd.nn.fast.tile import (
    COLUMNS,
    MANY_ROWS,
    add_products,
    load_tile,
    store_tile,
    stream_tile,
    tile_maximum,
    zero_tile,
)
from minissd.nn.fast.workspace import workspace

CHANNELS, KERNEL = 3, 3
RUN = KERNEL * CHANNELS  # numbers of a patch in one image row
DEPTH = KERNEL * RUN
AHEAD = 24  # places whose gradients are asked for before they are needed

pack = direct.pack


def fits(x_shape, weight_shape, stride, padding, dilation):
    """Whether this module is made for the layer.

    Examples
    --------
    >>> fits((1, 3, 300, 300), (64, 3, 3, 3), 1, 1, 1), fits((1, 4, 300, 300), (64, 4, 3, 3), 1, 1, 1)
    (True, False)
    """
    whole = weight_shape[0] % LANES == 0 and output_side(x_shape[3], KERNEL, stride, padding, 1) >= MANY_ROWS
    return whole and weight_shape[1:] == (CHANNELS, KERNEL, KERNEL) and dilation == 1


def forward(x, weight, bias, stride, padding, dilation, relu=False, packed=None):
    """Convolve; see `minissd.nn.fast.direct.forward`."""
    packed = pack(weight) if packed is None else packed
    sides = (output_side(side, KERNEL, stride, padding, 1) for side in x.shape[2:])
    y = empty_channels_last((len(x), len(weight), *sides))
    view, low, bias = nhwc(y), 0.0 if relu else NO_LIMIT, padded_bias(bias, len(weight))
    if y.size:
        x = nhwc(x)
        rows, length = _rows_buffer(x, padding)
        geometry = stride, padding, length, is_streamed(view)
        _convolve(team().mailbox, x, packed, bias, low, view, geometry, rows)
    return y


def backward(dy, x, weight, stride, padding, dilation, need_dx=True, need_dbias=True):
    """Return dx, dweight, dbias; the gradient for the images is `minissd.nn.fast.direct`'s."""
    dx, dy_view = None, nhwc(dy)
    if need_dx:
        dx = direct.input_gradient(dy_view, weight, x.shape, stride, padding, dilation)
    dweight = np.zeros(weight.shape, np.float32)
    if dy.size:
        x = nhwc(x)
        rows, length = _rows_buffer(x, padding)
        parts, part = team().size, len(weight) * padded_rows.py_func(DEPTH)
        u = workspace().buffer("weights", parts * part)
        _correlate(team().mailbox, x, dy_view, (stride, padding, length), parts, u, rows)
        arguments = parts, part, KERNEL * KERNEL, len(weight), CHANNELS, dweight.reshape(-1)
        direct_weights.unpack_gradient(team().mailbox, u, *arguments)
    return dx, dweight, channel_sums(dy_view) if need_dbias else None


@njit(nogil=True)
def _read_rows(x, piece, shape, y_height, stride, padding, rows, length):
    """Copy the three image rows under a row of the output map, with zeros around the image."""
    _, height, width, channels = shape
    image, top = piece // y_height, piece % y_height * stride - padding
    border, numbers = padding * channels, width * channels
    for line in range(KERNEL):
        o, r = line * length, top + line
        if 0 <= r < height:
            clear(rows, o, border)
            copy(x, (image * height + r) * numbers, rows, o + border, numbers)
            clear(rows, o + border + numbers, border)
        else:
            clear(rows, o, length)


def _rows_buffer(x, padding):
    """Room for three image rows with their borders for every thread, and the numbers in one."""
    length = (x.shape[2] + 2 * padding) * CHANNELS
    return workspace().buffer("patches", team().size * KERNEL * length + 2 * LANES), length


def _strip(columns):
    """Make ``strip(...)`` for 16 * columns outputs."""

    @njit(nogil=True)
    def strip(a, i, step, row, w, j, bias, c, low, y, o, channels, streams):
        """Neighbouring places of one image row, as many as a tile has rows."""
        tile = load_tile(zero_tile(MANY_ROWS, columns), bias, c, 0, LANES)
        for line in range(KERNEL):
            for k in range(RUN):
                place = j + (line * RUN + k) * LANES
                tile = add_products(tile, a, i + line * row + k, step, w, place, DEPTH * LANES)
        tile = tile_maximum(tile, broadcast(low))
        if streams:
            stream_tile(tile, y, o, channels, LANES)
        else:
            store_tile(tile, y, o, channels, LANES)

    return strip


wide_strip, narrow_strip = _strip(COLUMNS), _strip(1)


@njit(nogil=True)
def _convolve_row(thread, piece, x, w, bias, low, y, geometry, rows):
    """One row of an output map. The last strip begins early, so that it ends with the row."""
    _, height, width, channels = y.shape
    stride, padding, length, streams = geometry
    rows, step = advance(rows, thread * KERNEL * length), stride * CHANNELS
    _read_rows(x.numbers, piece, x.shape, height, stride, padding, rows, length)
    for t in range(0, width, MANY_ROWS):
        q = min(t, width - MANY_ROWS)
        i, o, c = q * step, (piece * width + q) * channels, 0
        while c < channels:
            p = o + c
            if c + PAIR <= channels:
                wide_strip(rows, i, step, length, w, c * DEPTH, bias, c, low, y.numbers, p, channels, streams)
                c += PAIR
            else:
                narrow_strip(
                    rows, i, step, length, w, c * DEPTH, bias, c, low, y.numbers, p, channels, streams
                )
                c += LANES


@compiled
def _convolve(mailbox, x, w, bias, low, y, geometry, rows):
    x, y = Map(memory(x), x.shape), Map(memory(y), y.shape)
    arguments = x, memory(w), memory(bias), low, y, geometry, memory(rows)
    share_out(mailbox, y.shape[0] * y.shape[1], _convolve_row, arguments)


@njit(nogil=True)
def _add_patches(a, i, step, row, dy, j, channels, places, u, o):
    """Outer products of the patches of one row of places with sixteen channels of their gradients.

    All 27 sums stay in registers, where there are as many.
    """
    like = zero_tile(RUN, 1)
    first = load_tile(like, u, o, LANES, 0)
    second = load_tile(like, u, o + RUN * LANES, LANES, 0)
    third = load_tile(like, u, o + 2 * RUN * LANES, LANES, 0)
    for p in range(places):
        prefetch(dy, j + (p + AHEAD) * channels)
        first = add_products(first, a, i + p * step, 1, dy, j + p * channels, 0)
        second = add_products(second, a, i + row + p * step, 1, dy, j + p * channels, 0)
        third = add_products(third, a, i + 2 * row + p * step, 1, dy, j + p * channels, 0)
    store_tile(first, u, o, LANES, 0)
    store_tile(second, u, o + RUN * LANES, LANES, 0)
    store_tile(third, u, o + 2 * RUN * LANES, LANES, 0)


@njit(nogil=True)
def _correlate_rows(thread, piece, parts, x, dy, geometry, u, rows):
    """One of some parts of the gradient: the sum over its share of the rows of the output maps."""
    n, height, width, channels = dy.shape
    stride, padding, length = geometry
    rows, step = advance(rows, thread * KERNEL * length), stride * CHANNELS
    panel = padded_rows(DEPTH) * LANES
    part = piece * channels // LANES * panel
    clear(u, part, channels // LANES * panel)
    for r in range(n * height * piece // parts, n * height * (piece + 1) // parts):
        _read_rows(x.numbers, r, x.shape, height, stride, padding, rows, length)
        for c in range(0, channels, LANES):
            j, o = r * width * channels + c, part + c // LANES * panel
            _add_patches(rows, 0, step, length, dy.numbers, j, channels, width, u, o)


@compiled
def _correlate(mailbox, x, dy, geometry, parts, u, rows):
    x, dy = Map(memory(x), x.shape), Map(memory(dy), dy.shape)
    share_out(mailbox, parts, _correlate_rows, (parts, x, dy, geometry, memory(u), memory(rows)))
