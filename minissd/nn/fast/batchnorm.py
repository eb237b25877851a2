"""`minissd.nn.batchnorm_readable` for float32 maps with the channels last, compiled.

One pass over memory each, places shared out to the threads. Sums run over `RUN` places in float32, sixteen
channels at a time, and are put together in float64. `scale_shift` can apply a ReLU on the way.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from minissd.compilation import compiled
from minissd.nn.fast.layout import empty_channels_last, nhwc
from minissd.nn.fast.simd import LANES, broadcast, load_lanes, maximum, memory, store_lanes
from minissd.nn.threads import in_threads, spans

RUN = 128  # places whose numbers stay in the innermost cache


def moments(x):
    """Mean and biased variance of every channel of (N, C, H, W); float64, (C,) each."""
    x = nhwc(x)
    channels, places = x.shape[3], x.size // x.shape[3]

    def part(span):
        mean, squares = np.zeros(channels), np.zeros(channels)
        scratch = np.zeros((3, channels), np.float32)
        _moments(x.reshape(-1), span.start, span.stop, mean, squares, scratch)
        return span.stop - span.start, mean, squares

    count, mean, squares = 0, np.zeros(channels), np.zeros(channels)
    for part_count, part_mean, part_squares in in_threads(part, spans(places)):
        distance, total = part_mean - mean, count + part_count
        squares += part_squares + distance**2 * (count * part_count / total)
        mean += distance * (part_count / total)
        count = total
    return mean, squares / count


def scale_shift(x, scale, shift, relu=False):
    """``scale * x + shift``, channel by channel; with `relu`, clipped at 0."""
    y, x = empty_channels_last(x.shape), nhwc(x)
    low = 0.0 if relu else -np.inf
    scale, shift, out = scale.astype(np.float32), shift.astype(np.float32), nhwc(y).reshape(-1)
    _over_places(lambda first, last: _scale_shift(x.reshape(-1), scale, shift, low, out, first, last), x)
    return y


def gradient_sums(dy, x, mean):
    """Sums over every channel of ``dy`` and of ``dy * (x - mean)``; float64, (C,) each."""
    dy, x = nhwc(dy), nhwc(x)
    channels, places = x.shape[3], x.size // x.shape[3]
    center = mean.astype(np.float32)

    def part(span):
        sums, scratch = np.zeros((2, channels)), np.zeros((2, channels), np.float32)
        _gradient_sums(dy.reshape(-1), x.reshape(-1), center, span.start, span.stop, sums, scratch)
        return sums

    sum_dy, sum_dy_x = sum(in_threads(part, spans(places)))
    return sum_dy, sum_dy_x - sum_dy * (mean - center)


def combine(dy, x, dy_factor, x_factor, shift):
    """``dy_factor * dy + x_factor * x + shift``, channel by channel."""
    dx, dy, x = empty_channels_last(x.shape), nhwc(dy), nhwc(x)
    factors = [factor.astype(np.float32) for factor in (dy_factor, x_factor, shift)]
    maps = dy.reshape(-1), x.reshape(-1), nhwc(dx).reshape(-1)
    _over_places(lambda first, last: _combine(*maps, *factors, first, last), x)
    return dx


def _over_places(function, x):
    """Call ``function(first, last)`` for the places of each thread's share."""
    places = x.size // x.shape[3] if x.size else 0
    in_threads(lambda span: function(span.start, span.stop), spans(places))


@compiled
def _moments(x, first, last, mean, squares, scratch):
    """Mean, and sum of squares around it, of some places; each run is merged into those before it."""
    numbers, total = memory(x), memory(scratch)
    channels, before = len(mean), 0
    for start in range(first, last, RUN):
        count = min(RUN, last - start)
        for c in range(0, channels, LANES):
            _run_moments(numbers, start, count, channels, c, total)
        for c in range(channels):
            error = np.float64(scratch[1, c]) / count  # of the rounded mean, around which the squares are
            distance, all_places = scratch[0, c] + error - mean[c], before + count
            squares[c] += scratch[2, c] - count * error * error
            squares[c] += distance * distance * before * count / all_places
            mean[c] += distance * count / all_places
        before += count


@njit(nogil=True)
def _run_moments(x, start, count, channels, c, total):
    """Rounded mean of sixteen channels of a run; sums of the distances from it and of their squares."""
    lanes, zero = min(LANES, channels - c), broadcast(0)
    values, distances, squares = zero, zero, zero
    for place in range(start, start + count):
        values = values + load_lanes(x, place * channels + c, lanes)
    center = values * broadcast(np.float32(1 / count))
    for place in range(start, start + count):
        distance = load_lanes(x, place * channels + c, lanes) - center
        distances = distances + distance
        squares = squares + distance * distance
    store_lanes(total, c, center, lanes)
    store_lanes(total, channels + c, distances, lanes)
    store_lanes(total, 2 * channels + c, squares, lanes)


@compiled
def _gradient_sums(dy, x, center, first, last, sums, scratch):
    """Add the sums of dy and of dy * (x - center) over some places to `sums`, (2, C)."""
    dy, x, center, total = memory(dy), memory(x), memory(center), memory(scratch)
    channels = sums.shape[1]
    for start in range(first, last, RUN):
        end = min(start + RUN, last)
        for c in range(0, channels, LANES):
            lanes = min(LANES, channels - c)
            middle, sum_dy, sum_dy_x = load_lanes(center, c, lanes), broadcast(0), broadcast(0)
            for place in range(start, end):
                gradient = load_lanes(dy, place * channels + c, lanes)
                sum_dy = sum_dy + gradient
                sum_dy_x = sum_dy_x + gradient * (load_lanes(x, place * channels + c, lanes) - middle)
            store_lanes(total, c, sum_dy, lanes)
            store_lanes(total, channels + c, sum_dy_x, lanes)
        sums += scratch


@compiled
def _scale_shift(x, scale, shift, low, y, first, last):
    channels, lowest = len(scale), broadcast(low)
    x, scale, shift, y = memory(x), memory(scale), memory(shift), memory(y)
    for c in range(0, channels, LANES):
        lanes = min(LANES, channels - c)
        factor, offset = load_lanes(scale, c, lanes), load_lanes(shift, c, lanes)
        for place in range(first, last):
            value = load_lanes(x, place * channels + c, lanes) * factor + offset
            store_lanes(y, place * channels + c, maximum(value, lowest), lanes)


@compiled
def _combine(dy, x, dx, dy_factor, x_factor, shift, first, last):
    channels = len(shift)
    dy, x, dx, dy_factor = memory(dy), memory(x), memory(dx), memory(dy_factor)
    x_factor, shift = memory(x_factor), memory(shift)
    for c in range(0, channels, LANES):
        lanes = min(LANES, channels - c)
        a, b = load_lanes(dy_factor, c, lanes), load_lanes(x_factor, c, lanes)
        offset = load_lanes(shift, c, lanes)
        for place in range(first, last):
            i = place * channels + c
            store_lanes(dx, i, load_lanes(dy, i, lanes) * a + load_lanes(x, i, lanes) * b + offset, lanes)
