"""The rectified linear unit."""

from __future__ import annotations

from minissd.backend import get_array_module
from minissd.nn.layer import Layer


class ReLU(Layer):
    """``max(x, 0)``, element by element; its gradient at 0 is 0.

    Examples
    --------
    >>> relu = ReLU()
    >>> relu.forward(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    >>> relu.backward(np.array([5.0, 5.0, 5.0]))
    array([0., 0., 5.])
    """

    def forward(self, x):
        """Return ``max(x, 0)``."""
        y = get_array_module(x).maximum(x, 0)
        self._save(y)
        return y

    def backward(self, dy):
        """Return `dy` where the output was positive, 0 elsewhere."""
        (y,) = self._recall()
        self._check_upstream(dy, y.shape)
        return dy * (y > 0)
