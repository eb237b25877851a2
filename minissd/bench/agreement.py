"""Whether two programs computed the same: a faster way to another result is no faster way."""

from __future__ import annotations

import math

import numpy as np

from minissd.backend import to_cpu


def largest_difference(expected, found):
    """How far two results are apart where they are farthest apart.

    Parameters
    ----------
    expected, found : dict of str to array
        Results by name; NumPy's or CuPy's.

    Returns
    -------
    float
        Of numbers with a fraction: the largest difference as a part of the largest value in `expected`. Of
        whole numbers and masks, which must be equal: the largest difference itself, 1 or more. Infinite where
        names or shapes differ, or one is not finite.

    Examples
    --------
    >>> largest_difference({"y": np.array([1.0, -4.0])}, {"y": np.array([1.0, -3.0])})
    0.25
    >>> largest_difference({"labels": np.array([7, 3])}, {"labels": np.array([7, 5])})
    2.0
    """
    if expected.keys() != found.keys():
        return math.inf
    pairs = [[np.asarray(to_cpu(results[name])) for results in (expected, found)] for name in expected]
    return max((_difference(*pair) for pair in pairs), default=0.0)


def _difference(expected, found):
    if expected.shape != found.shape:
        return math.inf
    if expected.size == 0:
        return 0.0
    difference = float(np.abs(expected.astype(np.float64) - found).max())
    if "f" in (expected.dtype.kind, found.dtype.kind):
        largest = float(np.abs(expected).max())
        difference = difference / largest if largest else difference
    return difference if math.isfinite(difference) else math.inf
