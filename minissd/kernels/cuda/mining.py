"""The largest values of every row, without sorting; mining.cu shows how."""

from __future__ import annotations

import numpy as np

from minissd.backend import get_array_module
from minissd.nn.cuda.source import kernel
from minissd.nn.twins import is_cuda_float32

THREADS = 1024  # of the block that looks through a row


def fits(values):
    """Whether this module is made for these values."""
    return is_cuda_float32(values)


def largest(values, candidates, counts):
    """Mark the largest candidates of every row; see `minissd.mining.largest`, the readable twin.

    Parameters
    ----------
    values : ndarray of float32, (N, P)
    candidates : ndarray of bool, (N, P)
    counts : ndarray of int64, (N,)
        How many to mark in each row; all candidates if there are no more.

    Returns
    -------
    ndarray of bool, (N, P)
    """
    xp = get_array_module(values)
    values, candidates, counts = (xp.ascontiguousarray(array) for array in (values, candidates, counts))
    marked = xp.zeros(values.shape, bool)
    if marked.size:
        arguments = values, candidates, counts, marked, np.int64(values.shape[1])
        kernel(__file__, "largest")((len(values),), (THREADS,), arguments)
    return marked
