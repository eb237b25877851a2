"""3x3 convolution of stride 1 by Winograd's algorithm, at any padding and dilation.

The output is cut into tiles of 4x4. Each is computed from the 6x6 inputs under it with P = 36 multiplications
per pair of channels where the definition has 144:

1. transform the 6x6 inputs of every tile and channel: v, (P, I, T) for T tiles;
2. for each of the P points, multiply u (O, I), made from the weights, by v (I, T): m, (P, O, T);
3. transform the P products of every tile and output channel back into 4x4 outputs; add the bias, clip, pool.

Step 2 is one batched product, with the many tiles as its long side. Steps 1 and 3 only move numbers: v and m
are 2.25 times as large as the maps, and what they cost is the way to memory and back. They are made for as
many tiles at a time as a bound on the memory allows. Tiles of 6x6 (P = 64 where the definition has 324) need
a fifth less of both, but the results are four times as far from the exact ones. That does little harm but in
one place: in training, every output that rounding moves over 0 switches a ReLU, and a part of the gradient.

The gradient for the input is the same convolution with the weights turned by 180 degrees and inputs and
outputs exchanged. The gradient for the weights runs the steps in reverse: transform inputs and gradients, sum
up their products over all tiles, for each point, and transform back once.
"""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

import numpy as np

from minissd.backend import tf32_is_allowed
from minissd.nn.conv_shape import output_side
from minissd.nn.cuda.products import multiply, parts_of
from minissd.nn.cuda.source import contiguous, int32, kernel, start
from minissd.nn.cuda.sums import channel_sums

SIDES = (4, 6)  # of the tiles that may be used
EXACT_SIDES = (4,)  # the same for outputs in training, and with TF32, which has but three digits to lose
WORKSPACE_BYTES = 1 << 30  # of v and m, or of the two that the gradient for the weights needs
PITCH = 32  # tiles in a row of v are a multiple of this: whole lines of memory, whole warps
THREADS = 128  # of a block, as in winograd.cu


class Tiles(NamedTuple):
    """Where the tiles lie; see winograd.cu."""

    images: int
    per_column: int
    per_row: int
    dilation: int
    side: int

    @property
    def points(self):
        """Numbers of a transformed tile."""
        return (self.side + 2) ** 2

    @property
    def count(self):
        """Tiles of all images."""
        return self.images * self.per_column * self.per_row * self.dilation**2


def tiles_of(y_shape, dilation, exact=False):
    """The tiles that cover an output of shape (N, O, H, W): of the sides allowed those with the least points.

    Examples
    --------
    >>> tiles_of((2, 64, 9, 8), 1)
    Tiles(images=2, per_column=3, per_row=2, dilation=1, side=4)
    >>> tiles_of((2, 64, 12, 12), 1).side, tiles_of((2, 64, 12, 12), 1, exact=True).side
    (6, 4)
    >>> tiles_of((1, 64, 19, 19), 6).count  # 36 interleaved maps of 4x4 or less
    36
    """
    sides = EXACT_SIDES if exact or tf32_is_allowed() else SIDES
    candidates = [_tiles(y_shape, dilation, side) for side in sides]
    return min(candidates, key=lambda tiles: tiles.count * tiles.points)


def _tiles(y_shape, dilation, side):
    per_column, per_row = (math.ceil(math.ceil(length / dilation) / side) for length in y_shape[2:])
    return Tiles(y_shape[0], per_column, per_row, dilation, side)


def forward(x, weight, bias, stride, padding, dilation, relu=False, scale=None, packed=None, pooled=None):
    """Convolve; see `minissd.nn.Conv2d` for shapes.

    Parameters
    ----------
    x, weight, bias : array of float32
        The bias may be None.
    stride : int
        1.
    padding, dilation : int
    relu : bool
        Whether to return ``max(y, 0)``.
    scale : array of float32, (O,), optional
        Factor for the weights of every output channel.
    packed : PackedWeights, optional
        Where the transformed weights are kept, for a network at inference. Without it the outputs are those
        of `EXACT_SIDES`, for training.
    pooled : (int, int), optional
        Height and width of the output after max pooling by 2x2, which is done in the same pass.

    Returns
    -------
    array, (N, O, H', W')
    """
    sides = [output_side(side, 3, 1, padding, dilation) for side in x.shape[2:]]
    y_shape = len(x), len(weight), *sides
    tiles = tiles_of(y_shape, dilation, exact=packed is None)
    u = _kept(packed, weight, scale, tiles.side) if packed else transform_weight(weight, tiles.side, scale)
    return _convolve(x, u, bias, y_shape, padding, tiles, relu, pooled)


def backward(dy, x, weight, stride, padding, dilation, need_dx=True, need_dbias=True):
    """Return dx, dweight, dbias; None in place of what is not needed."""
    dy, x = contiguous(dy, x)
    dx = None
    if need_dx:
        tiles = tiles_of(x.shape, dilation)
        u = transform_weight(weight, tiles.side, rotated=True)
        dx = _convolve(dy, u, None, x.shape, 2 * dilation - padding, tiles, transposed=True)
    dweight = _weight_gradient(x, dy, weight.shape, padding, dilation)
    return dx, dweight, channel_sums(dy) if need_dbias else None


class TransformedWeight:
    """The transformed weights of a layer, and a copy of the weights that they were made from.

    Whether the weights are the same still is seen on the GPU, which compares them with the copy: that moves
    fewer numbers than transforming them, and the processor need not wait for the answer.
    """

    def __init__(self, weight, scale, side):
        self.known = weight.copy() if scale is None else weight * scale[:, None, None, None]
        self.u, self.side = transform_weight(self.known, side), side

    def fits(self, weight, side):
        """Whether this was made for weights of the same shape, and for tiles of this side."""
        return self.known.shape == weight.shape and self.side == side

    def refresh(self, weight, scale):
        """Transform those weights again that have changed."""
        transform_weight(weight, self.side, scale, self.u, self.known)


def _kept(packed, weight, scale, side):
    """The transformed weights that a layer keeps between calls, brought up to date."""
    if packed.on_gpu and packed.on_gpu.fits(weight, side):
        packed.on_gpu.refresh(weight, scale)
    else:
        packed.on_gpu = TransformedWeight(weight, scale, side)
    return packed.on_gpu.u


def transform_weight(weight, side, scale=None, u=None, known=None, rotated=False):
    """Transformed weights, (P, O, I).

    Parameters
    ----------
    weight : array of float32, (O, I, 3, 3)
    side : int
        Of a tile.
    scale : array of float32, (O,), optional
        Factor for the weights of every output channel.
    u, known : array, optional
        The result of an earlier call, and the weights (times the scale) that it was made for. Only what has
        changed is done again, in place.
    rotated : bool
        Whether to turn the weights by 180 degrees.
    """
    xp, (outputs, inputs) = sys.modules["cupy"], weight.shape[:2]
    (weight,) = contiguous(weight)
    pairs = outputs * inputs
    if u is None:
        u = xp.empty(((side + 2) ** 2, outputs, inputs), np.float32)
    factors, copy = (weight if array is None else array for array in (scale, known))
    has_scale, has_copy = (np.int32(array is not None) for array in (scale, known))
    arguments = weight, factors, has_scale, copy, has_copy, u, *int32(pairs, inputs, rotated)
    _start("transform_weight", side, pairs, *arguments)
    return u


def _convolve(x, u, bias, y_shape, padding, tiles, relu=False, pooled=None, transposed=False):
    """Convolve with transformed weights u (P, O, I), or (P, I, O) if they are `transposed`."""
    xp, (x,) = sys.modules["cupy"], contiguous(x)
    y = xp.empty((*y_shape[:2], *(pooled or y_shape[2:])), np.float32)
    if y.size == 0:
        return y
    length = _chunk(tiles, x.shape[1] + y_shape[1])
    v, m = (xp.empty((1, tiles.points, c, length), np.float32) for c in (x.shape[1], y_shape[1]))
    for first in range(0, tiles.count, length):
        _transform_input(x, v, padding, tiles, first)
        multiply(u, v[0], m[0], transpose_a=transposed)
        _transform_output(m, bias, relu, y, y_shape, tiles, first)
    return y


def _weight_gradient(x, dy, weight_shape, padding, dilation):
    """Gradient for the weights (O, I, 3, 3)."""
    xp, (outputs, inputs) = sys.modules["cupy"], weight_shape[:2]
    if dy.size == 0 or x.size == 0:
        return xp.zeros(weight_shape, np.float32)
    tiles = tiles_of(dy.shape, dilation)
    chunk = _chunk(tiles, inputs + outputs)
    length = _whole(math.ceil(chunk / parts_of(chunk, tiles.points * outputs * inputs)))
    parts = math.ceil(chunk / length)
    v, d = (xp.empty((parts, tiles.points, c, length), np.float32) for c in (inputs, outputs))
    u = xp.empty((parts, tiles.points, outputs, inputs), np.float32)
    flat_v, flat_d, flat_u = (array.reshape(-1, *array.shape[2:]) for array in (v, d, u))
    for first in range(0, tiles.count, parts * length):
        _transform_input(x, v, padding, tiles, first)
        _transform_gradient(dy, d, tiles, first)
        multiply(flat_d, flat_v, flat_u, transpose_b=True, accumulate=first > 0)
    dweight, pairs = xp.empty(weight_shape, np.float32), outputs * inputs
    _start("transform_weight_gradient", tiles.side, pairs, u, dweight, *int32(parts, pairs))
    return dweight


def _transform_input(x, v, padding, tiles, first):
    """Fill v (parts, P, I, T) with the transformed inputs of the tiles from `first` on."""
    _start_tiles("transform_input", tiles, v, x, v, *int32(*x.shape[1:], padding, *_where(tiles, first, v)))


def _transform_gradient(dy, d, tiles, first):
    """Fill d (parts, P, O, T) with the transformed gradients of the tiles from `first` on."""
    _start_tiles("transform_gradient", tiles, d, dy, d, *int32(*dy.shape[1:], *_where(tiles, first, d)))


def _transform_output(m, bias, relu, y, y_shape, tiles, first):
    """Write the outputs of the tiles from `first` on, pooled where y is smaller than y_shape."""
    low = np.float32(0 if relu else -np.inf)
    arrays = m, m if bias is None else bias, np.int32(bias is not None), low, y
    is_pooled = y.shape != tuple(y_shape)
    sizes = int32(*y_shape[1:], *(y.shape[2:] if is_pooled else ()), *_where(tiles, first, m))
    name = "transform_output_pooled" if is_pooled else "transform_output"
    _start_tiles(name, tiles, m, *arrays, *sizes)


def _where(tiles, first, v):
    """Which tiles there are, and which of them to do."""
    return *tiles[:4], first, tiles.count, v.shape[-1]


def _start_tiles(name, tiles, v, *arguments):
    """Start a kernel with a thread for every tile and channel of an array (parts, P, C, T)."""
    count = v.size // tiles.points
    _start(name, tiles.side, count, *arguments, np.uint32(count))


def _start(name, side, count, *arguments):
    start(kernel(__file__, name, OUTPUT_SIDE=side), count, *arguments, threads=THREADS)


def _chunk(tiles, channels):
    """How many tiles to do at a time, in whole rows of memory; the last time are hardly fewer to do."""
    most = WORKSPACE_BYTES // (tiles.points * 4 * channels) // PITCH * PITCH
    times = math.ceil(tiles.count / max(PITCH, most))
    return _whole(math.ceil(tiles.count / times))


def _whole(tiles):
    return math.ceil(tiles / PITCH) * PITCH
