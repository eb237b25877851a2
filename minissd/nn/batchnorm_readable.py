"""The sums and products of batch normalisation, to read; they work on any array module.

`minissd.nn.batchnorm_numba` has the same functions, compiled.
"""

from __future__ import annotations

import numpy as np


def moments(x):
    """Mean and biased variance of every channel of (N, C, H, W); float64, (C,) each."""
    return x.mean(axis=(0, 2, 3), dtype=np.float64), x.var(axis=(0, 2, 3), dtype=np.float64)


def scale_shift(x, scale, shift):
    """``scale * x + shift``, channel by channel."""
    return x * _per_channel(scale, x) + _per_channel(shift, x)


def gradient_sums(dy, x, mean):
    """Sums over every channel of ``dy`` and of ``dy * (x - mean)``; float64, (C,) each."""
    centered = x.astype(np.float64) - mean[:, None, None]
    return dy.sum(axis=(0, 2, 3), dtype=np.float64), (dy * centered).sum(axis=(0, 2, 3))


def combine(dy, x, dy_factor, x_factor, shift):
    """``dy_factor * dy + x_factor * x + shift``, channel by channel."""
    return dy * _per_channel(dy_factor, x) + x * _per_channel(x_factor, x) + _per_channel(shift, x)


def _per_channel(values, x):
    return values.astype(x.dtype)[:, None, None]
