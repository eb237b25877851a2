"""Sums over the places of a map, and other small things that every algorithm needs."""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled
from minissd.nn.fast.simd import LANES, load_first, memory, store_first
from minissd.nn.threads import in_threads, spans

RUN = 256  # places that are summed up in float32; runs are added in float64


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
    if places == 0:
        return np.zeros(channels, np.float32)
    flat = dy.reshape(-1)

    def add_up(span):
        total = np.zeros(channels)
        _channel_sums(flat, channels, span.start, span.stop, np.zeros(channels, np.float32), total)
        return total

    return sum(in_threads(add_up, spans(places))).astype(np.float32)


@compiled
def _channel_sums(dy, channels, first, last, run, total):
    values, sums = memory(dy), memory(run)
    for start in range(first, last, RUN):
        run[:] = 0
        for place in range(start, min(start + RUN, last)):
            for c in range(0, channels, LANES):
                count = min(LANES, channels - c)
                value = load_first(sums, c, count) + load_first(values, place * channels + c, count)
                store_first(sums, c, value, count)
        for c in range(channels):
            total[c] += run[c]
