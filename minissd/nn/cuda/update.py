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
    table = _table([u.parameter for u in updates], [u.grad for u in updates], [u.velocity for u in updates])
    rates = table.rates(np.array([[u.rate for u in updates], [u.decay for u in updates]], np.float32))
    on_gpu = is_cuda(shrink)
    factor = shrink.astype(np.float32) if on_gpu else rates  # or an array in its place that is not read
    numbers = np.float32(momentum), np.float32(1 if on_gpu else shrink), factor, np.int32(on_gpu)
    table.start("descend", *table.arrays, rates, np.int32(table.count), *numbers)


def sum_of_squares(arrays):
    """Sum of the squares of all numbers of all arrays: an array of no axes, float64, on the GPU."""
    xp = sys.modules["cupy"]
    arrays = [array for array in arrays if array.size]
    if not arrays:
        return xp.zeros(())
    table = _table(arrays)
    sums = xp.empty(table.blocks)
    table.start("sum_of_squares", *table.arrays, np.int32(table.count), sums)
    return sums.sum()


def _table(first, *others):
    addresses = tuple(array.data.ptr for arrays in (first, *others) for array in arrays)
    return _cached(sys.modules["cupy"], addresses, tuple(array.size for array in first), first[0].device.id)


class _Table:
    """Where arrays lie, for the GPU: `arrays` are the addresses, the pieces before each, and the sizes."""

    def __init__(self, xp, addresses, sizes):
        pieces = np.cumsum([0, *(-(-size // NUMBERS) for size in sizes)])
        self.count, self.blocks = len(sizes), int(pieces[-1])
        self.arrays = [xp.asarray(np.array(row, np.int64)) for row in (addresses, pieces, sizes)]
        self._xp, self._rates, self._known = xp, None, None

    def rates(self, rates):
        """The rates and decays, sent to the GPU when they have changed."""
        if self._known is None or not np.array_equal(rates, self._known):
            self._known, self._rates = rates, self._xp.asarray(rates)
        return self._rates

    def start(self, name, *arguments):
        """Start a kernel with a block for every piece."""
        kernel(__file__, name, NUMBERS=NUMBERS)((self.blocks,), (THREADS,), arguments)


@functools.lru_cache(maxsize=8)
def _cached(xp, addresses, sizes, device):
    """The table, made when an address is new: CuPy gives new arrays the same memory step after step."""
    return _Table(xp, addresses, sizes)
