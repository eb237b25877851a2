"""Gradient descent as one pass over memory; float32.

A step does five operations with every parameter. They cost nothing beside the way to memory and back, which
NumPy's five passes go nine times and this one once: it reads a parameter, its gradient and its velocity,
and writes two of them. All parameters are laid end to end and cut into one part per thread, so that the
threads are woken once, finish together, and no array is too small to be shared out.
"""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled
from minissd.nn.fast.reduce import sum_lanes
from minissd.nn.fast.simd import LANES, broadcast, load_lanes, memory, store_lanes
from minissd.nn.threads import in_threads, spans

FEW_NUMBERS = 1 << 15  # that are done before another thread could have been woken
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
    """Change parameters and velocities; see `minissd.nn.optimizer.descend`, the readable twin.

    Parameters
    ----------
    updates : sequence of minissd.nn.optimizer.Update
        Their three arrays must be of one shape and such that `fits` says so.
    momentum, shrink : float
    """
    flat = [[a.reshape(-1) for a in (u.parameter, u.grad, u.velocity)] for u in updates]

    def run(part):
        for number, first, last in part:
            rate, decay = updates[number].rate, updates[number].decay
            _descend(*flat[number], momentum, shrink, decay, rate, first, last)

    in_threads(run, end_to_end([arrays[0].size for arrays in flat]))


def sum_of_squares(arrays):
    """Sum of the squares of all numbers of all arrays, for each of which `fits` says so.

    Examples
    --------
    >>> sum_of_squares([np.array([3.0], np.float32), np.array([[4.0]], np.float32)])
    25.0
    """
    flat = [array.reshape(-1) for array in arrays]

    def run(part):
        return sum(_sum_of_squares(flat[number], first, last) for number, first, last in part)

    return float(sum(in_threads(run, end_to_end([array.size for array in flat]))))


def end_to_end(sizes):
    """Cut arrays of these sizes, laid end to end, into one part per thread.

    Returns
    -------
    list of list of (int, int, int)
        For each thread: which array, from which number on and up to which.

    Examples
    --------
    >>> end_to_end([3, 0, 2])  # too few for two threads
    [[(0, 0, 3), (2, 0, 2)]]
    """
    total, parts = sum(sizes), []
    for span in spans(total) if total > FEW_NUMBERS else [slice(0, total)]:
        part, start = [], 0
        for number, size in enumerate(sizes):
            first, last = max(span.start - start, 0), min(span.stop - start, size)
            if first < last:
                part.append((number, first, last))
            start += size
        parts.append(part)
    return parts


@compiled
def _descend(parameter, grad, velocity, momentum, shrink, decay, rate, first, last):
    parameter, grad, velocity = memory(parameter), memory(grad), memory(velocity)
    momentum, shrink, decay, rate = broadcast(momentum), broadcast(shrink), broadcast(decay), broadcast(rate)
    for i in range(first, last, LANES):
        lanes = min(LANES, last - i)
        w = load_lanes(parameter, i, lanes)
        v = load_lanes(velocity, i, lanes) * momentum + load_lanes(grad, i, lanes) * shrink + w * decay
        store_lanes(velocity, i, v, lanes)
        store_lanes(parameter, i, w - v * rate, lanes)


@compiled
def _sum_of_squares(array, first, last):
    numbers, total = memory(array), 0.0
    for start in range(first, last, RUN):
        squares, end = broadcast(0), min(start + RUN, last)
        for i in range(start, end, LANES):
            value = load_lanes(numbers, i, min(LANES, end - i))
            squares = squares + value * value
        total += sum_lanes(squares)
    return total
