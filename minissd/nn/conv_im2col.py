"""Convolution as matrix products: copy every patch into a column, multiply, copy back.

A patch of C x K x K input values under one output value becomes one column; the weights become an
(O, C K K) matrix; and the convolution is one product with all columns. The columns hold each input value
K K times, so they are made block by block: the memory stays bounded whatever the layer, and a block is still
in the cache when the product reads it, which is why small blocks are also the fast ones.
"""

from __future__ import annotations

import numpy as np

from minissd.backend import get_array_module, is_cuda
from minissd.compilation import compiled, part
from minissd.nn.conv_shape import output_side
from minissd.nn.threads import in_threads, num_threads, one_blas_thread, shares

BLOCK_BYTES = 16 << 20  # of columns, at the most
CACHE_BYTES = 2 << 20  # of columns that are still in the cache when they are used


def forward(x, weight, bias, stride, padding, dilation):
    """Convolve; see `minissd.nn.Conv2d` for shapes."""
    xp = get_array_module(x)
    out_channels, _, kernel, _ = weight.shape
    height, width = (output_side(side, kernel, stride, padding, dilation) for side in x.shape[2:])
    y = xp.empty((len(x), out_channels, height, width), x.dtype)
    matrix = weight.reshape(out_channels, -1)  # (O, C*K*K)

    def convolve(share):
        for images, rows in share:
            columns = im2col(x[images], rows, width, kernel, stride, padding, dilation)
            y_block = matrix @ columns  # (O, n * rows * width)
            if bias is not None:
                y_block += bias[:, None]
            num_rows = rows.stop - rows.start
            y[images, :, rows] = y_block.reshape(out_channels, -1, num_rows, width).swapaxes(0, 1)

    work = [block for image in blocks(y.shape, matrix.shape[1], x.dtype.itemsize) for block in image]
    run_shares(convolve, _shares(work, x))
    return y


def backward(dy, x, weight, stride, padding, dilation, need_dx=True):
    """Return dx, dweight, dbias; the mirror image of `forward`."""
    xp = get_array_module(x)
    out_channels, _, kernel, _ = weight.shape
    matrix = weight.reshape(out_channels, -1)
    dx = xp.zeros_like(x) if need_dx else None

    def differentiate(share):
        dmatrix = xp.zeros_like(matrix)
        for images, rows in (block for image in share for block in image):
            dy_block = xp.ascontiguousarray(dy[images, :, rows].swapaxes(0, 1)).reshape(out_channels, -1)
            columns = im2col(x[images], rows, dy.shape[3], kernel, stride, padding, dilation)
            dmatrix += dy_block @ columns.T
            if need_dx:
                dcolumns = matrix.T @ dy_block
                col2im(dcolumns, dx[images], rows, dy.shape[3], kernel, stride, padding, dilation)
        return dmatrix

    # A thread takes whole images, because the patches of neighbouring rows overlap in dx.
    work = blocks(dy.shape, matrix.shape[1], x.dtype.itemsize)
    dmatrix = sum(run_shares(differentiate, _shares(work, x)))
    return dx, dmatrix.reshape(weight.shape), dy.sum(axis=(0, 2, 3))


def run_shares(function, pieces):
    """Run each share in a thread of its own. One share alone leaves all cores to the matrix products."""
    if len(pieces) == 1:
        return [function(pieces[0])]
    with one_blas_thread():
        return in_threads(function, pieces)


def _shares(work, x):
    """Share work out to the threads; that for a GPU, which has its own, is left in one piece."""
    return [work] if is_cuda(x) else shares(work)


def blocks(y_shape, column_length, itemsize):
    """Cut the output into blocks whose columns take at most `BLOCK_BYTES`, one output row at the least.

    A block is small enough for the cache, unless the weights are large: every block reads all of them, so
    it should hold more columns than there are weights.

    Returns
    -------
    list of list of (slice, slice)
        Images and rows of each block: several whole images where they are small, else some rows of one
        image. Blocks of the same images are in one list.
    """
    num_images, out_channels, height, width = y_shape
    block_bytes = min(BLOCK_BYTES, max(CACHE_BYTES, 2 * out_channels * column_length * itemsize))
    rows_at_once = max(1, block_bytes // max(column_length * width * itemsize, 1))
    fair_share = -(-num_images // num_threads())
    images_at_once = max(1, min(rows_at_once // max(height, 1), fair_share))
    return [
        [
            (
                slice(image, min(image + images_at_once, num_images)),
                slice(row, min(row + rows_at_once, height)),
            )
            for row in range(0, height, rows_at_once)
        ]
        for image in range(0, num_images, images_at_once)
    ]


def im2col(x, rows, width, kernel, stride, padding, dilation):
    """Copy the patches under some output rows into columns.

    Parameters
    ----------
    x : ndarray, (n, C, H, W)
    rows : slice
        Output rows.
    width : int
        Columns of the output map.
    kernel, stride, padding, dilation : int

    Returns
    -------
    ndarray, (C*K*K, n * rows * width)
        Row ``(c*K + i)*K + j`` holds what the weight at (c, i, j) is multiplied with; 0 in the padding.
    """
    num_images, channels = x.shape[:2]
    shape = (channels, kernel, kernel, num_images, rows.stop - rows.start, width)
    xp = get_array_module(x)
    if xp is np:
        columns = np.empty(shape, x.dtype)
        _im2col_numba(x, columns, rows.start, stride, padding, dilation)
    else:
        columns = im2col_slices(x, shape, rows.start, stride, padding, dilation)
    return columns.reshape(channels * kernel * kernel, -1)


def col2im(dcolumns, dx, rows, width, kernel, stride, padding, dilation):
    """Add every column back to the patch that it came from: the transpose of `im2col`, into `dx`."""
    num_images, channels = dx.shape[:2]
    dcolumns = dcolumns.reshape(channels, kernel, kernel, num_images, rows.stop - rows.start, width)
    if get_array_module(dx) is np:
        _col2im_numba(dcolumns, dx, rows.start, stride, padding, dilation)
    else:
        col2im_slices(dcolumns, dx, rows.start, stride, padding, dilation)


def im2col_slices(x, shape, first_row, stride, padding, dilation):
    """`im2col` to read: one strided slice of the padded input per kernel position."""
    xp = get_array_module(x)
    _, kernel, _, _, num_rows, width = shape
    padded = xp.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    columns = xp.empty(shape, x.dtype)
    for i in range(kernel):
        for j in range(kernel):
            top, left = first_row * stride + i * dilation, j * dilation
            patch = padded[:, :, top::stride, left::stride][:, :, :num_rows, :width]
            columns[:, i, j] = patch.swapaxes(0, 1)  # (C, n, rows, width)
    return columns


def col2im_slices(dcolumns, dx, first_row, stride, padding, dilation):
    """`col2im` to read: the slices of `im2col_slices`, added to instead of read."""
    xp = get_array_module(dx)
    _, kernel, _, _, num_rows, width = dcolumns.shape
    padded = xp.pad(xp.zeros_like(dx), ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    for i in range(kernel):
        for j in range(kernel):
            top, left = first_row * stride + i * dilation, j * dilation
            patch = padded[:, :, top::stride, left::stride][:, :, :num_rows, :width]
            patch += dcolumns[:, i, j].swapaxes(0, 1)
    dx += padded[:, :, padding : padding + dx.shape[2], padding : padding + dx.shape[3]]


@part
def _inside(count, side, offset, stride):
    """First and last-plus-one output position whose input ``position * stride + offset`` is on the map."""
    first = max(0, -(offset // stride)) if offset < 0 else 0
    last = min(count, (side - 1 - offset) // stride + 1)
    return first, max(first, last)


@compiled
def _im2col_numba(x, columns, first_row, stride, padding, dilation):
    """`im2col_slices` without the padded copy."""
    channels, kernel, _, num_images, num_rows, width = columns.shape
    height_in, width_in = x.shape[2:]
    for line in range(channels * kernel * kernel):
        c, i, j = line // (kernel * kernel), line // kernel % kernel, line % kernel
        left = j * dilation - padding
        first, last = _inside(width, width_in, left, stride)
        for n in range(num_images):
            for row in range(num_rows):
                target = columns[c, i, j, n, row]
                y = (first_row + row) * stride + i * dilation - padding
                if y < 0 or y >= height_in:
                    target[:] = 0
                    continue
                target[:first] = 0
                target[last:] = 0
                source = x[n, c, y]
                for column in range(first, last):
                    target[column] = source[column * stride + left]


@compiled
def _col2im_numba(dcolumns, dx, first_row, stride, padding, dilation):
    """`col2im_slices` without the padded copy."""
    channels, kernel, _, num_images, num_rows, width = dcolumns.shape
    height_in, width_in = dx.shape[2:]
    for c in range(channels):
        for n in range(num_images):
            for i in range(kernel):
                for row in range(num_rows):
                    y = (first_row + row) * stride + i * dilation - padding
                    if y < 0 or y >= height_in:
                        continue
                    for j in range(kernel):
                        left = j * dilation - padding
                        first, last = _inside(width, width_in, left, stride)
                        for column in range(first, last):
                            dx[n, c, y, column * stride + left] += dcolumns[c, i, j, n, row, column]
