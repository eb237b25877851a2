"""What every layer is: forward, backward, and named parameters with their gradients."""

from __future__ import annotations

import numpy as np

from minissd.backend import CPU, device_of, to_device
from minissd.errors import InputError


class Layer:
    """One step of a network, with its backward pass written by hand.

    A layer is used as ``y = layer.forward(x)`` and then ``dx = layer.backward(dy)``. `forward` keeps what
    `backward` needs until the next `forward` or `eval`; a layer that is not in training mode keeps
    nothing. `backward` overwrites `grads`: it never adds to them.

    Attributes
    ----------
    params : dict of str to array
        What is learned. An entry may be replaced or written into.
    grads : dict of str to array
        Gradient of the loss for each entry of `params`, filled by `backward`.
    buffers : dict of str to array
        State that is stored with the parameters but not learned (running statistics).
    training : bool
        Whether a backward pass may follow. True for a new layer; see `train` and `eval`.
    """

    def __init__(self):
        self.params: dict[str, np.ndarray] = {}
        self.grads: dict[str, np.ndarray] = {}
        self.buffers: dict[str, np.ndarray] = {}
        self.training = True
        self._saved = None

    def forward(self, x):
        """Return the output for `x` and, in training mode, save what `backward` needs."""
        raise NotImplementedError

    def backward(self, dy):
        """Return dx, the gradient for the input of the last `forward`, and fill `grads`."""
        raise NotImplementedError

    def train(self, training: bool = True):
        """Switch training mode on or off and forget what the last `forward` saved; returns the layer."""
        self.training = training
        self._saved = None
        return self

    def eval(self):
        """Switch to inference: nothing is saved for a backward pass; returns the layer."""
        return self.train(False)

    def astype(self, dtype):
        """Convert parameters and buffers to `dtype` (float64 for gradient checks); returns the layer."""
        for store in (self.params, self.buffers):
            for name, array in store.items():
                store[name] = array.astype(dtype)
        return self

    def to(self, device):
        """Send all arrays to a device, ``"cpu"``, ``"cuda"`` or ``"cuda:1"``; returns the layer.

        From then on the layer takes inputs that lie there, and computes there. An optimiser must be made
        after this, because it follows the parameters that it was made for.
        """
        for store in (self.params, self.grads, self.buffers):
            for name, array in store.items():
                store[name] = to_device(array, device)
        self.forget()
        return self

    @property
    def device(self):
        """Where the parameters are; "cpu" for a layer without any, which computes wherever its input is."""
        return next(map(device_of, self.params.values()), CPU)

    def forget(self):
        """Drop what the last `forward` kept; a backward pass then needs another forward pass."""
        self._saved = None

    def _save(self, *values):
        """Keep `values` for the backward pass, in training mode only."""
        self._saved = values if self.training else None

    def _recall(self):
        """Return what the last `forward` saved."""
        if self._saved is None:
            raise RuntimeError(
                f"{type(self).__name__}.backward needs a forward pass in training mode before it"
            )
        return self._saved

    def _check_input(self, x, channels=None):
        """Refuse what is no batch of maps; compiled code would read beyond the end of its arrays."""
        name = type(self).__name__
        if x.ndim != 4 or channels not in (None, x.shape[1]):
            expected = "C" if channels is None else channels
            raise InputError(f"{name}: input of shape {x.shape}, expected (N, {expected}, H, W)")
        if x.dtype.name not in ("float32", "float64"):
            raise InputError(f"{name}: input of dtype {x.dtype} (convert it: x.astype(np.float32))")

    def _check_upstream(self, dy, shape):
        """Refuse an upstream gradient of another shape than the output has."""
        if dy.shape != tuple(shape):
            name = type(self).__name__
            raise InputError(f"{name}.backward: dy of shape {dy.shape}, expected the output's, {shape}")
