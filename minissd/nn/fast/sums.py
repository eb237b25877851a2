"""Sums over the places of a map, and other small things that every algorithm needs."""

from __future__ import annotations

import numpy as np
from numba import njit

from minissd.compilation import compiled
from minissd.nn.fast.layout import empty_channels_last, nhwc
from minissd.nn.fast.simd import LANES, broadcast, load_lanes, memory, store_lanes, where_greater
from minissd.nn.fast.team import share_out, team

PLACES = 512  # that are summed up in float32
NUMBERS, WORDS = 1 << 14, 1 << 16  # that a thread deals with at a time
STREAMS, MULTIPLIER = 64, np.uint32(0x9E3779B1)  # an odd number: no change of a word is lost


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
    channels = dy.shape[3]
    places = dy.size // channels if channels else 0
    parts = np.zeros((-(-places // PLACES), channels), np.float32)
    _channel_sums(team().mailbox, dy.reshape(-1), places, parts)
    return parts.sum(axis=0, dtype=np.float64).astype(np.float32)


@njit(nogil=True)
def _sum_places(thread, piece, dy, places, channels, parts):
    """Sum of some places in float32; the parts are added in float64."""
    first, last = piece * PLACES, min((piece + 1) * PLACES, places)
    for c in range(0, channels, LANES):
        lanes, total = min(LANES, channels - c), broadcast(0)
        for place in range(first, last):
            total = total + load_lanes(dy, place * channels + c, lanes)
        store_lanes(parts, piece * channels + c, total, lanes)


@compiled
def _channel_sums(mailbox, dy, places, parts):
    share_out(mailbox, len(parts), _sum_places, (memory(dy), places, parts.shape[1], memory(parts)))


def relu_gradient(dy, y):
    """`dy` where y is positive, 0 elsewhere; both (N, C, H, W).

    Examples
    --------
    >>> relu_gradient(np.float32([[[[1, 2]]]]), np.float32([[[[0, 5]]]]))
    array([[[[0., 2.]]]], dtype=float32)
    """
    dx = empty_channels_last(dy.shape)
    _relu_gradient(team().mailbox, *(nhwc(array).reshape(-1) for array in (dy, y, dx)))
    return dx


@njit(nogil=True)
def _mask_numbers(thread, piece, dy, y, dx, size):
    zero = broadcast(0)
    for i in range(piece * NUMBERS, min((piece + 1) * NUMBERS, size), LANES):
        lanes = min(LANES, size - i)
        store_lanes(dx, i, where_greater(load_lanes(y, i, lanes), zero, load_lanes(dy, i, lanes), zero), lanes)


@compiled
def _relu_gradient(mailbox, dy, y, dx):
    pieces = (len(dx) + NUMBERS - 1) // NUMBERS
    share_out(mailbox, pieces, _mask_numbers, (memory(dy), memory(y), memory(dx), len(dx)))


def checksum(array):
    """A few numbers that change when any number of a contiguous float32 array does.

    Examples
    --------
    >>> weight = np.zeros(5, np.float32)
    >>> before = checksum(weight)
    >>> weight[3] = 1e-30
    >>> checksum(weight) == before
    False
    """
    words = array.reshape(-1).view(np.uint32)
    sums = np.zeros((-(-len(words) // WORDS), STREAMS), np.uint32)
    _checksum(team().mailbox, words, sums)
    return sums.tobytes()


@njit(nogil=True)
def _mix(thread, piece, words, sums):
    """Sixty-four sums side by side, which do not wait for each other: ``s = s * MULTIPLIER + word``."""
    first, last = piece * WORDS, min((piece + 1) * WORDS, len(words))
    state = sums[piece]
    whole = first + (last - first) // STREAMS * STREAMS
    for i in range(first, whole, STREAMS):
        for k in range(STREAMS):
            state[k] = state[k] * MULTIPLIER + words[i + k]
    for i in range(whole, last):
        state[i - whole] = state[i - whole] * MULTIPLIER + words[i]


@compiled
def _checksum(mailbox, words, sums):
    share_out(mailbox, len(sums), _mix, (words, sums))
