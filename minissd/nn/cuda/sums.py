"""The gradients of a ReLU and of a bias."""

from __future__ import annotations

import math
import sys

import numpy as np

from minissd.nn.cuda.source import THREADS, contiguous, int32, kernel

RUN = 1 << 13  # places of a map that a block goes through


def relu_gradient(dy, y):
    """`dy` where y is positive, 0 elsewhere, (N, C, H, W); and its `channel_sums`, in the same pass."""
    dy, y = contiguous(dy, y)
    dx = sys.modules["cupy"].empty_like(dy)
    return dx, over_runs(kernel(__file__, "relu_gradient"), dy, 1, dy, y, dx)[0].astype(np.float32)


def channel_sums(dy):
    """Sum of (N, C, H, W) over all but the channels: the gradient of a bias."""
    (dy,) = contiguous(dy)
    return over_runs(kernel(__file__, "bias_gradient"), dy, 1, dy)[0].astype(np.float32)


def over_runs(function, x, results, *arguments):
    """Start a kernel with a block for every run of places of every map, and add up what the blocks find.

    Parameters
    ----------
    function : callable
        The kernel; it takes `arguments`, the sums (results, N, C, runs) to be filled, and three sizes.
    x : array, (N, C, H, W)
    results : int
        How many sums a block finds.

    Returns
    -------
    array of float64, (results, C)
    """
    places = x.shape[2] * x.shape[3]
    runs = math.ceil(places / RUN)
    sums = sys.modules["cupy"].empty((results, *x.shape[:2], runs))
    if sums.size:
        sizes = int32(x.shape[1], places, runs)
        function((sums.size // results,), (THREADS,), (*arguments, sums, *sizes))
    return sums.sum(axis=(1, 3))
