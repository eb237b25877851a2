"""Convolution, batch normalisation and ReLU as one layer with one name."""

from __future__ import annotations

from minissd.backend import get_array_module
from minissd.nn.convolution import Conv2d
from minissd.nn.layer import Layer
from minissd.nn.normalization import BatchNorm2d
from minissd.nn.parameters import NamedArrays


class ConvBlock(Layer):
    """A convolution, batch normalisation if asked for, and ReLU.

    Its output is the map after the ReLU, as under the name of a convolution in Caffe, whose ReLU works in
    place; here too the ReLU reuses the memory of the map before it.

    Parameters
    ----------
    in_channels, out_channels, kernel_size : int
        See `Conv2d`.
    batch_norm : bool
        Whether to normalise; the convolution then has no bias, because the normalisation has one.
    **convolution
        ``stride``, ``padding``, ``dilation``, ``algorithm``, ``rng`` and ``init`` of `Conv2d`.

    Attributes
    ----------
    conv : Conv2d
    norm : BatchNorm2d or None
    params : dict
        ``"weight"`` and ``"bias"`` of the convolution; with batch normalisation ``"weight"``,
        ``"norm.weight"`` and ``"norm.bias"``.
    """

    def __init__(self, in_channels, out_channels, kernel_size, *, batch_norm=False, **convolution):
        super().__init__()
        self.conv = Conv2d(in_channels, out_channels, kernel_size, bias=not batch_norm, **convolution)
        self.norm = BatchNorm2d(out_channels) if batch_norm else None
        self.layers = {"": self.conv, "norm": self.norm} if batch_norm else {"": self.conv}
        self.params = NamedArrays(self.layers, "params")
        self.grads = NamedArrays(self.layers, "grads")
        self.buffers = NamedArrays(self.layers, "buffers")

    @property
    def needs_input_gradient(self):
        """See `Conv2d`."""
        return self.conv.needs_input_gradient

    @needs_input_gradient.setter
    def needs_input_gradient(self, needed):
        self.conv.needs_input_gradient = needed

    def forward(self, x):
        """Return the map after the ReLU."""
        y = self.conv.forward(x)
        if self.norm:
            y = self.norm.forward(y)
        y = get_array_module(y).maximum(y, 0, out=y)  # nobody else holds y
        self._save(y)
        return y

    def backward(self, dy):
        """Return dx and fill ``grads``."""
        (y,) = self._recall()
        self._check_upstream(dy, y.shape)
        dy = dy * (y > 0)
        if self.norm:
            dy = self.norm.backward(dy)
        return self.conv.backward(dy)

    def train(self, training=True):
        """Switch all parts to training or to inference; returns the layer."""
        for layer in self.layers.values():
            layer.train(training)
        return super().train(training)
