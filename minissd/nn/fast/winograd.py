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
from minissd.nn.fast.layout import empty_channels_last, nhwc
from minissd.nn.fast.sharing import in_shares, spans_of_weights, split_work, splits_chunks
from minissd.nn.fast.simd import LANES
from minissd.nn.fast.sums import bias_only, channel_sums, padded_bias
from minissd.nn.fast.tile import COLUMNS, ROWS
from minissd.nn.fast.winograd_transforms import INPUT_SIDE, OUTPUT_SIDE, POINTS
from minissd.nn.fast.workspace import aligned_zeros, workspace

BLOCK_LIMITS = 24, 96  # tiles that are worked on at a time, at least and at most
TRANSFORMED_FLOATS = 1 << 18  # of such a block: 1 MB, to stay in the cache
WEIGHT_FLOATS = 1 << 22  # transformed weights that pass through the cache in no time: 16 MB
SCRATCH_FLOATS = 2 * POINTS * LANES


def forward(x, weight, bias, stride, padding, dilation, relu=False, packed=None):
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

    Returns
    -------
    ndarray of float32, (N, O, H', W'), channels last in memory
    """
    packed = pack(weight, out=_weights_buffer(weight)) if packed is None else packed
    y_shape = (len(x), len(weight), *(output_side(side, 3, 1, padding, dilation) for side in x.shape[2:]))
    return _convolve(x, packed, bias, y_shape, padding, dilation, relu)


def backward(dy, x, weight, stride, padding, dilation, need_dx=True):
    """Return dx, dweight, dbias; the mirror image of `forward`."""
    dy = nhwc(dy)
    dweight = _weight_gradient(nhwc(x), dy, weight.shape, padding, dilation)
    dx = None
    if need_dx:
        # The kernel reaches 2 d places back from the last place that an input was used for.
        around = 2 * dilation - padding
        packed = pack(weight, rotate=True, out=_weights_buffer(weight))
        dx = _convolve(dy.transpose(0, 3, 1, 2), packed, None, x.shape, around, dilation)
    return dx, dweight, channel_sums(dy)


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
    chunks = math.ceil(outputs / LANES)
    size = chunks * POINTS * inputs * LANES
    u = aligned_zeros(size) if out is None else out[:size]

    def run(share, span):
        scratch = workspace_of_caller.buffer("scratch", share, SCRATCH_FLOATS)
        kernels.pack_weights(weight.reshape(-1), *layout, outputs, inputs, u, span.start, span.stop, scratch)

    workspace_of_caller = workspace()
    in_shares(run, spans_of_weights(chunks, u.size))
    return u


def _weights_buffer(weight):
    """Memory for packed weights that are used once, in either direction."""
    outputs, inputs = (math.ceil(channels / LANES) * LANES for channels in weight.shape[:2])
    return workspace().buffer("weights", 0, outputs * inputs * POINTS)


def tile_origins(side, dilation):
    """Output rows (or columns) where tiles begin.

    Examples
    --------
    >>> tile_origins(9, dilation=1).tolist(), tile_origins(9, dilation=2).tolist()
    ([0, 4, 8], [0, 8, 1])
    """
    step = OUTPUT_SIDE * dilation
    starts = [start for first in range(min(dilation, side)) for start in range(first, side, step)]
    return np.array(starts, np.intp)


def _convolve(x, u, bias, y_shape, padding, dilation, relu=False):
    """Convolve with packed weights."""
    x, y_view = nhwc(x), empty_channels_last(y_shape)
    if y_view.size == 0 or x.size == 0:
        return bias_only(y_view, bias, relu)
    y = nhwc(y_view)
    depth, outputs = x.shape[3], y.shape[3]
    grid, num_tiles = _grid(y.shape, padding, dilation, depth, u.size)
    bias, low = padded_bias(bias, outputs), np.float32(0 if relu else -np.inf)
    buffers = workspace()

    def run(share, work):
        tiles, chunks = work
        kernels.convolve(
            x.reshape(-1),
            x.shape,
            u,
            bias,
            low,
            y.reshape(-1),
            y.shape,
            grid,
            tiles.start,
            tiles.stop,
            chunks.start,
            chunks.stop,
            buffers.buffer("input tiles", share, POINTS * grid.block * (depth + 2 * LANES)),
            buffers.buffer("products", share, POINTS * grid.block * COLUMNS * LANES),
            buffers.buffer("patch", share, INPUT_SIDE**2 * (depth + LANES)),
            buffers.buffer("scratch", share, SCRATCH_FLOATS),
        )

    in_shares(run, split_work(num_tiles, math.ceil(outputs / LANES), POINTS * depth))
    return y_view


def _weight_gradient(x, dy, weight_shape, padding, dilation):
    """Gradient for the weights, from maps with the channels last."""
    dweight = np.zeros(weight_shape, np.float32)
    if dy.size == 0 or x.size == 0:
        return dweight
    outputs, inputs = weight_shape[:2]
    chunks = math.ceil(outputs / LANES)
    size = chunks * POINTS * math.ceil(inputs / ROWS) * ROWS * LANES
    grid, num_tiles = _grid(dy.shape, padding, dilation, inputs + outputs, size)
    work = split_work(num_tiles, chunks, POINTS * inputs)
    parts = 1 if splits_chunks(work) else len(work)  # threads with the same chunks sum up parts of their own
    buffers = workspace()
    du = buffers.buffer("weight gradient", 0, parts * size)

    def run(share, piece):
        tiles, share_chunks = piece
        kernels.correlate(
            x.reshape(-1),
            x.shape,
            dy.reshape(-1),
            dy.shape,
            du,
            share * size if parts > 1 else 0,
            grid,
            tiles.start,
            tiles.stop,
            share_chunks.start,
            share_chunks.stop,
            buffers.buffer("input tiles", share, POINTS * grid.block * (inputs + 2 * LANES)),
            buffers.buffer("gradient tiles", share, POINTS * grid.block * chunks * LANES),
            buffers.buffer("patch", share, INPUT_SIDE**2 * (max(inputs, outputs) + LANES)),
            buffers.buffer("scratch", share, SCRATCH_FLOATS),
        )

    def unpack(share, span):
        scratch = buffers.buffer("scratch", share, SCRATCH_FLOATS)
        flat = dweight.reshape(-1)
        kernels.unpack_weight_gradient(du, parts, size, outputs, inputs, flat, span.start, span.stop, scratch)

    in_shares(run, work)
    in_shares(unpack, spans_of_weights(chunks, size))
    return dweight


def _grid(y_shape, padding, dilation, channels, weights):
    """Where the tiles of a map (N, H, W, C) are, and how many there are.

    All weights are read once per block. Where they are so many that this takes long, a block has as many
    tiles as possible, even if the tiles then no longer stay in the innermost cache.
    """
    rows, columns = (tile_origins(side, dilation) for side in y_shape[1:3])
    num_tiles = y_shape[0] * len(rows) * len(columns)
    least, most = BLOCK_LIMITS
    fitting = TRANSFORMED_FLOATS // (POINTS * (channels + LANES))
    block = most if weights > WEIGHT_FLOATS else max(least, min(fitting, most))
    block = math.ceil(min(block, num_tiles) / ROWS) * ROWS
    return kernels.Grid(rows, columns, dilation, padding, block), num_tiles
