"""Layers one after the other."""

from __future__ import annotations

from minissd.errors import InputError
from minissd.nn.block import ConvBlock
from minissd.nn.composite import Composite
from minissd.nn.pooling import MaxPool2d


class Sequential(Composite):
    """A chain of layers; its backward pass is the chain rule, from the last layer to the first.

    Parameters
    ----------
    layers : sequence of Layer, or of (str, Layer)
        Layers without a name are named "0", "1"...

    Attributes
    ----------
    layers : dict of str to Layer
    params, grads, buffers : NamedArrays
        Those of all layers, as in ``params["conv1.weight"]``.
    """

    def __init__(self, layers):
        pairs = [pair if isinstance(pair, tuple) else (str(i), pair) for i, pair in enumerate(layers)]
        super().__init__(dict(pairs))
        if len(self.layers) != len(pairs):
            raise InputError(f"two layers have the same name: {[name for name, _ in pairs]}")
        for name in self.layers:
            if "." in name or not name:
                raise InputError(
                    f"layer name {name!r} (choose one without a dot: params are named layer.array)"
                )

    def forward(self, x, trace=None):
        """Run all layers; `trace`, a dictionary, receives the output of each by name.

        At inference without a trace, convolution and pooling are one pass.
        """
        if trace is None and not self.training:
            return self._infer(x)
        for name, layer in self.layers.items():
            x = layer.forward(x)
            if trace is not None:
                trace[name] = x
        return x

    def _infer(self, x):
        layers = list(self.layers.values())
        while layers:
            layer = layers.pop(0)
            if type(layer) is ConvBlock and layers and type(layers[0]) is MaxPool2d:
                x = layer.infer(x, pool=layers.pop(0))
            else:
                x = layer.forward(x)
        return x

    def backward(self, dy, forget=False):
        """Run all layers backwards and return the gradient for the input of the first.

        With `forget`, every layer then drops what it kept from `forward`, so that the memory serves the
        layers before it.
        """
        for layer in reversed(self.layers.values()):
            dy = layer.backward(dy)
            if forget:
                layer.forget()
        return dy
