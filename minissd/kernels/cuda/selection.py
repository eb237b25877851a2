"""The twins of selection.cuh in NumPy: the best of many numbers, without sorting them."""

from __future__ import annotations

import numpy as np

NO_KEY = 2**64 - 1
DIGIT_BITS = 8
DIGITS = 1 << DIGIT_BITS


def keys_of(values):
    """Whole numbers that are smaller for larger values, and of equal values for the first; NaN comes last.

    Parameters
    ----------
    values : ndarray of float32, (P,)

    Returns
    -------
    ndarray of uint64, (P,)
        No two are equal. The lower 32 bits are the place.

    Examples
    --------
    >>> keys = keys_of(np.array([2, 7, np.nan, 2], np.float32))
    >>> keys.argsort()
    array([1, 0, 3, 2])
    """
    bits = (values + np.float32(0)).view(np.uint32)  # -0 + 0 is 0
    rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    falling = np.where(np.isnan(values), np.uint32(2**32 - 1), ~rising).astype(np.uint64)
    return falling << np.uint64(32) | np.arange(len(values), dtype=np.uint64)


def bound_of_best(keys, wanted):
    """A number with `wanted` of the keys below it, or with all if there are no more.

    Parameters
    ----------
    keys : ndarray of uint64, (P,)
        No two are equal.
    wanted : int

    Returns
    -------
    int

    Examples
    --------
    >>> keys = np.array([7, 300, 2, 9], np.uint64)
    >>> int((keys < bound_of_best(keys, 3)).sum())
    3
    """
    if wanted == 0:
        return 0
    if len(keys) <= wanted:
        return NO_KEY
    group = 0  # what its keys begin with
    for shift in range(64 - DIGIT_BITS, -1, -DIGIT_BITS):
        shifted = keys >> np.uint64(shift)
        inside = shifted >> np.uint64(DIGIT_BITS) == group
        sums = np.bincount((shifted[inside] % np.uint64(DIGITS)).astype(np.int64), minlength=DIGITS).cumsum()
        chosen = int(np.searchsorted(sums, wanted))
        group = group << DIGIT_BITS | chosen
        if sums[chosen] == wanted:
            return (group + 1) << shift
        wanted -= int(sums[chosen - 1]) if chosen else 0
    raise AssertionError("two keys are equal")
