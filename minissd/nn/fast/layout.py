"""Channels last: the layout in memory that the fast kernels read and write.

An array of shape (N, C, H, W) need not lie in memory in that order. With *channels last* the C numbers of one
place are neighbours, so they fill vectors at any map size, and a place moves as one run of memory. The shape
stays (N, C, H, W); only the strides differ, and nobody who looks at the array sees a difference.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from minissd.compilation import compiled
from minissd.nn.fast.simd import LANES
from minissd.nn.fast.team import share_out, team
from minissd.nn.fast.workspace import CACHE_LINE, empty_map

MANY_NUMBERS = 1 << 23  # 32 MB
BLOCK = 16  # places that are transposed at a time: one cache line of each channel


def nhwc(x):
    """Channels-last view of an (N, C, H, W) array, copied only where its memory is in another order.

    Parameters
    ----------
    x : ndarray, (N, C, H, W)

    Returns
    -------
    ndarray of float32, (N, H, W, C), contiguous

    Examples
    --------
    >>> x = empty_channels_last((2, 3, 4, 5))
    >>> nhwc(x).base is x.base
    True
    """
    view = x.astype(np.float32, copy=False).transpose(0, 2, 3, 1)
    if view.flags.c_contiguous and view.flags.writeable:  # Numba would compile again for read-only arrays
        return view
    y = empty_map(view.size).reshape(view.shape)
    if x.size:
        _to_channels_last(team().mailbox, view, y)
    return y


def empty_channels_last(shape, dtype=np.float32):
    """An (N, C, H, W) array, not filled, whose memory has the channels last."""
    n, c, h, w = shape
    memory = empty_map(n * h * w * c) if dtype == np.float32 else np.empty(n * h * w * c, dtype)
    return memory.reshape(n, h, w, c).transpose(0, 3, 1, 2)


def is_streamed(x):
    """Whether (N, H, W, C) is so large that no cache holds it until it is read, and fit for `simd.stream`."""
    whole = x.shape[3] % LANES == 0 and x.ctypes.data % CACHE_LINE == 0
    return whole and x.size > MANY_NUMBERS


def is_float32(x):
    """Whether the compiled functions are made for this array: NumPy's, float32."""
    return isinstance(x, np.ndarray) and x.dtype == np.float32


def is_channels_last(x):
    """Whether the channels are last in memory, so that `nhwc` does not copy.

    Examples
    --------
    >>> is_channels_last(np.zeros((2, 3, 4, 5))), is_channels_last(empty_channels_last((2, 3, 4, 5)))
    (False, True)
    """
    return x.ndim == 4 and x.transpose(0, 2, 3, 1).flags.c_contiguous


@njit(nogil=True)
def _transpose_row(thread, row, x, y):
    """Transpose an image row, sixteen places at a time, so that both sides stay in the cache."""
    height, width, channels = y.shape[1:]
    n, h = row // height, row % height
    for start in range(0, width, BLOCK):
        stop = min(start + BLOCK, width)
        for c in range(channels):
            for w in range(start, stop):
                y[n, h, w, c] = x[n, h, w, c]


@compiled
def _to_channels_last(mailbox, x, y):
    share_out(mailbox, y.shape[0] * y.shape[1], _transpose_row, (x, y))
