"""`minissd.nn.update_readable` as kernels: all parameters in one start.

A network has a hundred parameters, most of them so small that starting a kernel takes longer than its work.
So the GPU is told where all of them lie, and shares them out itself.
"""

from __future__ import annotations

import functools
import sys

import numpy as np

from minissd.backend import is_cuda
from minissd.nn.cuda.source import THREADS, kernel
from minissd.nn.twins import is_cuda_float32

NUMBERS = 1 << 12  # that a block of threads deals with


def fits(array):
    """Whether this module is made for this array: CuPy's float32, in one piece of memory."""
    return is_cuda_float32(array) and array.flags.c_contiguous


def descend(updates, momentum, shrink):
    """Change parameters and velocities; see `minissd.nn.update_readable.descend`.

    Parameters
    ----------
    updates : sequence of minissd.nn.update_readable.Update
        Their three arrays must be of one shape and such that `fits` says so.
    momentum : float
    shrink : float or array of no axes
        An array stays on the GPU.
    """
    updates = [update for update in updates if update.parameter.size]
    if not updates:
        return
    rows = [u.parameter for u in updates], [u.grad for u in updates], [u.velocity for u in updates]
    table, where = _table(*rows)
    rates = table.rates.on_gpu(np.array([[u.rate for u in updates], [u.decay for u in updates]], np.float32))
    on_gpu = is_cuda(shrink)
    factor = shrink.astype(np.float32) if on_gpu else rates  # or an array in its place that is not read
    numbers = np.float32(momentum), np.float32(1 if on_gpu else shrink), factor, np.int32(on_gpu)
    table.start("descend", *where, rates, np.int32(table.count), *numbers)


def sum_of_squares(arrays):
    """Sum of the squares of all numbers of all arrays: an array of no axes, float64, on the GPU."""
    xp = sys.modules["cupy"]
    arrays = [array for array in arrays if array.size]
    if not arrays:
        return xp.zeros(())
    table, where = _table(arrays)
    sums = xp.empty(table.blocks)
    table.start("sum_of_squares", *where, np.int32(table.count), sums)
    return sums.sum()


def _table(*rows):
    """The table of rows of arrays, and what kernels are told: addresses, pieces before each array, sizes."""
    addresses = np.array([[array.data.ptr for array in arrays] for arrays in rows], np.int64)
    table = _cached(sys.modules["cupy"], len(rows), tuple(a.size for a in rows[0]), rows[0][0].device.id)
    return table, (table.addresses.on_gpu(addresses), table.pieces, table.sizes)


class _Table:
    """How arrays of some sizes are cut into pieces, and what was last sent about such arrays."""

    def __init__(self, xp, sizes):
        pieces = np.cumsum([0, *(-(-size // NUMBERS) for size in sizes)])
        self.count, self.blocks = len(sizes), int(pieces[-1])
        self.pieces, self.sizes = (xp.asarray(np.array(row, np.int64)) for row in (pieces, sizes))
        self.addresses, self.rates = _Sent(xp), _Sent(xp)

    def start(self, name, *arguments):
        """Start a kernel with a block for every piece."""
        kernel(__file__, name, NUMBERS=NUMBERS)((self.blocks,), (THREADS,), arguments)


class _Sent:
    """Numbers that are sent to the GPU when they have changed."""

    def __init__(self, xp):
        self._xp, self._last = xp, (None, None)

    def on_gpu(self, numbers):
        """The numbers, there."""
        known, sent = self._last  # as a pair, which another thread replaces at once
        if known is None or not np.array_equal(numbers, known):
            sent = self._xp.asarray(numbers)
            self._last = numbers, sent
        return sent


@functools.lru_cache(maxsize=8)
def _cached(xp, rows, sizes, device):
    """The table of a network, made once; the addresses of its gradients may be others in every step."""
    return _Table(xp, sizes)
