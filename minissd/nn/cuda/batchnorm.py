"""`minissd.nn.batchnorm_readable` as kernels."""

from __future__ import annotations

import sys

import numpy as np

from minissd.nn.cuda.source import contiguous, int32, kernel, start_maps
from minissd.nn.cuda.sums import over_runs


def moments(x):
    """Mean and biased variance of every channel of (N, C, H, W); float64, (C,) each."""
    (x,) = contiguous(x)
    sums = over_runs(kernel(__file__, "moments"), x, 2, x)
    mean, mean_square = sums / (x.size // x.shape[1])
    return mean, (mean_square - mean * mean).clip(0)  # float64: what cancels was exact


def scale_shift(x, scale, shift, relu=False):
    """``scale * x + shift``, channel by channel; with `relu`, clipped at 0."""
    x, scale, shift = contiguous(x, scale, shift)
    y = sys.modules["cupy"].empty_like(x)
    low = np.float32(0 if relu else -np.inf)
    start_maps(kernel(__file__, "scale_shift"), x, x, scale, shift, low, y, *_sizes(x))
    return y


def gradient_sums(dy, x, mean, relu=None):
    """Sums over every channel of ``dy`` and of ``dy * (x - mean)``; float64, (C,) each.

    With ``relu = (scale, shift)``, `dy` counts where ``scale * x + shift`` is positive.
    """
    dy, x = contiguous(dy, x)
    mean = mean.astype(np.float64, copy=False)
    sum_dy, sum_dy_x = over_runs(kernel(__file__, "gradient_sums"), x, 2, dy, x, mean, *_affine(relu, x))
    return sum_dy, sum_dy_x


def combine(dy, x, dy_factor, x_factor, shift, relu=None):
    """``dy_factor * dy + x_factor * x + shift``, channel by channel; `relu` as in `gradient_sums`."""
    dy, x, *factors = contiguous(dy, x, dy_factor, x_factor, shift)
    dx = sys.modules["cupy"].empty_like(x)
    start_maps(kernel(__file__, "combine"), x, dy, x, *factors, *_affine(relu, x), dx, *_sizes(x))
    return dx


def _affine(relu, unused):
    """Whether there is a ReLU, and its scale and shift, or an array in their place that is not read."""
    return np.int32(relu is not None), *(contiguous(*relu) if relu else (unused, unused))


def _sizes(x):
    return int32(x.shape[1], x.shape[2] * x.shape[3])
