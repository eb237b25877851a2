"""Max pooling."""

from __future__ import annotations

from minissd.errors import InputError
from minissd.nn import pool_readable
from minissd.nn.fast import pool as fast_pool
from minissd.nn.layer import Layer
from minissd.nn.twins import Twins

FUNCTIONS = Twins(pool_readable, fast_pool, "pool")


class MaxPool2d(Layer):
    """The largest value of every window.

    Of equal values the first in the window, row by row, receives the gradient.

    Parameters
    ----------
    kernel_size : int
        Side of the window.
    stride : int, optional
        Step between windows; by default `kernel_size`.
    padding : int
        Border around the map that never wins; at most half of `kernel_size`.
    ceil_mode : bool
        Whether a last window that is only partly on the map counts (a side of 75 becomes 38, not 37). A
        window never begins in the border behind the map.

    Examples
    --------
    >>> MaxPool2d(2, ceil_mode=True).forward(np.arange(9.0).reshape(1, 1, 3, 3))
    array([[[[4., 5.],
             [7., 8.]]]])
    """

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False):
        super().__init__()
        if not 1 <= kernel_size <= 16:
            raise InputError(f"kernel_size: {kernel_size} (1 to 16: a winner's place is stored in 8 bits)")
        if not 0 <= padding <= kernel_size // 2:
            raise InputError(f"padding: {padding} (0 to half of kernel_size: else windows see only padding)")
        if stride is not None and stride < 1:
            raise InputError(f"stride: {stride} (give 1 or more)")
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode

    def output_side(self, side):
        """Side of the output map for a side of the input map."""
        reach = side + 2 * self.padding - self.kernel_size
        if not self.ceil_mode:
            return reach // self.stride + 1
        windows = -(-reach // self.stride) + 1
        return windows - 1 if (windows - 1) * self.stride >= side + self.padding else windows

    def is_2x2(self):
        """Whether the windows are 2x2, side by side, as almost everywhere."""
        return self.kernel_size == self.stride == 2 and self.padding == 0

    def forward(self, x):
        """Pool a batch (N, C, H, W); returns (N, C, H', W')."""
        self._check_input(x)
        height, width = (self.output_side(side) for side in x.shape[2:])
        if min(height, width) < 1:
            raise InputError(f"MaxPool2d: input of shape {x.shape} is smaller than the window")
        shape = (*x.shape[:2], height, width)
        y, winner = FUNCTIONS.of(x).pool(x, shape, self.kernel_size, self.stride, self.padding)
        self._save(x.shape, winner, x.dtype)
        return y

    def backward(self, dy):
        """Send each gradient to the place that won its window."""
        x_shape, winner, dtype = self._recall()
        self._check_upstream(dy, winner.shape)
        dy = dy.astype(dtype, copy=False)
        return FUNCTIONS.of(dy).unpool(dy, winner, x_shape, self.kernel_size, self.stride, self.padding)
