"""The algorithms of `minissd.nn.Conv2d` for a GPU, and which one is the best for a layer."""

from __future__ import annotations

import math

from minissd.nn.conv_shape import output_side
from minissd.nn.cuda import direct, im2col, winograd
from minissd.nn.cuda.source import contiguous
from minissd.nn.cuda.winograd import tiles_of
from minissd.nn.fast.choose import check_winograd, scaled

TRANSFORM_COST = 1.5  # of all that Winograd's algorithm does, relative to its products
WEIGHTS_COST = 12  # tiles in whose time the weights are transformed


class CudaAlgorithm:
    """A convolution algorithm for arrays of CuPy's, float32.

    It has the functions of `minissd.nn.fast.choose.FastAlgorithm`, with the same arguments.

    Parameters
    ----------
    choose : callable
        ``choose(x_shape, weight_shape, stride, padding, dilation)`` returns the module that computes.
    """

    fuses = True

    def __init__(self, choose):
        self._choose = choose

    def forward(
        self, x, weight, bias, stride, padding, dilation, relu=False, scale=None, packed=None, pool=None
    ):
        """Convolve, scale and pool."""
        geometry = stride, padding, dilation
        module = self._choose(x.shape, weight.shape, *geometry)
        scale, bias = (None if array is None else contiguous(array)[0] for array in (scale, bias))
        if module is winograd:
            pooled = self._pooled(x, geometry, pool)
            y = winograd.forward(x, weight, bias, *geometry, relu, scale, packed, pooled)
            return pool.forward(y) if pool and not pooled else y
        weight = weight if scale is None else scaled(weight, scale)
        y = module.forward(x, weight, bias, *geometry, relu)
        return pool.forward(y) if pool else y

    def _pooled(self, x, geometry, pool):
        """Height and width of the output where Winograd's algorithm pools it in the same pass, else None."""
        if not pool or geometry[2] > 1 or not pool.is_2x2():
            return None
        pooled = tuple(pool.output_side(output_side(side, 3, *geometry)) for side in x.shape[2:])
        return pooled if min(pooled) > 0 else None

    def backward(self, dy, x, weight, stride, padding, dilation, need_dx=True, need_dbias=True):
        """Return dx, dweight, dbias; None in place of what is not needed."""
        module = self._choose(x.shape, weight.shape, stride, padding, dilation)
        return module.backward(dy, x, weight, stride, padding, dilation, need_dx, need_dbias)


def best(x_shape, weight_shape, stride, padding, dilation):
    """The module that is expected to take the least time for a layer.

    Examples
    --------
    >>> best((8, 64, 32, 32), (64, 64, 3, 3), 1, 1, 1) is winograd
    True
    >>> best((8, 64, 32, 32), (64, 64, 3, 3), 2, 1, 1) is im2col  # stride 2
    True
    >>> best((1, 256, 3, 3), (64, 256, 3, 3), 1, 1, 1) is im2col  # a small map
    True
    >>> best((8, 3, 300, 300), (64, 3, 3, 3), 1, 1, 1) is direct  # the first layer
    True
    """
    if direct.fits(weight_shape):
        return direct
    if weight_shape[2:] != (3, 3) or stride != 1:
        return im2col
    sides = [output_side(side, 3, 1, padding, dilation) for side in x_shape[2:]]
    tiles = tiles_of((x_shape[0], weight_shape[0], *sides), dilation)
    products = tiles.points * (tiles.count + WEIGHTS_COST)
    cheaper = TRANSFORM_COST * products < 9 * x_shape[0] * math.prod(sides)
    return winograd if cheaper else im2col


def _always_winograd(x_shape, weight_shape, stride, padding, dilation):
    check_winograd(weight_shape, stride)
    return winograd


def _never_winograd(x_shape, weight_shape, stride, padding, dilation):
    return direct if direct.fits(weight_shape) else im2col


ALGORITHMS = {
    "auto": CudaAlgorithm(best),
    "winograd": CudaAlgorithm(_always_winograd),
    "direct": CudaAlgorithm(_never_winograd),
}
