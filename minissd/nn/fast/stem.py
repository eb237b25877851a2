"""The first layer: 3x3 convolution of images with three channels; float32.

Every output place looks at 3 x 9 numbers: so few that copying them into a patch, as `minissd.nn.fast.direct`
does, takes longer than to multiply them. In an image with zeros around it nothing needs to be copied. The
patches of neighbouring places begin `stride` * 3 numbers apart, and a patch is three runs of nine numbers, one
in each of three image rows.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from minissd.compilation import compiled
from minissd.nn.conv_shape import output_side
from minissd.nn.fast import direct, direct_kernels
from minissd.nn.fast.layout import empty_channels_last, is_streamed, nhwc
from minissd.nn.fast.products import NO_LIMIT, PAIR, padded_rows
from minissd.nn.fast.prefetch import prefetch
from minissd.nn.fast.simd import LANES, broadcast, clear, copy, memory
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
    image, size = _with_border(x, padding)
    if y.size:
        _convolve(team().mailbox, image, size, packed, bias, low, view, stride, is_streamed(view))
    return y


def backward(dy, x, weight, stride, padding, dilation, need_dx=True, need_dbias=True):
    """Return dx, dweight, dbias; the gradient for the images is `minissd.nn.fast.direct`'s."""
    dx, dy_view = None, nhwc(dy)
    if need_dx:
        dx = direct.input_gradient(dy_view, weight, x.shape, stride, padding, dilation)
    dweight = np.zeros(weight.shape, np.float32)
    if dy.size:
        image, size = _with_border(x, padding)
        parts, part = team().size, len(weight) * padded_rows.py_func(DEPTH)
        u = workspace().buffer("weights", parts * part)
        _correlate(team().mailbox, image, size, dy_view, stride, parts, u)
        arguments = parts, part, KERNEL * KERNEL, len(weight), CHANNELS, dweight.reshape(-1)
        direct_kernels.unpack_gradient(team().mailbox, u, *arguments)
    return dx, dweight, channel_sums(dy_view) if need_dbias else None


def _with_border(x, padding):
    """The images (N, H, W, 3) with zeros around them, flat, and for each the rows and the numbers in a row."""
    x = nhwc(x)
    n, height, width, _ = x.shape
    row = (width + 2 * padding) * CHANNELS
    image = workspace().buffer("image", n * (height + 2 * padding) * row + 2 * LANES)
    _copy_rows(team().mailbox, x, padding, image, row)
    return image, (height + 2 * padding, row)


@njit(nogil=True)
def _copy_row(thread, piece, x, shape, padding, image, row):
    _, height, width, channels = shape
    n, r = piece // (height + 2 * padding), piece % (height + 2 * padding) - padding
    start, border, numbers = piece * row, padding * channels, width * channels
    if 0 <= r < height:
        clear(image, start, border)
        copy(x, (n * height + r) * numbers, image, start + border, numbers)
        clear(image, start + border + numbers, border)
    else:
        clear(image, start, row)


@compiled
def _copy_rows(mailbox, x, padding, image, row):
    rows = x.shape[0] * (x.shape[1] + 2 * padding)
    share_out(mailbox, rows, _copy_row, (memory(x), x.shape, padding, memory(image), row))


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
def _convolve_row(thread, piece, image, size, w, bias, low, y, shape, stride, streams):
    """One row of an output map. The last strip begins early, so that it ends with the row."""
    _, height, width, channels = shape
    rows, row = size
    for t in range(0, width, MANY_ROWS):
        q = min(t, width - MANY_ROWS)
        start = (piece // height * rows + piece % height * stride) * row + q * stride * CHANNELS
        o, c = (piece * width + q) * channels, 0
        while c < channels:
            j = c * DEPTH
            if c + PAIR <= channels:
                wide_strip(image, start, stride * CHANNELS, row, w, j, bias, c, low, y, o + c, channels, streams)
                c += PAIR
            else:
                narrow_strip(
                    image, start, stride * CHANNELS, row, w, j, bias, c, low, y, o + c, channels, streams
                )
                c += LANES


@compiled
def _convolve(mailbox, image, size, w, bias, low, y, stride, streams):
    arguments = memory(image), size, memory(w), memory(bias), low, memory(y), y.shape, stride, streams
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
def _correlate_rows(thread, piece, parts, image, size, dy, shape, stride, u):
    """One of some parts of the gradient: the sum over its share of the rows of the output maps."""
    n, height, width, channels = shape
    rows, row = size
    panel = padded_rows(DEPTH) * LANES
    part = piece * channels // LANES * panel
    clear(u, part, channels // LANES * panel)
    for r in range(n * height * piece // parts, n * height * (piece + 1) // parts):
        i = (r // height * rows + r % height * stride) * row
        for c in range(0, channels, LANES):
            o = part + c // LANES * panel
            _add_patches(image, i, stride * CHANNELS, row, dy, r * width * channels + c, channels, width, u, o)


@compiled
def _correlate(mailbox, image, size, dy, stride, parts, u):
    arguments = parts, memory(image), size, memory(dy), dy.shape, stride, memory(u)
    share_out(mailbox, parts, _correlate_rows, arguments)
