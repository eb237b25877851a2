"""OpenCV's bilinear resizing of 8-bit images, bit for bit, because published weights are used with it.

It computes in whole numbers: weights are multiples of 1/2048, and what is lost when an intermediate result is
shifted right is lost. About one value in ten is therefore one less than the exact result rounded; a network
notices: of 200 detections a handful change.
"""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled

ONE = 2048  # the weight 1


def resize_bytes(image, height, width):
    """Resize as ``cv2.resize(image, (width, height))`` does.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, channels)
    height, width : int
        Size of the result.

    Returns
    -------
    ndarray of uint8, (height, width, channels)

    Examples
    --------
    Between 10 and 13 lie 10.75 and 12.25; the fractions are lost.

    >>> resize_bytes(np.array([[[10], [13]]], np.uint8), 1, 4)[0, :, 0]
    array([10, 11, 12, 13], dtype=uint8)
    """
    source_height, source_width, channels = image.shape
    lines = np.ascontiguousarray(image).reshape(source_height, source_width * channels)
    lines.flags.writeable = False  # of this view; else Numba would compile for either kind of array
    index, weight = column_taps(source_width, width)
    index = (index[..., None] * channels + np.arange(channels)).reshape(2, -1)  # of numbers instead of pixels
    out = np.empty((height, width * channels), np.uint8)
    _blend(lines, *row_taps(source_height, height), index, np.repeat(weight, channels, axis=1), out)
    return out.reshape(height, width, channels)


def resize_bytes_by_arrays(image, height, width):
    """The same as `resize_bytes`, in the four lines that it comes down to."""
    (top, bottom), (top_weight, bottom_weight) = row_taps(image.shape[0], height)
    (left, right), (left_weight, right_weight) = column_taps(image.shape[1], width)
    image = image.astype(np.int32)
    rows = (image[:, left] * left_weight[:, None] + image[:, right] * right_weight[:, None]) >> 4
    above = (rows[top] * top_weight[:, None, None]) >> 16
    below = (rows[bottom] * bottom_weight[:, None, None]) >> 16
    return ((above + below + 2) >> 2).astype(np.uint8)


def row_taps(size_in, size_out):
    """The two source rows of each output row, and their weights in 1/2048.

    Parameters
    ----------
    size_in, size_out : int

    Returns
    -------
    index, weight : ndarray of int32, (2, size_out)
        At the border both rows are the same one.
    """
    center = ((np.arange(size_out) + 0.5) * (size_in / size_out) - 0.5).astype(np.float32)
    first = np.floor(center)
    share = center - first  # of the second; float32, as there
    weight = np.rint(np.stack([1 - share, share]) * ONE).astype(np.int32)
    index = np.stack([first, first + 1]).clip(0, size_in - 1).astype(np.int32)
    return index, weight


def column_taps(size_in, size_out):
    """The two source columns of each output column, and their weights in 1/2048.

    At the border, unlike `row_taps`, the column there has all the weight, so that nothing is lost twice.
    """
    index, weight = row_taps(size_in, size_out)
    border = index[0] == index[1]
    weight[:, border] = [[ONE], [0]]
    return index, weight


@compiled
def _blend(lines, rows, row_weight, index, weight, out):
    left, right, left_weight, right_weight = index[0], index[1], weight[0], weight[1]
    for y in range(len(out)):
        above, below = lines[rows[0, y]], lines[rows[1, y]]
        for i in range(out.shape[1]):
            first = (above[left[i]] * left_weight[i] + above[right[i]] * right_weight[i]) >> 4
            second = (below[left[i]] * left_weight[i] + below[right[i]] * right_weight[i]) >> 4
            total = ((first * row_weight[0, y]) >> 16) + ((second * row_weight[1, y]) >> 16)
            out[y, i] = (total + 2) >> 2
