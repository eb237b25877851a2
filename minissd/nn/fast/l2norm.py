"""`minissd.nn.l2norm_readable` for float32 maps with the channels last, compiled.

The numbers of a place are neighbours, so each place is read from memory once, summed up, and scaled while it
is in the innermost cache. NumPy goes through the whole map for every operation.
"""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled
from minissd.nn.fast.layout import empty_channels_last, nhwc
from minissd.nn.fast.prefetch import prefetch
from minissd.nn.fast.reduce import sum_lanes
from minissd.nn.fast.simd import LANES, broadcast, load_lanes, memory, store_lanes
from minissd.nn.threads import in_threads, spans

RUN = 128  # places whose gradients of the weight are summed up in float32; runs are added in float64


def forward(x, weight, eps):
    """Return y (N, C, H, W) and the length of the channels at every place, (N, 1, H, W)."""
    y = empty_channels_last(x.shape)
    norm = np.empty((len(x), 1, *x.shape[2:]), np.float32)
    arrays = _flat(x), _numbers(weight), np.float32(eps), _flat(y), norm.reshape(-1)
    in_threads(lambda span: _forward(*arrays, span.start, span.stop), spans(norm.size))
    return y, norm


def backward(dy, x, norm, weight):
    """Return dx and dweight (C,)."""
    dx = empty_channels_last(x.shape)
    arrays = _flat(dy), _flat(x), norm.reshape(-1), _numbers(weight), _flat(dx)

    def part(span):
        run, dweight = np.zeros(len(weight), np.float32), np.zeros(len(weight))
        _backward(*arrays, span.start, span.stop, run, dweight)
        return dweight

    return dx, sum(in_threads(part, spans(norm.size))).astype(np.float32)


def _flat(x):
    """The numbers of a map, channels last."""
    return nhwc(x).reshape(-1)


def _numbers(weight):
    """Float32; for read-only arrays Numba would compile again."""
    return np.require(weight, np.float32, "CAW")


@compiled
def _forward(x, weight, eps, y, norm, first, last):
    channels = len(weight)
    x, weight, y = memory(x), memory(weight), memory(y)
    for place in range(first, last):
        start, squares = place * channels, broadcast(0)
        for c in range(0, channels, LANES):
            prefetch(x, start + channels + c)  # the next place
            value = load_lanes(x, start + c, min(LANES, channels - c))
            squares = squares + value * value
        norm[place] = np.sqrt(sum_lanes(squares) + eps)
        inverse = broadcast(np.float32(1) / norm[place])
        for c in range(0, channels, LANES):
            lanes = min(LANES, channels - c)
            unit = load_lanes(x, start + c, lanes) * inverse
            store_lanes(y, start + c, unit * load_lanes(weight, c, lanes), lanes)


@compiled
def _backward(dy, x, norm, weight, dx, first, last, run, dweight):
    """Write dx for some places, and add what they give to dweight; `run` is scratch memory of zeros."""
    channels = len(weight)
    dy, x, weight, dx, sums = memory(dy), memory(x), memory(weight), memory(dx), memory(run)
    for begin in range(first, last, RUN):
        for place in range(begin, min(begin + RUN, last)):
            start = place * channels
            inverse, along = broadcast(np.float32(1) / norm[place]), broadcast(0)
            for c in range(0, channels, LANES):
                lanes = min(LANES, channels - c)
                prefetch(x, start + channels + c)
                prefetch(dy, start + channels + c)
                unit, gradient = load_lanes(x, start + c, lanes) * inverse, load_lanes(dy, start + c, lanes)
                product = unit * gradient
                store_lanes(sums, c, load_lanes(sums, c, lanes) + product, lanes)
                along = along + product * load_lanes(weight, c, lanes)
            along = broadcast(sum_lanes(along))  # u . g
            for c in range(0, channels, LANES):
                lanes = min(LANES, channels - c)
                unit = load_lanes(x, start + c, lanes) * inverse
                g = load_lanes(dy, start + c, lanes) * load_lanes(weight, c, lanes)
                store_lanes(dx, start + c, (g - unit * along) * inverse, lanes)
        for c in range(channels):
            dweight[c] += run[c]
            run[c] = 0
