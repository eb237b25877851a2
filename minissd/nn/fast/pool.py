"""`minissd.nn.pool_readable` for maps of float32 with the channels last: sixteen channels at a time."""

from __future__ import annotations

import numpy as np
from numba import njit

from minissd.compilation import compiled, inlined
from minissd.nn.fast.layout import empty_channels_last, nhwc
from minissd.nn.fast.simd import (
    LANES,
    broadcast,
    load_bytes,
    load_lanes,
    memory,
    store_bytes,
    store_lanes,
    where_greater,
)
from minissd.nn.threads import in_threads, num_threads, spans


def pool(x, y_shape, kernel, stride, padding):
    """Return the largest value of every window and its place in the window, row by row (uint8).

    Both have the channels last in memory.
    """
    y, winner = empty_channels_last(y_shape), empty_channels_last(y_shape, np.uint8)
    x = nhwc(x)
    maps = x.reshape(-1), _flat(y), _flat(winner)
    shapes = x.shape, y.transpose(0, 2, 3, 1).shape
    rows = y_shape[0] * y_shape[2]  # of all output maps
    in_threads(
        lambda span: _pool(*maps, *shapes, kernel, stride, padding, span.start, span.stop), spans(rows)
    )
    return y, winner


def unpool(dy, winner, x_shape, kernel, stride, padding):
    """The gradient of `pool`."""
    dy, dx = nhwc(dy), empty_channels_last(x_shape)
    maps = dy.reshape(-1), _flat(winner), _flat(dx)
    shapes = dy.shape, dx.transpose(0, 2, 3, 1).shape
    in_threads(lambda share: _unpool(*maps, *shapes, kernel, stride, padding, *share), _shares(x_shape))
    return dx


def _flat(x):
    """The numbers of an array with the channels last."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(-1)


def _shares(x_shape):
    """First and last image, first and last channel of each thread's share: windows may overlap in a map."""
    images, channels = x_shape[:2]
    if images >= num_threads():
        return [(span.start, span.stop, 0, channels) for span in spans(images)]
    chunks = -(-channels // LANES)
    ends = [(span.start * LANES, min(span.stop * LANES, channels)) for span in spans(chunks)]
    return [(0, images, *pair) for pair in ends]


@compiled
def _pool(x, y, winner, x_shape, y_shape, kernel, stride, padding, first_row, last_row):
    x, y, winner = memory(x), memory(y), memory(winner)
    _, height, width, channels = x_shape
    for row in range(first_row, last_row):
        image, top = row // y_shape[1], row % y_shape[1] * stride - padding
        for column in range(y_shape[2]):
            left = column * stride - padding
            for c in range(0, channels, LANES):
                lanes = min(LANES, channels - c)
                best, place = broadcast(-np.inf), broadcast(0)
                for i in range(max(0, -top), min(kernel, height - top)):
                    for j in range(max(0, -left), min(kernel, width - left)):
                        o = ((image * height + top + i) * width + left + j) * channels + c
                        value = load_lanes(x, o, lanes)
                        place = where_greater(value, best, broadcast(i * kernel + j), place)
                        best = where_greater(value, best, value, best)
                o = (row * y_shape[2] + column) * channels + c
                store_lanes(y, o, best, lanes)
                store_bytes(winner, o, place, lanes)


@compiled
def _unpool(
    dy, winner, dx, y_shape, x_shape, kernel, stride, padding, first, last, first_channel, last_channel
):
    _clear_channels(dx, x_shape, first, last, first_channel, last_channel)
    dy, winner, dx = memory(dy), memory(winner), memory(dx)
    _, height, width, channels = x_shape
    for row in range(first * y_shape[1], last * y_shape[1]):
        image, top = row // y_shape[1], row % y_shape[1] * stride - padding
        for column in range(y_shape[2]):
            left = column * stride - padding
            for c in range(first_channel, last_channel, LANES):
                lanes = min(LANES, last_channel - c)
                o = (row * y_shape[2] + column) * channels + c
                gradient, place = load_lanes(dy, o, lanes), load_bytes(winner, o, lanes)
                for i in range(max(0, -top), min(kernel, height - top)):
                    for j in range(max(0, -left), min(kernel, width - left)):
                        o = ((image * height + top + i) * width + left + j) * channels + c
                        kept = _where_equal(place, i * kernel + j, gradient)
                        store_lanes(dx, o, load_lanes(dx, o, lanes) + kept, lanes)


@inlined
def _where_equal(place, number, value):
    """`value` where the whole number `place` is `number`, else 0."""
    zero = broadcast(0)
    not_above = where_greater(place, broadcast(number), zero, value)
    return where_greater(broadcast(number), place, zero, not_above)


@njit(nogil=True)
def _clear_channels(dx, x_shape, first, last, first_channel, last_channel):
    dx = memory(dx)
    places, channels = x_shape[1] * x_shape[2], x_shape[3]
    for place in range(first * places, last * places):
        for c in range(first_channel, last_channel, LANES):
            store_lanes(dx, place * channels + c, broadcast(0), min(LANES, last_channel - c))
