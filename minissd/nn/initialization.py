"""Initial weights. Each function takes a shape (O, I, K, K) and a random generator, and returns float32."""

from __future__ import annotations

import math

import numpy as np


def caffe_xavier(shape, rng):
    r"""Caffe's "xavier", with which SSD's new layers start: uniform within :math:`\pm\sqrt{3/\text{fan-in}}`.

    The variance is 1 / fan-in. (What other libraries call Xavier is `glorot_uniform`.)

    Parameters
    ----------
    shape : tuple of int
        (O, I, K, K); the fan-in is I K K.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32
    """
    bound = math.sqrt(3 / _fan_in(shape))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def glorot_uniform(shape, rng):
    r"""Uniform within :math:`\pm\sqrt{6/(\text{fan-in} + \text{fan-out})}` (Glorot and Bengio)."""
    bound = math.sqrt(6 / (_fan_in(shape) + shape[0] * math.prod(shape[2:])))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def he_normal(shape, rng):
    r"""Normal with standard deviation :math:`\sqrt{2/\text{fan-in}}` (He et al.), before a ReLU."""
    return (rng.standard_normal(shape) * math.sqrt(2 / _fan_in(shape))).astype(np.float32)


def _fan_in(shape):
    return math.prod(shape[1:])


class Undrawn:
    """Stands for a random generator where weights will be loaded: nothing is drawn, no memory is filled."""


UNDRAWN = Undrawn()


def initial_weights(init, shape, rng):
    """Draw weights by the rule of this name; zeros if `rng` is `UNDRAWN`.

    Parameters
    ----------
    init : str
        A key of `INITIALIZERS`.
    shape : tuple of int
        (O, I, K, K).
    rng : numpy.random.Generator or UNDRAWN

    Returns
    -------
    ndarray of float32
        Zeros cost no time and, until something is written to them, no memory.
    """
    if rng is UNDRAWN:
        return np.zeros(shape, np.float32)
    return INITIALIZERS[init](shape, rng)


INITIALIZERS = {"he": he_normal, "xavier": caffe_xavier, "glorot": glorot_uniform}
