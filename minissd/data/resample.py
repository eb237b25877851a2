"""Resampling: the pixels of a window of an image, on a grid of any size, in one pass.

Every interpolation here is a weighted sum of a few source pixels, first along columns, then along rows. So
an interpolation is only a rule that gives, for each output position of one axis, the *taps*: which source
positions are added up, and with what weights. `TAPS` is the table of these rules; the sum is the same for
all.

The rules are OpenCV's, because the published SSD models were trained and tested with them:

==========  ======================================================================================
linear      two taps at half-pixel centres; no smoothing when shrinking
area        every source pixel, by the share of it that the output pixel covers
nearest     one tap, ``floor(j * scale)``, which is not the pixel nearest to the output pixel's centre
cubic       four taps, Keys' kernel with a = -0.75; no smoothing when shrinking
lanczos     eight taps, Lanczos kernel with a = 4 (``INTER_LANCZOS4``); no smoothing when shrinking
==========  ======================================================================================

A whole image of bytes that is resized by "linear", as for every prediction, goes through OpenCV's arithmetic
of whole numbers (`minissd.data.opencv_resize`). Two differences to OpenCV remain. In other cases bytes can
differ by 1. And where one side shrinks and the other grows, its "area" is another thing than an area.
Pillow's filters of the same names are not these: they widen when an image is shrunk.
"""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled
from minissd.data.opencv_resize import resize_bytes
from minissd.errors import input_error


def resize(image, height, width, interpolation="linear"):
    """Resize an image without keeping its proportions (Caffe's "warp").

    Parameters
    ----------
    image : ndarray of uint8 or float, (H, W, 3)
    height, width : int
        Size of the result.
    interpolation : str
        A key of `TAPS`: ``"linear"``, ``"area"``, ``"nearest"``, ``"cubic"`` or ``"lanczos"``.

    Returns
    -------
    ndarray, (height, width, 3)
        uint8 for uint8, float32 for anything else. Never a view of `image`.

    Raises
    ------
    InputError
        If the interpolation is not known.

    Examples
    --------
    Two pixels become four; the outer ones lie beyond the last centres and repeat the edge.

    >>> resize(np.array([[[0.0], [8.0]]]), 1, 4)[0, :, 0]
    array([0., 2., 6., 8.], dtype=float32)
    """
    if image.shape[:2] == (height, width):
        return image.copy() if image.dtype == np.uint8 else image.astype(np.float32)
    if image.dtype == np.uint8 and interpolation == "linear":
        return resize_bytes(image, height, width)
    source_height, source_width = image.shape[:2]
    rows = axis_taps(interpolation, 0, source_height, source_height, height)
    columns = axis_taps(interpolation, 0, source_width, source_width, width)
    pixels = apply_taps(image, *rows, *columns)
    return to_uint8(pixels) if image.dtype == np.uint8 else pixels


def resample_window(image, window_xyxy, height, width, interpolation="linear"):
    """Resample the part of an image that a window shows.

    Parameters
    ----------
    image : ndarray of uint8 or float, (H, W, 3)
    window_xyxy : array_like, (4,)
        Fractions of the image; it may reach beyond the image on every side.
    height, width : int
        Size of the grid laid over the window.
    interpolation : str
        A key of `TAPS`.

    Returns
    -------
    pixels : ndarray of float32, (h, w, 3)
        Only the grid cells whose centre lies in the image; none at all if the window misses it.
    rows, columns : slice
        Where in the grid they belong.

    Examples
    --------
    A window twice as large as the image, with the image in its top left quarter:

    >>> pixels, rows, columns = resample_window(np.ones((8, 8, 3)), [0, 0, 2, 2], 4, 4)
    >>> pixels.shape, rows, columns
    ((2, 2, 3), slice(0, 2, None), slice(0, 2, None))
    """
    x1, y1, x2, y2 = (float(v) for v in window_xyxy)
    rows, row_taps = _window_taps(interpolation, y1, y2, image.shape[0], height)
    columns, column_taps = _window_taps(interpolation, x1, x2, image.shape[1], width)
    return apply_taps(image, *row_taps, *column_taps), rows, columns


def _window_taps(interpolation, start, stop, size_in, size_out):
    step = (stop - start) / size_out
    centers = start + (np.arange(size_out) + 0.5) * step
    (inside,) = np.nonzero((centers >= 0) & (centers <= 1))
    first, last = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
    edges_px = (start + first * step) * size_in, (start + last * step) * size_in
    return slice(first, last), axis_taps(interpolation, *edges_px, size_in, last - first)


def to_uint8(pixels):
    """Round to the nearest of 0...255 (halves to even, as OpenCV does)."""
    return np.rint(pixels).clip(0, 255).astype(np.uint8)


# -- the taps of one axis ----------------------------------------------------------------------------------


def axis_taps(interpolation, start, stop, size_in, size_out):
    """Source positions and weights of each output position along one axis.

    Parameters
    ----------
    interpolation : str
        A key of `TAPS`.
    start, stop : float
        The stretch of the source that is shown, in source pixels; ``0, size_in`` is all of it.
    size_in, size_out : int
        Number of source pixels of the axis, and of output pixels over the stretch.

    Returns
    -------
    index : ndarray of int64, (size_out, taps)
        Within 0...size_in-1; positions outside repeat the edge.
    weight : ndarray of float32, (size_out, taps)
        Each row sums to 1.

    Examples
    --------
    >>> index, weight = axis_taps("linear", 0, 2, 2, 4)
    >>> weight[1]
    array([0.75, 0.25], dtype=float32)
    """
    if interpolation not in TAPS:
        raise input_error("interpolation", f"{interpolation!r} is not known", f"use one of {', '.join(TAPS)}")
    if size_out == 0:
        return np.zeros((0, 1), np.int64), np.zeros((0, 1), np.float32)
    scale = (stop - start) / size_out  # source pixels per output pixel
    left_edge = start + np.arange(size_out) * scale
    index, weight = TAPS[interpolation](left_edge, scale)
    weight = weight / weight.sum(axis=1, keepdims=True)
    return index.clip(0, size_in - 1).astype(np.int64), weight.astype(np.float32)


def _nearest(left_edge, scale):
    # The small number keeps 3 * (1/3) from falling to 0.999... and so to the wrong pixel.
    return np.floor(left_edge[:, None] + 1e-9), np.ones((len(left_edge), 1))


def _area(left_edge, scale):
    index = np.floor(left_edge)[:, None] + np.arange(int(np.ceil(scale)) + 1)
    right_end = np.minimum(index + 1, left_edge[:, None] + scale)
    return index, (right_end - np.maximum(index, left_edge[:, None])).clip(0)


def _linear(left_edge, scale):
    return _around_center(left_edge, scale, 2, lambda t: (1 - t).clip(0))


def _cubic(left_edge, scale, a=-0.75):
    def keys(t):  # R. Keys, "Cubic convolution interpolation for digital image processing", 1981
        near = ((a + 2) * t - (a + 3)) * t * t + 1
        far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
        return np.where(t <= 1, near, np.where(t < 2, far, 0))

    return _around_center(left_edge, scale, 4, keys)


def _lanczos(left_edge, scale):
    return _around_center(left_edge, scale, 8, lambda t: np.sinc(t) * np.sinc(t / 4))


def _around_center(left_edge, scale, taps, kernel):
    center = left_edge + scale / 2 - 0.5  # in units where source pixel i has its centre at i
    index = np.floor(center)[:, None] + np.arange(1 - taps // 2, taps // 2 + 1)
    return index, kernel(np.abs(center[:, None] - index))


TAPS = {"linear": _linear, "area": _area, "nearest": _nearest, "cubic": _cubic, "lanczos": _lanczos}


# -- the sum over the taps, twice --------------------------------------------------------------------------


def apply_taps(image, row_index, row_weight, column_index, column_weight):
    """Add up the taps of both axes: ``out[y, x] = sum of row_weight * column_weight * image``.

    The compiled loops blend whole source rows first, because these are contiguous in memory and the compiler
    can then take many values at a time; only the one blended row is read crosswise. Pixels and channels of a
    row are one long line there, because a loop over three channels is too short to be fast.

    Parameters
    ----------
    image : ndarray, (H, W, channels)
    row_index, row_weight : ndarray, (rows, taps)
    column_index, column_weight : ndarray, (columns, taps)

    Returns
    -------
    ndarray of float32, (rows, columns, channels)
    """
    height, width, channels = image.shape
    out = np.empty((len(row_index), len(column_index), channels), np.float32)
    if out.size == 0:
        return out
    lines = np.ascontiguousarray(image, np.uint8 if image.dtype == np.uint8 else np.float32)
    lines = lines.reshape(height, width * channels)
    lines.flags.writeable = False  # of this view; else Numba would compile for either kind of array
    first, last = int(column_index.min()) * channels, (int(column_index.max()) + 1) * channels
    index = column_index.T[..., None] * channels + np.arange(channels) - first  # (taps, columns, channels)
    weight = np.repeat(column_weight.T, channels, axis=1)  # (taps, columns * channels)
    index = index.reshape(weight.shape).astype(np.uint32, order="C")
    _blend(lines, row_index, row_weight, index, weight, first, last, out.reshape(len(out), -1))
    return out


def apply_taps_by_matrices(image, row_index, row_weight, column_index, column_weight):
    """The same as `apply_taps`, slowly: each axis is one multiplication with a matrix of weights."""
    rows = _weight_matrix(row_index, row_weight, image.shape[0])  # (rows, H)
    columns = _weight_matrix(column_index, column_weight, image.shape[1])  # (columns, W)
    return np.einsum("yh,xw,hwc->yxc", rows, columns, image, optimize=True).astype(np.float32)


def _weight_matrix(index, weight, size_in):
    matrix = np.zeros((len(index), size_in))
    np.add.at(matrix, (np.arange(len(index))[:, None], index), weight)
    return matrix


@compiled
def _blend(lines, row_index, row_weight, index, weight, first, last, out):
    """Blend source lines from number `first` to before `last`; then numbers of the blended line."""
    blended = np.empty(last - first, np.float32)
    for y in range(len(out)):
        blended[:] = 0
        for k in range(row_index.shape[1]):
            line, share = lines[row_index[y, k], first:last], row_weight[y, k]
            for i in range(len(blended)):
                blended[i] += share * line[i]
        result = out[y]
        result[:] = 0
        for k in range(len(index)):
            number, shares = index[k], weight[k]
            for i in range(len(result)):
                result[i] += shares[i] * blended[number[i]]
