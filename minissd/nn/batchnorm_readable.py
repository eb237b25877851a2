"""The sums and products of batch normalisation, to read; they work on any array module.

`minissd.nn.fast.batchnorm` has the same functions, compiled.
"""

from __future__ import annotations

import numpy as np


def moments(x):
    """Mean and biased variance of every channel of (N, C, H, W); float64, (C,) each."""
    return x.mean(axis=(0, 2, 3), dtype=np.float64), x.var(axis=(0, 2, 3), dtype=np.float64)


def scale_shift(x, scale, shift, relu=False):
    """``scale * x + shift``, channel by channel; with `relu`, clipped at 0."""
    y = x * _per_channel(scale, x) + _per_channel(shift, x)
    return y.clip(0) if relu else y


def gradient_sums(dy, x, mean, relu=None):
    """Sums over every channel of ``dy`` and of ``dy * (x - mean)``; float64, (C,) each.

    With ``relu = (scale, shift)``, `dy` counts where ``scale * x + shift`` is positive.
    """
    dy = relu_gradient(dy, x, relu)
    centered = x.astype(np.float64) - mean[:, None, None]
    return dy.sum(axis=(0, 2, 3), dtype=np.float64), (dy * centered).sum(axis=(0, 2, 3))


def combine(dy, x, dy_factor, x_factor, shift, relu=None):
    """``dy_factor * dy + x_factor * x + shift``, channel by channel; `relu` as in `gradient_sums`."""
    dy = relu_gradient(dy, x, relu)
    return dy * _per_channel(dy_factor, x) + x * _per_channel(x_factor, x) + _per_channel(shift, x)


def relu_gradient(dy, x, relu):
    """`dy` where the ReLU behind the normalisation lets it through; all of it where there is none."""
    return dy if relu is None else dy * (scale_shift(x, *relu) > 0)


def _per_channel(values, x):
    return values.astype(x.dtype)[:, None, None]
