"""Gradient descent as one pass over memory; float32.

A step does seven operations with every parameter. They cost nothing beside the way to memory and back.
NumPy's seven passes read or write a whole array seventeen times, this one five times: it reads a parameter,
its gradient and its velocity, and writes two of them.
"""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled, part
from minissd.nn.fast.lanes import sum_lanes
from minissd.nn.fast.simd import LANES, broadcast, load_lanes, memory, store_lanes
from minissd.nn.fast.team import share_out, team_for

FEW_NUMBERS = 1 << 15  # that are done before another thread could have been woken
NUMBERS = 1 << 14  # that a thread deals with at a time
RUN = 1 << 12  # squares that are summed up in float32; runs are added in float64


def fits(array):
    """Whether this module is made for this array: float32, in one piece of memory, and not read-only.

    Examples
    --------
    >>> fits(np.zeros((2, 3), np.float32)), fits(np.zeros((2, 3))), fits(np.zeros((2, 3), np.float32).T)
    (True, False, False)
    """
    return isinstance(array, np.ndarray) and array.dtype == np.float32 and array.flags.carray


def descend(updates, momentum, shrink):
    """Change parameters and velocities; see `minissd.nn.update_readable`, the readable twin.

    Parameters
    ----------
    updates : sequence of minissd.nn.update_readable.Update
        Their three arrays must be of one shape and such that `fits` says so.
    momentum, shrink : float
    """
    for parameter, grad, velocity, rate, decay in updates:
        arrays = parameter.reshape(-1), grad.reshape(-1), velocity.reshape(-1)
        _descend(team_for(parameter.size, FEW_NUMBERS).mailbox, *arrays, momentum, shrink, decay, rate)


def sum_of_squares(arrays):
    """Sum of the squares of all numbers of all arrays, for each of which `fits` says so.

    Examples
    --------
    >>> sum_of_squares([np.array([3.0], np.float32), np.array([[4.0]], np.float32)])
    25.0
    """
    total = 0.0
    for array in arrays:
        sums = np.zeros(-(-array.size // NUMBERS))
        _sum_of_squares(team_for(array.size, FEW_NUMBERS).mailbox, array.reshape(-1), sums)
        total += float(sums.sum())
    return total


@compiled
def _descend(mailbox, parameter, grad, velocity, momentum, shrink, decay, rate):
    arrays = memory(parameter), memory(grad), memory(velocity)
    pieces = (len(parameter) + NUMBERS - 1) // NUMBERS
    share_out(mailbox, pieces, _descend_some, (*arrays, len(parameter), momentum, shrink, decay, rate))


@part
def _descend_some(thread, piece, parameter, grad, velocity, size, momentum, shrink, decay, rate):
    momentum, shrink, decay, rate = broadcast(momentum), broadcast(shrink), broadcast(decay), broadcast(rate)
    last = min((piece + 1) * NUMBERS, size)
    for i in range(piece * NUMBERS, last, LANES):
        lanes = min(LANES, last - i)
        w = load_lanes(parameter, i, lanes)
        v = load_lanes(velocity, i, lanes) * momentum + load_lanes(grad, i, lanes) * shrink + w * decay
        store_lanes(velocity, i, v, lanes)
        store_lanes(parameter, i, w - v * rate, lanes)


@compiled
def _sum_of_squares(mailbox, array, sums):
    share_out(mailbox, len(sums), _sum_some_squares, (memory(array), len(array), sums))


@part
def _sum_some_squares(thread, piece, numbers, size, sums):
    first, last = piece * NUMBERS, min((piece + 1) * NUMBERS, size)
    for start in range(first, last, RUN):
        squares, end = broadcast(0), min(start + RUN, last)
        for i in range(start, end, LANES):
            value = load_lanes(numbers, i, min(LANES, end - i))
            squares = squares + value * value
        sums[piece] += sum_lanes(squares)
