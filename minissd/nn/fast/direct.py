"""Any convolution as patches times weights, without the large matrix of patches; float32.

This is `minissd.nn.conv_im2col` with the channels last, which changes what costs time. The inputs under an
output place are a few runs of memory, K channels of K places each, so a patch is copied with whole vectors.
A block of patches stays in the cache and is multiplied by the weights right there, some places by 32 output
channels at a time in registers; bias and ReLU are applied before the result leaves them.

The gradient for the input is, at stride 1, again a convolution: of dy, with rotated weights. At other strides
every output place sends its gradient back to the inputs that it came from. The gradient for the weights is a
sum of outer products of patches and output gradients.
"""

from __future__ import annotations

import math

import numpy as np

from minissd.nn.conv_shape import output_side
from minissd.nn.fast import direct_kernels as kernels
from minissd.nn.fast import direct_weights as weights
from minissd.nn.fast.layout import empty_channels_last, nhwc
from minissd.nn.fast.products import NO_LIMIT, count_chunks, padded_rows
from minissd.nn.fast.simd import LANES
from minissd.nn.fast.sums import bias_only, channel_sums, padded_bias
from minissd.nn.fast.team import team
from minissd.nn.fast.tile import MANY_ROWS
from minissd.nn.fast.workspace import aligned_zeros, workspace

BLOCK_FLOATS = 1 << 17  # of patches that one thread works on at a time: 512 kB
BLOCK_LIMITS = 28, 196  # places in such a block, at least and at most
MANY_WEIGHTS = 1 << 18  # that should not pass through the cache of every thread: 1 MB
PLACES_BY_CHUNKS = 392  # that all threads work on at a time


def forward(x, weight, bias, stride, padding, dilation, relu=False, packed=None):
    """Convolve; see `minissd.nn.Conv2d` for shapes.

    Parameters
    ----------
    x : ndarray of float32, (N, I, H, W)
        In any memory order; fastest with the channels last.
    weight : ndarray of float32, (O, I, K, K)
    bias : ndarray of float32, (O,), or None
    stride, padding, dilation : int
    relu : bool
        Whether to return ``max(y, 0)``.
    packed : ndarray, optional
        `pack` of the weight, for a network whose weights do not change.

    Returns
    -------
    ndarray of float32, (N, O, H', W'), channels last in memory
    """
    outputs, _, kernel, _ = weight.shape
    packed = pack(weight, out=_weights_buffer(weight)) if packed is None else packed
    sides = (output_side(side, kernel, stride, padding, dilation) for side in x.shape[2:])
    geometry = kernel, stride, padding, dilation
    return _convolve(nhwc(x), packed, bias, (len(x), outputs, *sides), geometry, relu)


def backward(dy, x, weight, stride, padding, dilation, need_dx=True, need_dbias=True):
    """Return dx, dweight, dbias; the mirror image of `forward`."""
    dy = nhwc(dy)
    dweight = _weight_gradient(nhwc(x), dy, weight.shape, (weight.shape[2], stride, padding, dilation))
    dx = input_gradient(dy, weight, x.shape, stride, padding, dilation) if need_dx else None
    return dx, dweight, channel_sums(dy) if need_dbias else None


def input_gradient(dy, weight, x_shape, stride, padding, dilation):
    """Return dx for dy (N, H', W', O)."""
    kernel = weight.shape[2]
    packed = pack(weight, transpose=True, rotate=stride == 1, out=_weights_buffer(weight))
    if stride > 1:
        return _send_back(dy, packed, x_shape, (kernel, stride, padding, dilation))
    # The kernel reaches (K - 1) d places back from the last place that an input was used for.
    return _convolve(dy, packed, None, x_shape, (kernel, 1, dilation * (kernel - 1) - padding, dilation))


def pack(weight, transpose=False, rotate=False, out=None):
    """Put weights (O, I, K, K) into the order in which they are read.

    Parameters
    ----------
    weight : ndarray of float32, (O, I, K, K)
    transpose : bool
        Exchange O and I, for the gradient of the input.
    rotate : bool
        Rotate the kernels by 180 degrees.
    out : ndarray of float32, flat, optional
        Memory to use, at least as large as the result.

    Returns
    -------
    ndarray of float32, (ceil(O / 16) * K * K * I * 16,)
        ``[chunk of outputs][kernel place][input][output within the chunk]``, zeros for outputs behind O.
    """
    weight = np.ascontiguousarray(weight)
    outputs, inputs = weight.shape[:2]
    taps = weight.shape[2] * weight.shape[3]
    output_step, input_step = inputs * taps, taps
    if transpose:
        outputs, inputs, output_step, input_step = inputs, outputs, input_step, output_step
    start, tap_step = (taps - 1, -1) if rotate else (0, 1)
    layout = start, output_step, input_step, tap_step
    size = count_chunks.py_func(outputs) * taps * inputs * LANES
    w = aligned_zeros(size) if out is None else out[:size]
    weights.pack(team().mailbox, weight.reshape(-1), layout, taps, outputs, inputs, w)
    return w


def _weights_buffer(weight):
    """Memory for packed weights that are used once, in either direction."""
    outputs, inputs = (math.ceil(channels / LANES) * LANES for channels in weight.shape[:2])
    return workspace().buffer("weights", outputs * inputs * weight.shape[2] * weight.shape[3])


def _convolve(x, w, bias, y_shape, geometry, relu=False):
    """Convolve a map with the channels last with packed weights."""
    y_view = empty_channels_last(y_shape)
    if y_view.size == 0 or x.size == 0:
        return bias_only(y_view, bias, relu)
    y = nhwc(y_view)
    by_chunks = _by_chunks(w.size, y.size // y.shape[3], y.shape[3])
    geometry = _blocked(geometry, geometry[0] ** 2 * x.shape[3], y.size // y.shape[3], by_chunks)
    blocks = 1 if by_chunks else team().size
    room = blocks * geometry.block + MANY_ROWS  # the last strip reads some rows more
    kernels.convolve(
        team().mailbox,
        x.reshape(-1),
        x.shape,
        w,
        padded_bias(bias, y.shape[3]),
        0.0 if relu else NO_LIMIT,
        y.reshape(-1),
        y.shape,
        geometry,
        by_chunks,
        workspace().buffer("patches", room * geometry.row),
    )
    return y_view


def _send_back(dy, w, dx_shape, geometry):
    """Gradient for the input of a convolution with a stride, from packed weights."""
    dx_view = empty_channels_last(dx_shape)
    dx = nhwc(dx_view)
    dx[...] = 0
    if dy.size == 0 or dx.size == 0:
        return dx_view
    outputs, buffers = dy.shape[3], workspace()
    geometry = _blocked(geometry, outputs, dy.size // outputs, by_chunks=True)
    kernels.send_back(
        team().mailbox,
        dy.reshape(-1),
        dy.shape,
        w,
        dx.reshape(-1),
        dx.shape,
        geometry,
        buffers.buffer("patches", (geometry.block + MANY_ROWS) * geometry.row),
        buffers.buffer("products", team().size * geometry.block * LANES),
    )
    return dx_view


def _weight_gradient(x, dy, weight_shape, geometry):
    """Gradient for the weights, from maps with the channels last."""
    dweight = np.zeros(weight_shape, np.float32)
    if dy.size == 0 or x.size == 0:
        return dweight
    outputs, inputs, kernel, _ = weight_shape
    taps, chunks = kernel * kernel, count_chunks.py_func(outputs)
    size = chunks * padded_rows.py_func(taps * inputs) * LANES
    places = dy.size // outputs
    parts = 1 if _by_chunks(size, places, outputs) else team().size
    geometry = _blocked(geometry, taps * inputs, places, parts == 1)
    buffers = workspace()
    w = buffers.buffer("weights", parts * size)
    kernels.correlate(
        team().mailbox,
        x.reshape(-1),
        x.shape,
        dy.reshape(-1),
        dy.shape,
        geometry,
        parts,
        buffers.buffer("patches", (parts * geometry.block + MANY_ROWS) * geometry.row),
        buffers.buffer("products", parts * geometry.block * chunks * LANES),
        w,
    )
    weights.unpack_gradient(team().mailbox, w, parts, size, taps, outputs, inputs, dweight.reshape(-1))
    return dweight


def _by_chunks(weights, places, outputs):
    """Whether the threads share out chunks of outputs, and not places."""
    enough = outputs >= LANES * kernels.CHUNKS_PER_PIECE * team().size
    return enough and (weights > MANY_WEIGHTS or places < MANY_ROWS * team().size)


def _blocked(geometry, depth, places, by_chunks):
    """The geometry with a number of places per block, and the distance between patches."""
    row = math.ceil(depth / LANES) * LANES + LANES
    least, most = BLOCK_LIMITS
    block = PLACES_BY_CHUNKS if by_chunks else max(least, min(BLOCK_FLOATS // row, most))
    share = places if by_chunks else math.ceil(places / team().size)
    block = min(block, math.ceil(share / MANY_ROWS) * MANY_ROWS)
    return kernels.Geometry(*geometry, block, depth, row)
