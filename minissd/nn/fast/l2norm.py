"""`minissd.nn.l2norm_readable` for float32 maps with the channels last, compiled.

The numbers of a place are neighbours, so each place is read from memory once, summed up, and scaled while it
is in the innermost cache. NumPy goes through the whole map for every operation.
"""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled, inlined, part
from minissd.nn.fast.lanes import sum_lanes
from minissd.nn.fast.layout import empty_channels_last, nhwc
from minissd.nn.fast.prefetch import prefetch
from minissd.nn.fast.simd import LANES, broadcast, load_lanes, memory, store_lanes
from minissd.nn.fast.team import share_out, team_for

FEW_NUMBERS = 1 << 16  # that are done before another thread could have been woken
RUN = 128  # places whose gradients of the weight are summed up in float32; runs are added in float64
MOST_PIECES = 32  # to share out among the threads


def forward(x, weight, eps):
    """Return y (N, C, H, W) and the length of the channels at every place, (N, 1, H, W)."""
    y = empty_channels_last(x.shape)
    norm = np.empty((len(x), 1, *x.shape[2:]), np.float32)
    arrays = _flat(x), _numbers(weight), np.float32(eps), _flat(y), norm.reshape(-1)
    _forward(team_for(x.size, FEW_NUMBERS).mailbox, *arrays, _places_of_a_piece(norm.size))
    return y, norm


def backward(dy, x, norm, weight):
    """Return dx and dweight (C,)."""
    dx, places = empty_channels_last(x.shape), _places_of_a_piece(norm.size)
    shape = -(-norm.size // places), len(weight)
    runs, sums = np.zeros(shape, np.float32), np.zeros(shape)
    arrays = _flat(dy), _flat(x), norm.reshape(-1), _numbers(weight), _flat(dx)
    _backward(team_for(x.size, FEW_NUMBERS).mailbox, *arrays, runs, sums, places)
    return dx, sums.sum(axis=0).astype(np.float32)


def _places_of_a_piece(places):
    """Whole runs."""
    return RUN * max(1, -(-places // (RUN * MOST_PIECES)))


def _flat(x):
    """The numbers of a map, channels last."""
    return nhwc(x).reshape(-1)


def _numbers(weight):
    """Float32; for read-only arrays Numba would compile again."""
    return np.require(weight, np.float32, "CAW")


@compiled
def _forward(mailbox, x, weight, eps, y, norm, places):
    arguments = memory(x), memory(weight), len(weight), eps, memory(y), norm, places
    share_out(mailbox, (len(norm) + places - 1) // places, _forward_some, arguments)


@part
def _forward_some(thread, piece, x, weight, channels, eps, y, norm, places):
    for place in range(piece * places, min((piece + 1) * places, len(norm))):
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
def _backward(mailbox, dy, x, norm, weight, dx, runs, sums, places):
    arguments = memory(dy), memory(x), norm, memory(weight), memory(dx), runs, sums, places
    share_out(mailbox, len(sums), _backward_some, arguments)


@part
def _backward_some(thread, piece, dy, x, norm, weight, dx, runs, sums, places):
    """Write dx for some places, and the sum of what they add to dweight."""
    run, total, last = runs[piece], sums[piece], min((piece + 1) * places, len(norm))
    for begin in range(piece * places, last, RUN):
        for place in range(begin, min(begin + RUN, last)):
            _backward_place(place, dy, x, norm, weight, len(run), dx, memory(run))
        for c in range(len(run)):
            total[c] += run[c]
            run[c] = 0


@inlined
def _backward_place(place, dy, x, norm, weight, channels, dx, run):
    start = place * channels
    inverse, along = broadcast(np.float32(1) / norm[place]), broadcast(0)
    for c in range(0, channels, LANES):
        lanes = min(LANES, channels - c)
        prefetch(x, start + channels + c)
        prefetch(dy, start + channels + c)
        unit, gradient = load_lanes(x, start + c, lanes) * inverse, load_lanes(dy, start + c, lanes)
        product = unit * gradient
        store_lanes(run, c, load_lanes(run, c, lanes) + product, lanes)
        along = along + product * load_lanes(weight, c, lanes)
    along = broadcast(sum_lanes(along))  # u . g
    for c in range(0, channels, LANES):
        lanes = min(LANES, channels - c)
        unit = load_lanes(x, start + c, lanes) * inverse
        g = load_lanes(dy, start + c, lanes) * load_lanes(weight, c, lanes)
        store_lanes(dx, start + c, (g - unit * along) * inverse, lanes)
