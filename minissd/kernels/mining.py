"""The largest values of every row, without sorting.

Sorting 8732 losses to keep sixty of them does far too much. What separates the chosen from the others is one
number: the k-th largest value. It is found bit by bit. Written as whole numbers, floats keep their order, so
bisection between the smallest and the largest of them ends after 32 (float64: 64) questions of the kind "how
many values lie above this one?". A question is one branchless pass over a row that stays in the innermost
cache, sixteen comparisons at a time, and often far fewer than 32 are asked: any threshold with exactly k
values above it will do.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from minissd.compilation import compiled, inlined, part
from minissd.nn.fast.team import share_out, team_for

FEW_VALUES = 1 << 15  # that are searched before another thread could have been woken
COUNTABLE = 1 << 24


def fits(values):
    """Whether this module is made for these values; float32 counts to 2**24 without rounding."""
    return (
        isinstance(values, np.ndarray)
        and values.dtype in (np.float32, np.float64)
        and values.shape[1] < COUNTABLE
    )


def largest(values, candidates, counts):
    """Mark the largest candidates of every row; see `minissd.mining.largest`, the readable twin.

    Parameters
    ----------
    values : ndarray of float32 or float64, (N, P)
    candidates : ndarray of bool, (N, P)
    counts : sequence or ndarray of int, (N,)
        How many to mark in each row; all candidates if there are no more.

    Returns
    -------
    ndarray of bool, (N, P)
    """
    values = np.require(values, requirements="CAW")  # for read-only arrays Numba would compile again
    candidates, counts = np.require(candidates, bool, "CW"), np.array(counts, np.int64)
    marked = np.zeros(values.shape, bool)
    team = team_for(values.size, FEW_VALUES)
    rows = np.empty((team.size, values.shape[1]), values.dtype)  # what each thread works with
    thresholds = np.empty((team.size, 16), values.dtype)  # a cache line for each; the first counts
    bits = thresholds.view(np.int32 if values.dtype == np.float32 else np.int64)  # the same memory
    _largest_of_rows(team.mailbox, values, candidates, counts, rows, thresholds, bits, marked)
    return marked


@compiled
def _largest_of_rows(mailbox, values, candidates, counts, rows, thresholds, bits, marked):
    share_out(
        mailbox, len(values), _largest_of_row, (values, candidates, counts, rows, thresholds, bits, marked)
    )


@part
def _largest_of_row(thread, n, values, candidates, counts, rows, thresholds, bits, marked):
    """Mark the candidates of one row."""
    if counts[n] > 0:
        row, threshold, own_bits = rows[thread], thresholds[thread], bits[thread]
        _largest(values[n], candidates[n], counts[n], row, threshold, own_bits, marked[n])


@part
def _largest(values, candidates, count, row, threshold, bits, marked):
    """Mark `count` candidates; the next three arguments are memory to work in."""
    for i in range(len(row)):
        row[i] = values[i] if candidates[i] else np.nan  # above nothing, and nothing is above it
    above = _find_threshold(row, count, threshold, bits)
    limit = threshold[0]
    for i in range(len(row)):
        marked[i] = row[i] > limit
    missing = count - above
    for i in range(len(row)):  # among equals the first
        if missing == 0:
            return
        if row[i] == limit:
            marked[i] = True
            missing -= 1
    for i in range(len(row)):  # as a sort does, NaN comes last
        if missing == 0:
            return
        if candidates[i] and np.isnan(values[i]):
            marked[i] = True
            missing -= 1


@part
def _find_threshold(row, count, threshold, bits):
    """Set a threshold that has `count` values above it, or the `count`-th largest value.

    Returns how many values are above it.
    """
    flip = np.int64(np.iinfo(bits.dtype).max)
    threshold[0] = -np.inf
    low = _ordered(bits[0], flip)
    threshold[0] = np.inf
    high, above = _ordered(bits[0], flip), 0  # nothing is above infinity
    while low < high:
        middle = (low >> 1) + (high >> 1) + (low & high & 1)  # low + high might overflow
        bits[0] = _ordered(middle, flip)
        more = _count_above(row, threshold[0])
        if more == count:
            return more
        if more < count:
            high, above = middle, more
        else:
            low = middle + 1
    bits[0] = _ordered(high, flip)
    return above


@inlined
def _ordered(bits, flip):
    """The bits of a float as a whole number that is ordered as the floats are; its own inverse.

    Both have their sign in the highest bit, but the other bits of a negative float grow away from 0; `flip`,
    all bits but the highest, turns them round.
    """
    return bits ^ ((np.int64(bits) >> 63) & flip)


@njit(nogil=True, fastmath={"reassoc"})
def _count_above(row, threshold):
    """Count as floats: a comparison of floats then yields counters of just its own width."""
    one, zero = row.dtype.type(1), row.dtype.type(0)
    above = zero
    for i in range(len(row)):
        above += one if row[i] > threshold else zero
    return np.int64(above)
