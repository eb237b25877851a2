"""Sums over the places of a map, and other small things that every algorithm needs."""

from __future__ import annotations

import numpy as np
from numba import njit

from minissd.compilation import compiled
from minissd.nn.fast.layout import empty_channels_last, is_streamed, nhwc
from minissd.nn.fast.prefetch import prefetch
from minissd.nn.fast.simd import LANES, broadcast, load_lanes, memory, store_lanes, stream, where_greater
from minissd.nn.fast.team import share_out, team

PLACES = 512  # that are summed up in float32
AHEAD = 1 << 10  # numbers that are asked for before they are needed


def padded_bias(bias, channels):
    """The bias, or zeros where there is none, with zeros behind it up to whole pairs of vectors."""
    padded = np.zeros(-(-channels // (2 * LANES)) * 2 * LANES, np.float32)
    if bias is not None:
        padded[:channels] = bias
    return padded


def bias_only(y, bias, relu):
    """Fill an output (N, C, H, W) that no input reaches."""
    y[...] = 0
    if bias is not None:
        y += bias[:, None, None]
    return np.maximum(y, 0, out=y) if relu else y


def channel_sums(dy):
    """Sum of (N, H, W, C) over all but the channels: the gradient of a bias.

    Examples
    --------
    >>> channel_sums(np.ones((2, 3, 5, 2), np.float32))
    array([30., 30.], dtype=float32)
    """
    parts = _parts(dy)
    _channel_sums(team().mailbox, dy.reshape(-1), parts)
    return _total(parts)


def relu_gradient(dy, y):
    """`dy` where y is positive, 0 elsewhere, (N, C, H, W); and its `channel_sums`, in the same pass.

    Examples
    --------
    >>> dy, y = np.float32([[[[1, 2, 3]]]]), np.float32([[[[0, 5, 6]]]])
    >>> relu_gradient(dy, y)
    (array([[[[0., 2., 3.]]]], dtype=float32), array([5.], dtype=float32))
    """
    dx = empty_channels_last(dy.shape)
    dy = nhwc(dy)
    parts, maps = _parts(dy), (array.reshape(-1) for array in (dy, nhwc(y), nhwc(dx)))
    _relu_gradient(team().mailbox, *maps, is_streamed(nhwc(dx)), parts)
    return dx, _total(parts)


def _parts(dy):
    """Room for the sums of `PLACES` places each."""
    places = dy.size // dy.shape[3] if dy.size else 0
    return np.zeros((-(-places // PLACES), dy.shape[3]), np.float32)


def _total(parts):
    return parts.sum(axis=0, dtype=np.float64).astype(np.float32)


@njit(nogil=True)
def _sum_places(thread, piece, dy, size, channels, parts):
    begin, total = piece * PLACES * channels, piece * channels
    for start in range(begin, min(begin + PLACES * channels, size), channels):
        for c in range(0, channels, LANES):
            lanes = min(LANES, channels - c)
            prefetch(dy, start + c + AHEAD)
            value = load_lanes(parts, total + c, lanes) + load_lanes(dy, start + c, lanes)
            store_lanes(parts, total + c, value, lanes)


@compiled
def _channel_sums(mailbox, dy, parts):
    share_out(mailbox, len(parts), _sum_places, (memory(dy), len(dy), parts.shape[1], memory(parts)))


@njit(nogil=True)
def _mask_places(thread, piece, dy, y, dx, streams, size, channels, parts):
    begin, total, zero = piece * PLACES * channels, piece * channels, broadcast(0)
    for start in range(begin, min(begin + PLACES * channels, size), channels):
        for c in range(0, channels, LANES):
            lanes, i = min(LANES, channels - c), start + c
            prefetch(dy, i + AHEAD)
            prefetch(y, i + AHEAD)
            value = where_greater(load_lanes(y, i, lanes), zero, load_lanes(dy, i, lanes), zero)
            if streams:
                stream(dx, i, value)
            else:
                store_lanes(dx, i, value, lanes)
            store_lanes(parts, total + c, load_lanes(parts, total + c, lanes) + value, lanes)


@compiled
def _relu_gradient(mailbox, dy, y, dx, streams, parts):
    arguments = memory(dy), memory(y), memory(dx), streams, len(dx), parts.shape[1], memory(parts)
    share_out(mailbox, len(parts), _mask_places, arguments)
