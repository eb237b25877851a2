"""`minissd.nn.batchnorm_readable`, compiled: one pass over memory each, channels shared out to the threads.

Sums run in the array's own precision over short runs, which the processor adds many at a time, and in
float64 from run to run: rounding does not grow with the size of the map, only with that of a run.
"""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled
from minissd.nn.threads import in_threads, spans

RUN = 128  # values that are added up in the array's own precision

ADD_IN_ANY_ORDER = {"reassoc", "contract"}  # so that the compiler may add many at a time


def moments(x):
    """Mean and biased variance of every channel of (N, C, H, W); float64, (C,) each."""
    x = _flat(x)
    mean, variance = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    in_threads(lambda span: _moments(x, mean, variance, span.start, span.stop), spans(x.shape[1]))
    return mean, variance


def scale_shift(x, scale, shift):
    """``scale * x + shift``, channel by channel."""
    y = np.empty(x.shape, x.dtype)
    scale, shift = scale.astype(x.dtype), shift.astype(x.dtype)
    in_threads(lambda span: _scale_shift(_flat(x)[span], scale, shift, _flat(y)[span]), spans(len(x)))
    return y


def gradient_sums(dy, x, mean):
    """Sums over every channel of ``dy`` and of ``dy * (x - mean)``; float64, (C,) each."""
    dy, x = _flat(dy), _flat(x)
    sum_dy, sum_dy_x = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    in_threads(
        lambda span: _gradient_sums(dy, x, mean, sum_dy, sum_dy_x, span.start, span.stop), spans(x.shape[1])
    )
    return sum_dy, sum_dy_x


def combine(dy, x, dy_factor, x_factor, shift):
    """``dy_factor * dy + x_factor * x + shift``, channel by channel."""
    dx = np.empty(x.shape, x.dtype)
    factors = [factor.astype(x.dtype) for factor in (dy_factor, x_factor, shift)]
    in_threads(
        lambda span: _combine(_flat(dy)[span], _flat(x)[span], *factors, _flat(dx)[span]), spans(len(x))
    )
    return dx


def _flat(x):
    """(N, C, H, W) as (N, C, H*W)."""
    return np.ascontiguousarray(x).reshape(*x.shape[:2], x.shape[2] * x.shape[3])


@compiled(fastmath=ADD_IN_ANY_ORDER)
def _moments(x, mean, variance, first, last):
    count = x.shape[0] * x.shape[2]
    for c in range(first, last):
        total = 0.0
        for n in range(x.shape[0]):
            for start in range(0, x.shape[2], RUN):
                part = x.dtype.type(0)
                for value in x[n, c, start : start + RUN]:
                    part += value
                total += part
        mean[c] = total / count
        center = x.dtype.type(mean[c])
        squares = 0.0
        for n in range(x.shape[0]):
            for start in range(0, x.shape[2], RUN):
                part = x.dtype.type(0)
                for value in x[n, c, start : start + RUN]:
                    part += (value - center) * (value - center)
                squares += part
        variance[c] = squares / count - (mean[c] - center) ** 2


@compiled(fastmath=ADD_IN_ANY_ORDER)
def _gradient_sums(dy, x, mean, sum_dy, sum_dy_x, first, last):
    for c in range(first, last):
        center = x.dtype.type(mean[c])
        for n in range(x.shape[0]):
            for start in range(0, x.shape[2], RUN):
                part, part_x = x.dtype.type(0), x.dtype.type(0)
                for i in range(start, min(start + RUN, x.shape[2])):
                    part += dy[n, c, i]
                    part_x += dy[n, c, i] * (x[n, c, i] - center)
                sum_dy[c] += part
                sum_dy_x[c] += part_x
        sum_dy_x[c] -= sum_dy[c] * (mean[c] - center)


@compiled(fastmath=ADD_IN_ANY_ORDER)
def _scale_shift(x, scale, shift, y):
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(x.shape[2]):
                y[n, c, i] = x[n, c, i] * scale[c] + shift[c]


@compiled(fastmath=ADD_IN_ANY_ORDER)
def _combine(dy, x, dy_factor, x_factor, shift, dx):
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(x.shape[2]):
                dx[n, c, i] = dy_factor[c] * dy[n, c, i] + x_factor[c] * x[n, c, i] + shift[c]
