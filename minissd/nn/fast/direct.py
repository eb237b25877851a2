"""Any convolution as patches times weights, without the large matrix of patches; float32.

This is `minissd.nn.conv_im2col` with the channels last, which changes what costs time. The inputs under an
output place are a few runs of memory, K channels of K places each, so a patch is copied with whole vectors.
A block of patches stays in the cache and is multiplied by the weights right there, six places by 32 output
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
from minissd.nn.fast.layout import empty_channels_last, nhwc
from minissd.nn.fast.sharing import in_shares, spans_of_weights, split_work, splits_chunks
from minissd.nn.fast.simd import LANES
from minissd.nn.fast.sums import bias_only, channel_sums, padded_bias
from minissd.nn.fast.tile import COLUMNS, MANY_ROWS, ROWS
from minissd.nn.fast.workspace import aligned_zeros, workspace

BLOCK_FLOATS = 1 << 17  # of patches: 512 kB
BLOCK_LIMITS = 24, 192  # places in a block, at least and at most


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


def backward(dy, x, weight, stride, padding, dilation, need_dx=True):
    """Return dx, dweight, dbias; the mirror image of `forward`."""
    dy, kernel = nhwc(dy), weight.shape[2]
    dweight = _weight_gradient(nhwc(x), dy, weight.shape, (kernel, stride, padding, dilation))
    dx = None
    if need_dx:
        packed = pack(weight, transpose=True, rotate=stride == 1, out=_weights_buffer(weight))
    if need_dx and stride == 1:
        # The kernel reaches (K - 1) d places back from the last place that an input was used for.
        geometry = kernel, 1, dilation * (kernel - 1) - padding, dilation
        dx = _convolve(dy, packed, None, x.shape, geometry)
    elif need_dx:
        dx = _send_back(dy, packed, x.shape, (kernel, stride, padding, dilation))
    return dx, dweight, channel_sums(dy)


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
    chunks = math.ceil(outputs / LANES)
    size, flat = chunks * taps * inputs * LANES, weight.reshape(-1)
    w = aligned_zeros(size) if out is None else out[:size]

    def run(share, span):
        kernels.pack_weights(
            flat, start, output_step, input_step, tap_step, taps, outputs, inputs, w, span.start, span.stop
        )

    in_shares(run, spans_of_weights(chunks, w.size))
    return w


def _weights_buffer(weight):
    """Memory for packed weights that are used once, in either direction."""
    outputs, inputs = (math.ceil(channels / LANES) * LANES for channels in weight.shape[:2])
    return workspace().buffer("weights", 0, outputs * inputs * weight.shape[2] * weight.shape[3])


def _convolve(x, w, bias, y_shape, geometry, relu=False):
    """Convolve a map with the channels last with packed weights."""
    y_view = empty_channels_last(y_shape)
    if y_view.size == 0 or x.size == 0:
        return bias_only(y_view, bias, relu)
    y = nhwc(y_view)
    outputs = y.shape[3]
    geometry, row = _blocked(geometry, x.shape[3])
    bias, low = padded_bias(bias, outputs), 0.0 if relu else kernels.NO_LIMIT
    buffers = workspace()

    def run(share, piece):
        places, chunks = piece
        kernels.convolve(
            x.reshape(-1),
            x.shape,
            w,
            bias,
            low,
            y.reshape(-1),
            y.shape,
            geometry,
            places.start,
            places.stop,
            chunks.start,
            chunks.stop,
            buffers.buffer("patches", share, geometry.block * row),
            buffers.buffer("edge", share, MANY_ROWS * COLUMNS * LANES),
        )

    depth = geometry.kernel**2 * x.shape[3]
    in_shares(run, split_work(y.size // outputs, math.ceil(outputs / LANES), depth))
    return y_view


def _send_back(dy, w, x_shape, geometry):
    """Gradient for the input of a convolution with a stride, from transposed weights."""
    dx_view = empty_channels_last(x_shape)
    dx = dx_view.transpose(0, 2, 3, 1)
    dx[...] = 0
    if dy.size == 0 or dx.size == 0:
        return dx_view
    outputs, chunks = dy.shape[3], math.ceil(dx.shape[3] / LANES)
    kernel, row = geometry[0], outputs + 2 * LANES
    geometry = kernels.Geometry(*geometry, BLOCK_LIMITS[1])
    places_per_image = dy.shape[1] * dy.shape[2]
    buffers, zeros = workspace(), np.zeros(COLUMNS * LANES, np.float32)

    def run(share, piece):
        images, share_chunks = piece  # whole images: the patches of neighbouring places overlap in dx
        kernels.send_back(
            dy.reshape(-1),
            dy.shape,
            w,
            zeros,
            dx.reshape(-1),
            dx.shape,
            geometry,
            images.start * places_per_image,
            images.stop * places_per_image,
            share_chunks.start,
            share_chunks.stop,
            buffers.buffer("patches", share, geometry.block * row),
            buffers.buffer("products", share, geometry.block * COLUMNS * LANES),
            buffers.buffer("edge", share, MANY_ROWS * COLUMNS * LANES),
        )

    in_shares(run, split_work(len(dy), chunks, places_per_image * kernel**2 * outputs))
    return dx_view


def _weight_gradient(x, dy, weight_shape, geometry):
    """Gradient for the weights, from maps with the channels last."""
    dweight = np.zeros(weight_shape, np.float32)
    if dy.size == 0 or x.size == 0:
        return dweight
    outputs, inputs, kernel, _ = weight_shape
    taps, chunks = kernel * kernel, math.ceil(outputs / LANES)
    size = chunks * math.ceil(taps * inputs / ROWS) * ROWS * LANES
    geometry, row = _blocked(geometry, inputs)
    work = split_work(dy.size // outputs, chunks, taps * inputs)
    parts = 1 if splits_chunks(work) else len(work)  # threads with the same chunks sum up parts of their own
    buffers = workspace()
    dw = buffers.buffer("weight gradient", 0, parts * size)

    def run(share, piece):
        places, share_chunks = piece
        kernels.correlate(
            x.reshape(-1),
            x.shape,
            dy.reshape(-1),
            dy.shape,
            dw,
            share * size if parts > 1 else 0,
            geometry,
            places.start,
            places.stop,
            share_chunks.start,
            share_chunks.stop,
            buffers.buffer("patches", share, geometry.block * row),
            buffers.buffer("gradients", share, geometry.block * chunks * LANES),
        )

    def unpack(share, span):
        flat = dweight.reshape(-1)
        kernels.unpack_weight_gradient(dw, parts, size, taps, outputs, inputs, flat, span.start, span.stop)

    in_shares(run, work)
    in_shares(unpack, spans_of_weights(chunks, size))
    return dweight


def _blocked(geometry, channels):
    """The geometry with a number of places per block, and the distance between patches."""
    row = kernels.row_length(geometry[0] ** 2 * channels)
    least, most = BLOCK_LIMITS
    block = max(least, min(BLOCK_FLOATS // row, most)) // MANY_ROWS * MANY_ROWS
    return kernels.Geometry(*geometry, block), row
