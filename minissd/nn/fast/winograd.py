"""3x3 convolution of stride 1 by Winograd's algorithm F(4x4, 3x3), at any padding and dilation; float32.

The output is cut into tiles of 4x4. Each is computed from the 6x6 inputs under it with 36 multiplications per
pair of channels where the definition has 144:

1. transform the 6x6 inputs of every tile and channel (`winograd_transforms`): 36 values, one per *point*;
2. for each point, multiply the matrix (tiles x inputs) by the transformed weights (inputs x outputs);
3. transform the 36 products of every tile and output channel back into 4x4 outputs, add the bias, clip.

Step 2 is where the time goes, and it is done a block of tiles at a time, so that what step 1 writes is still
in the cache when step 2 reads it, and what step 2 writes when step 3 does. A dilated kernel sees d x d
interleaved maps that have nothing to do with each other; a tile takes every d-th place of one of them.

The gradient for the input is the same convolution with the weights rotated by 180 degrees and inputs and
outputs exchanged. The gradient for the weights runs the three steps in reverse: transform input and gradient
tiles, sum up their outer products for each point, and transform back once, at the very end.
"""

from __future__ import annotations

import math

import numpy as np

from minissd.nn.conv_shape import output_side
from minissd.nn.fast import winograd_kernels as kernels
from minissd.nn.fast import winograd_weights as weights
from minissd.nn.fast.layout import empty_channels_last, is_streamed, nhwc
from minissd.nn.fast.products import count_chunks, padded_rows
from minissd.nn.fast.simd import LANES
from minissd.nn.fast.sums import bias_only, channel_sums, padded_bias
from minissd.nn.fast.team import team
from minissd.nn.fast.tile import COLUMNS, ROWS
from minissd.nn.fast.winograd_tiles import Grid
from minissd.nn.fast.winograd_transforms import OUTPUT_SIDE, POINTS
from minissd.nn.fast.workspace import aligned_zeros, workspace

BLOCK_LIMITS = 28, 98  # tiles that one thread works on at a time, at least and at most
TRANSFORMED_FLOATS = 13 << 14  # of such a block: 0.8 MB, to stay in the cache of one thread
MANY_WEIGHTS = 1 << 20  # transformed, that should not pass through the cache of every thread: 4 MB
TILES_BY_POINTS, PAIRS_BY_POINTS = 392, 168  # that all threads work on at a time


def forward(x, weight, bias, stride, padding, dilation, relu=False, packed=None, pooled=None):
    """Convolve; see `minissd.nn.Conv2d` for shapes.

    Parameters
    ----------
    x : ndarray of float32, (N, I, H, W)
        In any memory order; fastest with the channels last.
    weight : ndarray of float32, (O, I, 3, 3)
    bias : ndarray of float32, (O,), or None
    stride : int
        1.
    padding, dilation : int
    relu : bool
        Whether to return ``max(y, 0)``.
    packed : ndarray, optional
        `pack` of the weight, for a network whose weights do not change.
    pooled : (int, int), optional
        Height and width of the output after max pooling 2x2 with stride 2, to be done before it is written;
        for a `dilation` of 1.

    Returns
    -------
    ndarray of float32, (N, O, H', W'), channels last in memory
    """
    packed = pack(weight, out=_weights_buffer(weight)) if packed is None else packed
    y_shape = (len(x), len(weight), *(output_side(side, 3, 1, padding, dilation) for side in x.shape[2:]))
    return _convolve(x, packed, bias, y_shape, padding, dilation, relu, pooled)


def backward(dy, x, weight, stride, padding, dilation, need_dx=True, need_dbias=True):
    """Return dx, dweight, dbias; the mirror image of `forward`."""
    dy = nhwc(dy)
    dweight = _weight_gradient(nhwc(x), dy, weight.shape, padding, dilation)
    dx = None
    if need_dx:
        # The kernel reaches 2 d places back from the last place that an input was used for.
        around = 2 * dilation - padding
        packed = pack(weight, rotate=True, out=_weights_buffer(weight))
        dx = _convolve(dy.transpose(0, 3, 1, 2), packed, None, x.shape, around, dilation)
    return dx, dweight, channel_sums(dy) if need_dbias else None


def pack(weight, rotate=False, out=None):
    """Transform weights (O, I, 3, 3) into the order in which they are read.

    Parameters
    ----------
    weight : ndarray of float32, (O, I, 3, 3)
    rotate : bool
        Rotate the kernels by 180 degrees and exchange O and I, for the gradient of the input.
    out : ndarray of float32, flat, optional
        Memory to use, at least as large as the result.

    Returns
    -------
    ndarray of float32, (ceil(O / 16) * 36 * I * 16,)
    """
    weight = np.ascontiguousarray(weight)
    outputs, inputs = weight.shape[:2]
    layout = (0, inputs * 9, 9, 1)  # start, and the distance of outputs, inputs and taps
    if rotate:
        layout, outputs, inputs = (8, 9, inputs * 9, -1), inputs, outputs
    size = count_chunks.py_func(outputs) * POINTS * inputs * LANES
    u = aligned_zeros(size) if out is None else out[:size]
    weights.pack(team().mailbox, weight.reshape(-1), layout, outputs, inputs, u)
    return u


def _weights_buffer(weight):
    """Memory for packed weights that are used once, in either direction."""
    outputs, inputs = (math.ceil(channels / LANES) * LANES for channels in weight.shape[:2])
    return workspace().buffer("weights", outputs * inputs * POINTS)


def tile_origins(side, dilation):
    """Output rows (or columns) where tiles begin.

    Examples
    --------
    >>> tile_origins(9, dilation=1).tolist(), tile_origins(9, dilation=2).tolist()
    ([0, 4, 8], [0, 8, 1])
    """
    step = OUTPUT_SIDE * dilation
    return np.concatenate([np.arange(first, side, step) for first in range(min(dilation, side))])


def _grid(y_shape, padding, dilation, pooled=False, streams=False):
    """Where the tiles of a map (N, H, W, C) are; the origins are an array of their own."""
    rows, columns = (tile_origins(side, dilation) for side in y_shape[1:3])
    tiles = y_shape[0] * len(rows) * len(columns)
    sizes = len(rows), len(columns), tiles, dilation, padding, *y_shape[1:3]
    grid = Grid(0, *sizes, pooled, streams)
    return np.concatenate([rows, columns]), grid


def _convolve(x, u, bias, y_shape, padding, dilation, relu=False, pooled=None):
    """Convolve with packed weights."""
    x, y_view = nhwc(x), empty_channels_last((*y_shape[:2], *(pooled or y_shape[2:])))
    if y_view.size == 0 or x.size == 0:
        return bias_only(y_view, bias, relu)
    y = nhwc(y_view)
    inputs, outputs = x.shape[3], y.shape[3]
    places = y_shape[0], *y_shape[2:]
    origins, grid = _grid(places, padding, dilation, pooled is not None, pooled is None and is_streamed(y))
    by_points = u.size > MANY_WEIGHTS
    most = TILES_BY_POINTS if by_points else _fitting(inputs)
    block = _block(min(most, grid.tiles), inputs, outputs, by_points)
    buffers, threads = workspace(), 1 if by_points else team().size
    low = np.float32(0 if relu else -np.inf)
    kernels.convolve(
        team().mailbox,
        x.reshape(-1),
        x.shape,
        u,
        padded_bias(bias, outputs),
        low,
        y.reshape(-1),
        y.shape,
        origins,
        grid,
        block,
        by_points,
        buffers.buffer("input tiles", threads * POINTS * block.v_point),
        buffers.buffer("products", threads * block.room * block.m_tile),
    )
    return y_view


def _weight_gradient(x, dy, weight_shape, padding, dilation):
    """Gradient for the weights, from maps with the channels last."""
    dweight = np.zeros(weight_shape, np.float32)
    if dy.size == 0 or x.size == 0:
        return dweight
    outputs, inputs = weight_shape[:2]
    chunks, rows = (f.py_func(n) for f, n in ((count_chunks, outputs), (padded_rows, inputs)))
    size = chunks * POINTS * rows * LANES
    origins, grid = _grid(dy.shape, padding, dilation)
    parts = 1 if size > MANY_WEIGHTS else team().size
    most = PAIRS_BY_POINTS if parts == 1 else _fitting(inputs + outputs)
    block = _block(min(most, grid.tiles), inputs, outputs, parts == 1)
    buffers = workspace()
    u = buffers.buffer("weights", parts * size)
    kernels.correlate(
        team().mailbox,
        x.reshape(-1),
        x.shape,
        dy.reshape(-1),
        dy.shape,
        origins,
        grid,
        block,
        parts,
        buffers.buffer("input tiles", parts * POINTS * block.v_point),
        buffers.buffer("products", parts * POINTS * chunks * LANES * block.tiles),
        u,
    )
    weights.unpack_gradient(team().mailbox, u, parts, size, rows, outputs, inputs, dweight.reshape(-1))
    return dweight


def _fitting(channels):
    """Tiles whose transformed channels stay in the innermost caches of one thread."""
    least, most = BLOCK_LIMITS
    return max(least, min(TRANSFORMED_FLOATS // (POINTS * (channels + LANES)), most))


def _block(tiles, inputs, outputs, by_points):
    """The layout of a block of tiles; by points it holds the products for all outputs, else for one chunk."""
    v_tile, room = math.ceil(inputs / LANES) * LANES + LANES, tiles + ROWS
    m_point = (math.ceil(outputs / LANES) if by_points else COLUMNS) * LANES
    return kernels.Block(
        tiles, room, inputs, outputs, v_tile, room * v_tile, POINTS * m_point + LANES, m_point
    )
