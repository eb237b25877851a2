"""The layers of a small network in plain NumPy and float64; assignment A5 hands them out.

`minissd.nn` has these and more of them, many times as fast.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Conv3x3:
    """A convolution with kernels of 3 x 3 and a border of one zero.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int
        With 2 the map that comes out has half the side.
    rng : numpy.random.Generator
        Draws the initial weight (He's).

    Attributes
    ----------
    params : dict of str to ndarray
        ``"weight"``, (out_channels, in_channels, 3, 3), and ``"bias"``, (out_channels,).
    grads : dict of str to ndarray
        Gradient of each parameter. `backward` overwrites it: it never adds to it.
    """

    def __init__(self, in_channels, out_channels, stride, rng):
        deviation = np.sqrt(2 / (9 * in_channels))
        weight = rng.normal(0, deviation, (out_channels, in_channels, 3, 3))
        self.stride = stride
        self.params = {"weight": weight, "bias": np.zeros(out_channels)}
        self.grads = {name: np.zeros_like(array) for name, array in self.params.items()}

    def forward(self, x):
        """Return the map of shape (N, out_channels, H', W') for one of shape (N, in_channels, H, W)."""
        self._padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        weight = self.params["weight"]
        y = np.tensordot(self._patches(), weight, axes=((1, 4, 5), (1, 2, 3)))  # (N, H', W', O)
        return y.transpose(0, 3, 1, 2) + self.params["bias"][:, None, None]

    def backward(self, dy):
        """Return the gradient for the input of the last `forward`, and fill `grads`."""
        self.grads["weight"] = np.tensordot(dy, self._patches(), axes=((0, 2, 3), (0, 2, 3)))
        self.grads["bias"] = dy.sum(axis=(0, 2, 3))
        dpadded = np.zeros_like(self._padded)
        height, width = (self.stride * side for side in dy.shape[2:])
        for i, j in np.ndindex(3, 3):
            dx = np.tensordot(dy, self.params["weight"][:, :, i, j], axes=(1, 0))  # (N, H', W', I)
            places = dpadded[:, :, i : i + height : self.stride, j : j + width : self.stride]
            places += dx.transpose(0, 3, 1, 2)
        return dpadded[:, :, 1:-1, 1:-1]

    def _patches(self):
        """What each place of the output sees, (N, in_channels, H', W', 3, 3)."""
        patches = sliding_window_view(self._padded, (3, 3), axis=(2, 3))
        return patches[:, :, :: self.stride, :: self.stride]


class ReLU:
    """What is below 0 becomes 0."""

    params, grads = {}, {}

    def forward(self, x):
        """Return the positive part of a map."""
        self._positive = x > 0
        return x * self._positive

    def backward(self, dy):
        """Return the gradient for the input of the last `forward`."""
        return dy * self._positive


class Chain:
    """Layers one after the other, in ``layers``; backwards they run from the last to the first."""

    def __init__(self, layers):
        self.layers = layers

    def forward(self, x):
        """Return the output of the last layer."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dy):
        """Return the gradient for the input of the last `forward`, and fill the layers' `grads`."""
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy
