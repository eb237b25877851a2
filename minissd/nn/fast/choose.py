"""The fast algorithms as `Conv2d` knows them, and which one is the best for a layer.

They compute in float32. float64, which is for checking gradients, and arrays that are not NumPy's go to
`minissd.nn.conv_im2col`.
"""

from __future__ import annotations

import math

import numpy as np

from minissd.backend import get_array_module
from minissd.errors import InputError
from minissd.nn import conv_im2col
from minissd.nn.conv_shape import output_side
from minissd.nn.fast import direct, stem, winograd
from minissd.nn.fast.checksum import checksum
from minissd.nn.fast.layout import is_float32
from minissd.nn.fast.simd import LANES
from minissd.nn.fast.winograd_transforms import OUTPUT_SIDE, POINTS

TRANSFORM_COST = 1.5  # of all that Winograd's algorithm does, relative to its products
WEIGHTS_COST, READ_COST = 40, 6  # tiles in whose time the weights are transformed and read, or only read


class FastAlgorithm:
    """A convolution algorithm for `minissd.nn.register_algorithm`.

    Parameters
    ----------
    choose : callable
        ``choose(x_shape, weight_shape, stride, padding, dilation, packed)`` returns the module that computes;
        `packed` says whether the weights are kept in its order.

    Examples
    --------
    >>> x, weight = np.ones((1, 1, 5, 5), np.float32), np.ones((1, 1, 3, 3), np.float32)
    >>> AUTO.forward(x, weight, None, stride=2, padding=0, dilation=1)[0, 0]
    array([[9., 9.],
           [9., 9.]], dtype=float32)
    """

    fuses = True  # its forward takes `relu`, `scale`, `packed` and `pool`, its backward `need_dbias`

    def __init__(self, choose):
        self._choose = choose

    def forward(
        self, x, weight, bias, stride, padding, dilation, relu=False, scale=None, packed=None, pool=None
    ):
        """Convolve; see `minissd.nn.Conv2d` for shapes.

        Parameters
        ----------
        x, weight, bias, stride, padding, dilation
            As in every algorithm.
        relu : bool
            Whether to return ``max(y, 0)``.
        scale : ndarray, (O,), optional
            Factor for the weights of every output channel.
        packed : PackedWeights, optional
            Where the weights are kept in the order in which they are read.
        pool : MaxPool2d, optional
            Max pooling behind the convolution; where the algorithm can, before the map is written.
        """
        geometry = stride, padding, dilation
        if not is_float32(x):
            return step_by_step(conv_im2col, x, weight, bias, geometry, relu, scale, pool)
        module = self._choose(x.shape, weight.shape, *geometry, packed is not None)
        if packed is not None:
            packed = packed.of(module, weight, scale)
        elif scale is not None:
            weight = scaled(weight, scale)
        if pool and module is winograd and dilation == 1 and pool.is_2x2():
            pooled = tuple(pool.output_side(output_side(side, 3, *geometry)) for side in x.shape[2:])
            if min(pooled) > 0:
                return winograd.forward(x, weight, bias, *geometry, relu, packed, pooled)
        y = module.forward(x, weight, bias, *geometry, relu=relu, packed=packed)
        return pool.forward(y) if pool else y

    def backward(self, dy, x, weight, stride, padding, dilation, need_dx=True, need_dbias=True):
        """Return dx, dweight, dbias; None in place of what is not needed."""
        geometry = stride, padding, dilation
        if not is_float32(x):
            return conv_im2col.backward(dy, x, weight, *geometry, need_dx)
        module = self._choose(x.shape, weight.shape, *geometry)
        return module.backward(dy, x, weight, *geometry, need_dx, need_dbias)


class PackedWeights:
    """The weights of a layer in the order in which its algorithms read them, while they stay the same.

    That they do is seen from their checksum, which takes less time than packing them again.
    """

    def __init__(self):
        self._stamp, self._packed = None, {}
        self.on_gpu = None  # what minissd.nn.cuda keeps

    def of(self, module, weight, scale=None):
        """Weights packed by ``module.pack``, times `scale`."""
        weight = np.ascontiguousarray(weight)
        stamp = checksum(weight), None if scale is None else scale.tobytes()
        if stamp != self._stamp:
            self._stamp, self._packed = stamp, {}
        if module.__name__ not in self._packed:
            self._packed[module.__name__] = module.pack(weight if scale is None else scaled(weight, scale))
        return self._packed[module.__name__]


def step_by_step(algorithm, x, weight, bias, geometry, relu=False, scale=None, pool=None):
    """Convolve, then what `FastAlgorithm.forward` does in the same pass, one after the other."""
    y = algorithm.forward(x, weight if scale is None else scaled(weight, scale), bias, *geometry)
    if relu:
        y = get_array_module(y).maximum(y, 0, out=y)  # nobody else holds y
    return pool.forward(y) if pool else y


def scaled(weight, scale):
    """Weights (O, I, K, K) times a factor for every output channel, in their own precision."""
    return (weight * scale[:, None, None, None]).astype(weight.dtype)


def best(x_shape, weight_shape, stride, padding, dilation, packed=False):
    """The module that is expected to take the least time for a layer.

    Winograd's algorithm multiplies 36 times for a tile of 4x4 outputs where 9 * 16 are needed; but tiles
    reach over the edge of a small map, its weights are four times as many, and its transforms work on vectors
    of sixteen channels. If the weights are kept `packed`, they need only be read.

    Examples
    --------
    >>> best((8, 64, 32, 32), (64, 64, 3, 3), 1, 1, 1) is winograd
    True
    >>> best((8, 64, 32, 32), (64, 64, 3, 3), 2, 1, 1) is direct  # stride 2
    True
    >>> best((1, 64, 3, 3), (64, 64, 3, 3), 1, 1, 1) is direct  # a small map
    True
    """
    if stem.fits(x_shape, weight_shape, stride, padding, dilation):
        return stem
    if weight_shape[2:] != (3, 3) or stride != 1 or weight_shape[1] < LANES:
        return direct
    height, width = (output_side(side, 3, 1, padding, dilation) for side in x_shape[2:])
    tiles = x_shape[0] * _tiles(height, dilation) * _tiles(width, dilation)
    places = x_shape[0] * height * width
    weights = READ_COST if packed else WEIGHTS_COST
    cheaper = TRANSFORM_COST * POINTS * (tiles + weights) < 9 * places
    return winograd if cheaper else direct


def _tiles(side, dilation):
    """Tiles along one side: those of each of the interleaved maps."""
    return sum(math.ceil(math.ceil((side - first) / dilation) / OUTPUT_SIDE) for first in range(dilation))


def check_winograd(weight_shape, stride):
    """Raise InputError if Winograd's algorithm does not do a layer."""
    if weight_shape[2:] != (3, 3) or stride != 1:
        raise InputError(
            f"algorithm 'winograd': kernel {weight_shape[2]}, stride {stride} "
            "(it does 3x3 of stride 1; choose 'direct' or 'auto')"
        )


def _always_winograd(x_shape, weight_shape, stride, padding, dilation, packed=False):
    check_winograd(weight_shape, stride)
    return winograd


def _always_direct(x_shape, weight_shape, stride, padding, dilation, packed=False):
    return direct


WINOGRAD, DIRECT, AUTO = (FastAlgorithm(choose) for choose in (_always_winograd, _always_direct, best))
