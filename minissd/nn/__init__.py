"""The engine: layers with hand-written backward passes, and the optimiser.

Layers are objects with `forward`, `backward`, `params` and `grads` (see `Layer`). There is no tape: a network
calls the layers in order, and backwards in reverse.
"""

from minissd.nn.activation import ReLU
from minissd.nn.block import ConvBlock
from minissd.nn.convolution import ALGORITHMS, Conv2d, register_algorithm
from minissd.nn.gradient_check import GradientCheckError, check_gradient, check_layer, numerical_gradient
from minissd.nn.layer import Layer
from minissd.nn.normalization import BatchNorm2d, L2Norm
from minissd.nn.optimizer import SGD, clip_gradients
from minissd.nn.parameters import NamedArrays
from minissd.nn.pooling import MaxPool2d
from minissd.nn.sequential import Sequential

__all__ = [
    "ALGORITHMS",
    "SGD",
    "BatchNorm2d",
    "Conv2d",
    "ConvBlock",
    "GradientCheckError",
    "L2Norm",
    "Layer",
    "MaxPool2d",
    "NamedArrays",
    "ReLU",
    "Sequential",
    "check_gradient",
    "check_layer",
    "clip_gradients",
    "numerical_gradient",
    "register_algorithm",
]
