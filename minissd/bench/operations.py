"""How much work a convolution is, by its shapes alone: the operations of the direct method."""

from __future__ import annotations

import math
from dataclasses import dataclass

from minissd.nn import ConvBlock
from minissd.nn.conv_shape import output_side


@dataclass(frozen=True)
class Convolution:
    """The shapes of one convolution of a network.

    Attributes
    ----------
    name : str
    x_shape : tuple of int
        (N, I, H, W).
    weight_shape : tuple of int
        (O, I, K, K).
    geometry : tuple of int
        Stride, padding, dilation.
    bias : bool
    """

    name: str
    x_shape: tuple[int, int, int, int]
    weight_shape: tuple[int, int, int, int]
    geometry: tuple[int, int, int]
    bias: bool

    @property
    def y_shape(self):
        """(N, O, H', W')."""
        kernel = self.weight_shape[2]
        sides = (output_side(side, kernel, *self.geometry) for side in self.x_shape[2:])
        return (self.x_shape[0], self.weight_shape[0], *sides)

    @property
    def operations(self):
        """Multiplications and additions of the seven loops; each of the two gradients takes as many.

        Examples
        --------
        >>> Convolution("", (1, 3, 4, 4), (5, 3, 3, 3), (1, 1, 1), True).operations  # 2 * 5 * 16 * 27
        4320
        """
        return 2 * math.prod(self.y_shape) * math.prod(self.weight_shape[1:])

    @property
    def traffic(self):
        """Bytes of input, weight and output in float32; each of the two gradients moves as many."""
        return 4 * sum(map(math.prod, (self.x_shape, self.weight_shape, self.y_shape)))


def convolutions(model, batch_size):
    """List the convolutions of an SSD in the order in which they are computed.

    Parameters
    ----------
    model : SSD
    batch_size : int

    Returns
    -------
    list of Convolution

    Examples
    --------
    >>> from minissd.config import TINY
    >>> from minissd.models import SSD
    >>> first, *_, last = convolutions(SSD(TINY), batch_size=8)
    >>> first.name, first.y_shape
    ('conv1', (8, 16, 128, 128))
    >>> last.name, last.x_shape
    ('conv7_2_head', (8, 64, 4, 4))
    """
    found = []
    side = model.config.image_size
    for source, stage, head in zip(model.source_names, model.stages, model.heads):
        for name, layer in stage.layers.items():
            if isinstance(layer, ConvBlock):
                found.append(_convolution(name, layer.conv, batch_size, side))
                side = found[-1].y_shape[2]
            else:
                side = layer.output_side(side)
        found.append(_convolution(f"{source}_head", head, batch_size, side))
    return found


def forward_operations(model, batch_size):
    """Operations of the convolutions in one forward pass."""
    return sum(convolution.operations for convolution in convolutions(model, batch_size))


def forward_traffic(model, batch_size):
    """Bytes that the convolutions of one forward pass read and write, each by itself."""
    return sum(convolution.traffic for convolution in convolutions(model, batch_size))


def training_operations(model, batch_size):
    """Operations of the convolutions in one training step; nobody needs the gradient for the images."""
    first = convolutions(model, batch_size)[0]
    return 3 * forward_operations(model, batch_size) - first.operations


def _convolution(name, conv, batch_size, side):
    weight_shape = conv.params["weight"].shape
    x_shape = (batch_size, weight_shape[1], side, side)
    return Convolution(name, x_shape, weight_shape, conv.geometry, "bias" in conv.params)
