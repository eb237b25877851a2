"""`minissd.nn.pool_readable`, compiled: one pass over memory, maps shared out to the threads."""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled
from minissd.nn.threads import in_threads, spans


def pool(x, y_shape, kernel, stride, padding):
    """Return the largest value of every window and its place in the window, row by row (uint8)."""
    y, winner = np.empty(y_shape, x.dtype), np.empty(y_shape, np.uint8)
    maps = [_maps(a) for a in (np.ascontiguousarray(x), y, winner)]
    in_threads(lambda span: _pool(*(m[span] for m in maps), kernel, stride, padding), spans(len(maps[0])))
    return y, winner


def unpool(dy, winner, x_shape, kernel, stride, padding):
    """The gradient of `pool`."""
    dx = np.zeros(x_shape, dy.dtype)
    maps = [_maps(a) for a in (np.ascontiguousarray(dy), winner, dx)]
    in_threads(lambda span: _unpool(*(m[span] for m in maps), kernel, stride, padding), spans(len(maps[0])))
    return dx


def _maps(x):
    """(N, C, H, W) as (N*C, H, W)."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


@compiled
def _pool(x, y, winner, kernel, stride, padding):
    height, width = x.shape[1:]
    for m in range(len(x)):
        for row in range(y.shape[1]):
            for column in range(y.shape[2]):
                top, left = row * stride - padding, column * stride - padding
                best, place = -np.inf, max(0, -top) * kernel + max(0, -left)  # the first place on the map
                for i in range(max(0, -top), min(kernel, height - top)):
                    for j in range(max(0, -left), min(kernel, width - left)):
                        value = x[m, top + i, left + j]
                        if value > best:
                            best, place = value, i * kernel + j
                y[m, row, column] = best
                winner[m, row, column] = place


@compiled
def _unpool(dy, winner, dx, kernel, stride, padding):
    for m in range(len(dy)):
        for row in range(dy.shape[1]):
            for column in range(dy.shape[2]):
                place = winner[m, row, column]
                i, j = place // kernel, place % kernel
                dx[m, row * stride - padding + i, column * stride - padding + j] += dy[m, row, column]
