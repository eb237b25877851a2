"""Gradient descent to read; it works on any array module.

`minissd.nn.fast.update` has the same functions for NumPy's float32, compiled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Update(NamedTuple):
    """What changes one parameter in one step: its gradient and velocity, and the two rates."""

    parameter: np.ndarray
    grad: np.ndarray
    velocity: np.ndarray
    rate: float
    decay: float


def descend(updates, momentum, shrink):
    """Change parameters and velocities, in place, as `minissd.nn.SGD` says.

    Parameters
    ----------
    updates : sequence of Update
    momentum : float
        mu.
    shrink : float
        What to multiply all gradients with.

    Examples
    --------
    >>> update = Update(np.array([20.0]), np.array([10.0]), np.array([0.0]), rate=0.1, decay=0.0)
    >>> descend([update], momentum=0.9, shrink=1.0)
    >>> update.parameter, update.velocity
    (array([19.]), array([10.]))
    """
    for parameter, grad, velocity, rate, decay in updates:
        velocity *= momentum
        velocity += grad * shrink
        velocity += parameter * decay
        parameter -= velocity * rate


def sum_of_squares(arrays):
    """Sum of the squares of all numbers of all arrays.

    Examples
    --------
    >>> float(sum_of_squares([np.array([3.0]), np.array([[4.0]])]))
    25.0
    """
    return sum((array * array).sum(dtype=np.float64) for array in arrays)
