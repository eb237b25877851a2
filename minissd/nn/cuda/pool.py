"""`minissd.nn.pool_readable` as kernels."""

from __future__ import annotations

import sys

import numpy as np

from minissd.nn.cuda.source import contiguous, int32, kernel, start_maps


def pool(x, y_shape, kernel_size, stride, padding):
    """Return the largest value of every window and its place in the window, row by row (uint8)."""
    xp, (x,) = sys.modules["cupy"], contiguous(x)
    y, winner = xp.empty(y_shape, np.float32), xp.empty(y_shape, np.uint8)
    function = _kernel("pool", kernel_size, stride, padding)
    start_maps(function, y, x, y, winner, *int32(*x.shape[2:], *y_shape[2:]))
    return y, winner


def unpool(dy, winner, x_shape, kernel_size, stride, padding):
    """The gradient of `pool`."""
    (dy,) = contiguous(dy)
    dx = sys.modules["cupy"].empty(x_shape, np.float32)
    down, across = (-(-(side + padding) // stride) for side in x_shape[2:])  # squares that a thread does
    sizes = int32(*x_shape[2:], *dy.shape[2:], across)
    function = _kernel("unpool", kernel_size, stride, padding)
    start_maps(function, dx, dy, winner, dx, *sizes, pieces=down * across)
    return dx


def _kernel(name, kernel_size, stride, padding):
    return kernel(__file__, name, KERNEL=kernel_size, STRIDE=stride, PADDING=padding)
