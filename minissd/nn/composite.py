"""Layers made of layers."""

from __future__ import annotations

from minissd.nn.layer import Layer
from minissd.nn.parameters import NamedArrays


class Composite(Layer):
    """A layer made of others, whose arrays it shows under their names.

    Parameters
    ----------
    layers : dict of str to Layer

    Attributes
    ----------
    layers : dict of str to Layer
    params, grads, buffers : NamedArrays
        Those of all layers, as in ``params["conv1.weight"]``.
    """

    def __init__(self, layers):
        super().__init__()
        self.layers = layers
        self.params = NamedArrays(layers, "params")
        self.grads = NamedArrays(layers, "grads")
        self.buffers = NamedArrays(layers, "buffers")

    def forget(self):
        """Drop what the last `forward` of every layer kept."""
        for layer in self.layers.values():
            layer.forget()

    def train(self, training=True):
        """Switch every layer to training or to inference; returns this one."""
        for layer in self.layers.values():
            layer.train(training)
        return super().train(training)
