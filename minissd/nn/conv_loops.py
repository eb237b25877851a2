"""Convolution as its definition has it: seven loops. This is the version to read.

Forward and backward run over the same places; each ``+=`` of one is a pair of ``+=`` in the other.
"""

from __future__ import annotations

import numpy as np

from minissd.nn.conv_shape import output_side


def forward(x, weight, bias, stride, padding, dilation):
    """Convolve; see `minissd.nn.Conv2d` for shapes."""
    out_channels, _, kernel, _ = weight.shape
    height, width = (output_side(side, kernel, stride, padding, dilation) for side in x.shape[2:])
    y = np.zeros((len(x), out_channels, height, width), x.dtype)
    if bias is not None:
        y += bias[:, None, None]
    for n, o, row, column, c, i, j, y_in, x_in in _places(x, y, kernel, stride, padding, dilation):
        y[n, o, row, column] += weight[o, c, i, j] * x[n, c, y_in, x_in]
    return y


def backward(dy, x, weight, stride, padding, dilation, need_dx=True):
    """Return dx, dweight, dbias; the mirror image of `forward`."""
    kernel = weight.shape[2]
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for n, o, row, column, c, i, j, y_in, x_in in _places(x, dy, kernel, stride, padding, dilation):
        dweight[o, c, i, j] += dy[n, o, row, column] * x[n, c, y_in, x_in]
        dx[n, c, y_in, x_in] += dy[n, o, row, column] * weight[o, c, i, j]
    return dx if need_dx else None, dweight, dy.sum(axis=(0, 2, 3))


def _places(x, y, kernel, stride, padding, dilation):
    """Every (image, output channel, output place, input channel, kernel place), with the input place."""
    for n in range(y.shape[0]):
        for o in range(y.shape[1]):
            for row in range(y.shape[2]):
                for column in range(y.shape[3]):
                    for c in range(x.shape[1]):
                        for i in range(kernel):
                            for j in range(kernel):
                                y_in = row * stride + i * dilation - padding
                                x_in = column * stride + j * dilation - padding
                                if 0 <= y_in < x.shape[2] and 0 <= x_in < x.shape[3]:  # else padding: 0
                                    yield n, o, row, column, c, i, j, y_in, x_in
