"""`minissd.nn.l2norm_readable` as kernels, for Caffe's guard."""

from __future__ import annotations

import sys

import numpy as np

from minissd.nn.cuda.source import contiguous, int32, kernel
from minissd.nn.cuda.sums import over_runs

BLOCK = 32, 16  # threads along the places and along the channels, as in l2norm.cu


def forward(x, weight, eps):
    """Return y (N, C, H, W) and the length of the channels at every place, (N, 1, H, W)."""
    xp, (x, weight) = sys.modules["cupy"], contiguous(x, weight)
    y, norm = xp.empty_like(x), xp.empty((len(x), 1, *x.shape[2:]), np.float32)
    _start("forward", x, x, weight, np.float32(eps), y, norm)
    return y, norm


def backward(dy, x, norm, weight):
    """Return dx and dweight (C,)."""
    dy, x, weight = contiguous(dy, x, weight)
    dx = sys.modules["cupy"].empty_like(x)
    _start("backward", x, dy, x, norm, weight, dx)
    sums = over_runs(kernel(__file__, "weight_gradient"), x, 1, dy, x, norm)
    return dx, sums[0].astype(np.float32)


def _start(name, x, *arguments):
    places = x.shape[2] * x.shape[3]
    blocks = -(-places // BLOCK[0])  # of an image
    if x.size:
        sizes = *int32(x.shape[1], places), np.uint32(blocks)
        kernel(__file__, name)((len(x) * blocks,), BLOCK, (*arguments, *sizes))
