"""Convolution of few input channels: the first layer, whose 3 x 9 inputs are too few for a good product."""

from __future__ import annotations

import sys

import numpy as np

from minissd.nn.conv_shape import output_side
from minissd.nn.cuda import im2col
from minissd.nn.cuda.source import contiguous, int32, kernel

MOST_WEIGHTS = 64  # of an output; as in direct.cu
OUTPUTS, PLACES, THREADS = 16, 4, 128  # channels and places of a thread, threads of a block

backward = im2col.backward


def fits(weight_shape):
    """Whether this module is made for the layer.

    Examples
    --------
    >>> fits((64, 3, 3, 3)), fits((64, 64, 3, 3))
    (True, False)
    """
    return weight_shape[1] * weight_shape[2] ** 2 <= MOST_WEIGHTS


def forward(x, weight, bias, stride, padding, dilation, relu=False):
    """Convolve; see `minissd.nn.Conv2d` for shapes."""
    x, weight = contiguous(x, weight)
    geometry = weight.shape[2], stride, padding, dilation
    sides = [output_side(side, *geometry) for side in x.shape[2:]]
    y = sys.modules["cupy"].empty((len(x), len(weight), *sides), np.float32)
    blocks = -(-sides[0] * sides[1] // (THREADS * PLACES))  # of an image
    grid = len(x) * blocks, -(-len(weight) // OUTPUTS)
    arrays = x, weight, weight if bias is None else bias
    clip = np.int32(bias is not None), np.float32(0 if relu else -np.inf)
    sizes = int32(*x.shape[1:], len(weight), *geometry, *sides, blocks)
    if y.size:
        function = kernel(__file__, "convolve", OUTPUTS=OUTPUTS, PLACES=PLACES)
        function(grid, (THREADS,), (*arrays, *clip, y, *sizes))
    return y
