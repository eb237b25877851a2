"""Convolution as matrix products, for all that is not 3x3 of stride 1.

A patch of I x K x K input values under one output value becomes one column, as in `minissd.nn.conv_im2col`.
Columns are made for as many images at a time as a bound on the memory allows. Where a map is large, each
image is a product of its own, which then lies in memory as the output wants it; small maps share one product.
A 1x1 convolution of large maps needs no columns: its input is a matrix already.
"""

from __future__ import annotations

import sys

import numpy as np

from minissd.nn.conv_shape import output_side
from minissd.nn.cuda.products import correlate, multiply
from minissd.nn.cuda.source import contiguous, int32, kernel, start, start_maps
from minissd.nn.cuda.sums import channel_sums

COLUMN_BYTES = 1 << 29  # of columns, at the most, or those of one image
PLACES_OF_A_PRODUCT = 256  # of a map, from where on each image is a product of its own


def forward(x, weight, bias, stride, padding, dilation, relu=False):
    """Convolve; see `minissd.nn.Conv2d` for shapes."""
    x, weight = contiguous(x, weight)
    geometry = _Geometry(x.shape, weight.shape, stride, padding, dilation)
    y = sys.modules["cupy"].empty((len(x), len(weight), *geometry.sides), np.float32)
    matrix = weight.reshape(len(weight), -1)  # (O, I*K*K)
    for images in geometry.blocks():
        if geometry.is_large():
            products = y[images].reshape(-1, len(weight), geometry.places)
            multiply(matrix, geometry.columns(x[images], by_image=True), products)
            _add_bias(products, bias, relu, y[images], y.shape[1] * geometry.places, geometry.places)
        else:
            products = multiply(matrix, geometry.columns(x[images]))  # (O, n * places)
            _add_bias(products, bias, relu, y[images], geometry.places, products.shape[1])
    return y


def backward(dy, x, weight, stride, padding, dilation, need_dx=True, need_dbias=True):
    """Return dx, dweight, dbias; None in place of what is not needed."""
    xp, (dy, x, weight) = sys.modules["cupy"], contiguous(dy, x, weight)
    geometry = _Geometry(x.shape, weight.shape, stride, padding, dilation)
    matrix = weight.reshape(len(weight), -1)
    dx, dmatrix = xp.empty(x.shape, np.float32) if need_dx else None, xp.zeros(matrix.shape, np.float32)
    for images in geometry.blocks():
        rows = xp.ascontiguousarray(dy[images].swapaxes(0, 1)).reshape(len(weight), -1)  # (O, n * places)
        dmatrix += correlate(rows, geometry.columns(x[images]))
        if need_dx:
            geometry.add_columns(multiply(matrix, rows, transpose_a=True), dx[images])
    return dx, dmatrix.reshape(weight.shape), channel_sums(dy) if need_dbias else None


class _Geometry:
    """Where the patches of a convolution lie."""

    def __init__(self, x_shape, weight_shape, stride, padding, dilation):
        self.kernel, self.steps = weight_shape[2], (stride, padding, dilation)
        self.sides = [output_side(side, self.kernel, *self.steps) for side in x_shape[2:]]
        self.images, self.length = x_shape[0], x_shape[1] * self.kernel**2
        self.places = self.sides[0] * self.sides[1]

    def is_large(self):
        """Whether each image is a product of its own."""
        return self.places >= PLACES_OF_A_PRODUCT

    def blocks(self):
        """The images that are done at a time, as slices."""
        if not self.places:
            return []
        at_once = max(1, COLUMN_BYTES // (4 * self.length * self.places))
        return [slice(i, min(i + at_once, self.images)) for i in range(0, self.images, at_once)]

    def columns(self, x, by_image=False):
        """The columns of some images, (I*K*K, n * places), or (n, I*K*K, places)."""
        if by_image and self.kernel == 1 and self.steps[:2] == (1, 0):
            return x.reshape(len(x), self.length, self.places)
        shape = (len(x), self.length, self.places) if by_image else (self.length, len(x) * self.places)
        columns = sys.modules["cupy"].empty(shape, np.float32)
        steps = (self.places, self.length * self.places) if by_image else (shape[1], self.places)
        self._start("im2col", x, columns, x, steps, len(x) * x.shape[1] * self.places)
        return columns

    def add_columns(self, columns, dx):
        """Add up in dx what the columns (I*K*K, n * places) hold for each of its places."""
        self._start("col2im", columns, dx, dx, (columns.shape[1], self.places), dx.size)

    def _start(self, name, source, target, x, steps, count):
        sizes = int32(*x.shape[1:], self.kernel, *self.steps, *self.sides)
        steps = [np.int64(step) for step in steps]
        start(kernel(__file__, name), count, source, target, *steps, *sizes, np.uint32(count))


def _add_bias(products, bias, relu, y, image_step, channel_step):
    """Write ``products + bias``, clipped at 0 with `relu`, into y (n, O, H, W)."""
    in_place = products.data.ptr == y.data.ptr
    if y.size == 0 or (in_place and bias is None and not relu):
        return
    low, has_bias = np.float32(0 if relu else -np.inf), np.int32(bias is not None)
    arrays = products, products if bias is None else bias, has_bias, low, y
    steps = np.int64(channel_step), np.int64(image_step)
    start_maps(kernel(__file__, "add_bias"), y, *arrays, *steps, *int32(y.shape[1], y.shape[2] * y.shape[3]))
