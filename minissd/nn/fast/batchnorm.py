"""`minissd.nn.batchnorm_readable` for float32 maps with the channels last, compiled.

One pass over memory each. Sums run over `RUN` places in float32, sixteen channels at a time, and are put
together in float64. A ReLU behind the normalisation is done in the same passes: where ``scale * x + shift``
is not positive, it lets nothing through, forward or backward, so its output need not be read again.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from minissd.compilation import compiled
from minissd.nn.fast.layout import empty_channels_last, nhwc
from minissd.nn.fast.prefetch import prefetch
from minissd.nn.fast.simd import (
    LANES,
    broadcast,
    load_lanes,
    local_memory,
    maximum,
    memory,
    read_number,
    store_lanes,
    where_greater,
)
from minissd.nn.fast.team import share_out, team

RUN = 128  # places whose numbers stay in the innermost cache
AHEAD = 24  # places that are asked for before they are needed
PLACES = 8 * RUN  # that a thread deals with at a time
SCRATCH = 3 * LANES
NO_RELU = np.zeros(0, np.float32), np.zeros(0, np.float32)

part = njit(nogil=True)


def moments(x):
    """Mean and biased variance of every channel of (N, C, H, W); float64, (C,) each."""
    x = nhwc(x)
    channels, places = x.shape[3], x.size // x.shape[3]
    means, squares = np.zeros((2, _pieces(places), channels))
    _moments(team().mailbox, x.reshape(-1), places, means, squares)
    return means[0], squares[0] / places


def scale_shift(x, scale, shift, relu=False):
    """``scale * x + shift``, channel by channel; with `relu`, clipped at 0."""
    y, x = empty_channels_last(x.shape), nhwc(x)
    factors = scale.astype(np.float32), shift.astype(np.float32)
    low = np.float32(0 if relu else -np.inf)
    _scale_shift(team().mailbox, x.reshape(-1), *factors, low, nhwc(y).reshape(-1))
    return y


def gradient_sums(dy, x, mean, relu=None):
    """Sums over every channel of ``dy`` and of ``dy * (x - mean)``; float64, (C,) each.

    With ``relu = (scale, shift)``, `dy` counts where ``scale * x + shift`` is positive.
    """
    dy, x = nhwc(dy), nhwc(x)
    channels, places = x.shape[3], x.size // x.shape[3]
    center, sums = mean.astype(np.float32), np.zeros((_pieces(places), 2, channels))
    _gradient_sums(team().mailbox, dy.reshape(-1), x.reshape(-1), center, *_factors(relu), places, sums)
    sum_dy, sum_dy_x = sums.sum(axis=0)
    return sum_dy, sum_dy_x - sum_dy * (mean - center)


def combine(dy, x, dy_factor, x_factor, shift, relu=None):
    """``dy_factor * dy + x_factor * x + shift``, channel by channel; `relu` as in `gradient_sums`."""
    dx, dy, x = empty_channels_last(x.shape), nhwc(dy), nhwc(x)
    factors = [factor.astype(np.float32) for factor in (dy_factor, x_factor, shift)]
    maps = dy.reshape(-1), x.reshape(-1), nhwc(dx).reshape(-1)
    _combine(team().mailbox, *maps, *factors, *_factors(relu))
    return dx


def _factors(relu):
    return NO_RELU if relu is None else tuple(factor.astype(np.float32) for factor in relu)


def _pieces(places):
    return -(-places // PLACES)


@compiled
def _moments(mailbox, x, places, means, squares):
    """Means and squares of all pieces; those of the first then become those of all."""
    share_out(mailbox, len(means), _piece_moments, (memory(x), places, means, squares))
    count = min(PLACES, places)
    for piece in range(1, len(means)):
        more = min(PLACES, places - piece * PLACES)
        for c in range(means.shape[1]):
            _merge(means[0], squares[0], c, count, means[piece, c], squares[piece, c], more)
        count += more


@part
def _piece_moments(thread, piece, x, places, means, squares):
    """Mean, and sum of squares around it, of some places; each run is merged into those before it."""
    begin, channels, scratch = piece * PLACES, means.shape[1], local_memory(SCRATCH)
    end = min(begin + PLACES, places)
    for start in range(begin, end, RUN):
        count = min(RUN, end - start)
        for c in range(0, channels, LANES):
            _run_moments(x, start, count, channels, c, scratch)
            for lane in range(min(LANES, channels - c)):
                # The squares are around the rounded mean; its error is taken out of them.
                error = read_number(scratch, LANES + lane) / count
                mean = read_number(scratch, lane) + error
                around = read_number(scratch, 2 * LANES + lane) - count * error * error
                _merge(means[piece], squares[piece], c + lane, start - begin, mean, around, count)


@part
def _merge(means, squares, c, count, mean, around, more):
    """Add the mean and the squares of `more` numbers to those of `count`."""
    distance, total = mean - means[c], count + more
    squares[c] += around + distance * distance * count * more / total
    means[c] += distance * more / total


@part
def _run_moments(x, start, count, channels, c, scratch):
    """Rounded mean of sixteen channels of a run; sums of the distances from it and of their squares."""
    lanes, zero = min(LANES, channels - c), broadcast(0)
    values, distances, squares = zero, zero, zero
    for place in range(start, start + count):
        prefetch(x, (place + AHEAD) * channels + c)
        values = values + load_lanes(x, place * channels + c, lanes)
    center = values * broadcast(np.float32(1 / count))
    for place in range(start, start + count):
        distance = load_lanes(x, place * channels + c, lanes) - center
        distances = distances + distance
        squares = squares + distance * distance
    store_lanes(scratch, 0, center, LANES)
    store_lanes(scratch, LANES, distances, LANES)
    store_lanes(scratch, 2 * LANES, squares, LANES)


@compiled
def _scale_shift(mailbox, x, scale, shift, low, y):
    places = len(x) // max(len(scale), 1)
    arguments = memory(x), memory(scale), memory(shift), low, memory(y), len(scale), places
    share_out(mailbox, (places + PLACES - 1) // PLACES, _scale_places, arguments)


@part
def _scale_places(thread, piece, x, scale, shift, low, y, channels, places):
    lowest = broadcast(low)
    for place in range(piece * PLACES, min((piece + 1) * PLACES, places)):
        for c in range(0, channels, LANES):
            lanes, i = min(LANES, channels - c), place * channels + c
            prefetch(x, i + AHEAD * channels)
            value = load_lanes(x, i, lanes) * load_lanes(scale, c, lanes) + load_lanes(shift, c, lanes)
            store_lanes(y, i, maximum(value, lowest), lanes)


@compiled
def _gradient_sums(mailbox, dy, x, center, scale, shift, places, sums):
    relu = len(scale) > 0
    arguments = memory(dy), memory(x), memory(center), relu, memory(scale), memory(shift), places, sums
    share_out(mailbox, len(sums), _sum_gradients, arguments)


@part
def _sum_gradients(thread, piece, dy, x, center, relu, scale, shift, places, sums):
    begin, channels, scratch = piece * PLACES, sums.shape[2], local_memory(SCRATCH)
    end = min(begin + PLACES, places)
    for start in range(begin, end, RUN):
        for c in range(0, channels, LANES):
            lanes = min(LANES, channels - c)
            mean, sum_dy, sum_dy_x = load_lanes(center, c, lanes), broadcast(0), broadcast(0)
            for place in range(start, min(start + RUN, end)):
                prefetch(x, (place + AHEAD) * channels + c)
                prefetch(dy, (place + AHEAD) * channels + c)
                value = load_lanes(x, place * channels + c, lanes)
                gradient = load_lanes(dy, place * channels + c, lanes)
                if relu:
                    gradient = _let_through(gradient, value, scale, shift, c, lanes)
                sum_dy = sum_dy + gradient
                sum_dy_x = sum_dy_x + gradient * (value - mean)
            store_lanes(scratch, 0, sum_dy, LANES)
            store_lanes(scratch, LANES, sum_dy_x, LANES)
            for lane in range(lanes):
                sums[piece, 0, c + lane] += read_number(scratch, lane)
                sums[piece, 1, c + lane] += read_number(scratch, LANES + lane)


@part
def _let_through(gradient, value, scale, shift, c, lanes):
    """The gradient where the ReLU's input is positive, 0 elsewhere."""
    zero, y = broadcast(0), value * load_lanes(scale, c, lanes) + load_lanes(shift, c, lanes)
    return where_greater(y, zero, gradient, zero)


@compiled
def _combine(mailbox, dy, x, dx, dy_factor, x_factor, offset, scale, shift):
    channels, relu = len(dy_factor), len(scale) > 0
    places = len(x) // max(channels, 1)
    maps, factors = (memory(dy), memory(x), memory(dx)), (memory(dy_factor), memory(x_factor), memory(offset))
    arguments = maps, factors, relu, memory(scale), memory(shift), channels, places
    share_out(mailbox, (places + PLACES - 1) // PLACES, _combine_places, arguments)


@part
def _combine_places(thread, piece, maps, factors, relu, scale, shift, channels, places):
    dy, x, dx = maps
    dy_factor, x_factor, offset = factors
    for place in range(piece * PLACES, min((piece + 1) * PLACES, places)):
        for c in range(0, channels, LANES):
            lanes, i = min(LANES, channels - c), place * channels + c
            prefetch(x, i + AHEAD * channels)
            prefetch(dy, i + AHEAD * channels)
            value, gradient = load_lanes(x, i, lanes), load_lanes(dy, i, lanes)
            if relu:
                gradient = _let_through(gradient, value, scale, shift, c, lanes)
            value = gradient * load_lanes(dy_factor, c, lanes) + value * load_lanes(x_factor, c, lanes)
            store_lanes(dx, i, value + load_lanes(offset, c, lanes), lanes)
