"""`minissd.nn.pool_readable` for maps of float32 with the channels last: sixteen channels at a time."""

from __future__ import annotations

import numpy as np
from numba import njit

from minissd.compilation import compiled, inlined
from minissd.nn.fast.byte_vectors import load_bytes, store_bytes
from minissd.nn.fast.layout import empty_channels_last, is_streamed, nhwc
from minissd.nn.fast.simd import (
    LANES,
    broadcast,
    load_lanes,
    memory,
    store_lanes,
    stream,
    where_greater,
)
from minissd.nn.fast.team import share_out, team

PIECES = 16  # to share out among the threads, where there are so many images and channels


def pool(x, y_shape, kernel, stride, padding):
    """Return the largest value of every window and its place in the window, row by row (uint8).

    Both have the channels last in memory.
    """
    y, winner = empty_channels_last(y_shape), empty_channels_last(y_shape, np.uint8)
    x = nhwc(x)
    maps = x.reshape(-1), _flat(y), _flat(winner)
    shapes = x.shape, y.transpose(0, 2, 3, 1).shape
    _pool(team().mailbox, *maps, *shapes, kernel, stride, padding)
    return y, winner


def unpool(dy, winner, x_shape, kernel, stride, padding):
    """The gradient of `pool`."""
    dy, dx = nhwc(dy), empty_channels_last(x_shape)
    maps = dy.reshape(-1), _flat(winner), _flat(dx)
    shapes = dy.shape, dx.transpose(0, 2, 3, 1).shape
    _unpool(team().mailbox, *maps, *shapes, kernel, stride, padding, is_streamed(nhwc(dx)))
    return dx


def _flat(x):
    """The numbers of an array with the channels last."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(-1)


@compiled
def _pool(mailbox, x, y, winner, x_shape, y_shape, kernel, stride, padding):
    maps = memory(x), memory(y), memory(winner)
    share_out(mailbox, y_shape[0] * y_shape[1], _pool_row, (*maps, x_shape, y_shape, kernel, stride, padding))


@njit(nogil=True)
def _pool_row(thread, row, x, y, winner, x_shape, y_shape, kernel, stride, padding):
    """One row of an output map."""
    _, height, width, channels = x_shape
    image, top = row // y_shape[1], row % y_shape[1] * stride - padding
    for column in range(y_shape[2]):
        left = column * stride - padding
        for c in range(0, channels, LANES):
            lanes = min(LANES, channels - c)
            first = max(0, -top) * kernel + max(0, -left)  # on the map, not in the border
            best, place = broadcast(-np.inf), broadcast(first)
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
def _unpool(mailbox, dy, winner, dx, y_shape, x_shape, kernel, stride, padding, streams):
    """Windows of one image may overlap, so a piece is some channels of a whole image."""
    maps, groups = (memory(dy), memory(winner), memory(dx)), (x_shape[3] + LANES - 1) // LANES
    if x_shape[0] > 1:
        groups = min(groups, max(1, PIECES // x_shape[0]))
    arguments = (*maps, groups, y_shape, x_shape, kernel, stride, padding, streams)
    share_out(mailbox, x_shape[0] * groups, _unpool_channels, arguments)


@njit(nogil=True)
def _unpool_channels(
    thread, piece, dy, winner, dx, groups, y_shape, x_shape, kernel, stride, padding, streams
):
    """Some channels of one image. Where windows touch but do not overlap, every place is written once."""
    _, height, width, channels = x_shape
    image, group, chunks = piece // groups, piece % groups, (channels + LANES - 1) // LANES
    first, last = chunks * group // groups * LANES, min(chunks * (group + 1) // groups * LANES, channels)
    apart = stride == kernel and padding == 0
    if not apart or y_shape[1] * stride < height or y_shape[2] * stride < width:
        _clear_channels(dx, x_shape, image, first, last)
    for row in range(y_shape[1]):
        top = row * stride - padding
        for column in range(y_shape[2]):
            left = column * stride - padding
            for c in range(first, last, LANES):
                lanes = min(LANES, last - c)
                o = ((image * y_shape[1] + row) * y_shape[2] + column) * channels + c
                gradient, place = load_lanes(dy, o, lanes), load_bytes(winner, o, lanes)
                for i in range(max(0, -top), min(kernel, height - top)):
                    for j in range(max(0, -left), min(kernel, width - left)):
                        o = ((image * height + top + i) * width + left + j) * channels + c
                        kept = _where_equal(place, i * kernel + j, gradient)
                        if apart and streams:
                            stream(dx, o, kept)
                        elif apart:
                            store_lanes(dx, o, kept, lanes)
                        else:
                            store_lanes(dx, o, kept + load_lanes(dx, o, lanes), lanes)


@inlined
def _where_equal(place, number, value):
    """`value` where the whole number `place` is `number`, else 0."""
    zero = broadcast(0)
    not_above = where_greater(place, broadcast(number), zero, value)
    return where_greater(broadcast(number), place, zero, not_above)


@njit(nogil=True)
def _clear_channels(dx, x_shape, image, first, last):
    places, channels = x_shape[1] * x_shape[2], x_shape[3]
    for place in range(image * places, (image + 1) * places):
        for c in range(first, last, LANES):
            store_lanes(dx, place * channels + c, broadcast(0), min(LANES, last - c))
