"""Memory for intermediate results that is used again and again.

Fresh memory is slow: the operating system hands it out in pages of zeros, one interruption each. The kernels
therefore keep their buffers from call to call. Each thread that calls them has a workspace of its own, so two
models in two threads do not meet, and it goes when its thread ends.
"""

from __future__ import annotations

import math
import threading

import numpy as np

CACHE_LINE = 64  # bytes


def aligned_zeros(*shape):
    """Zeros (float32) that begin on a cache line, so that no vector lies across two."""
    size = math.prod(shape)
    memory = np.zeros(size + CACHE_LINE // 4, np.float32)
    start = -(memory.ctypes.data // 4) % (CACHE_LINE // 4)
    return memory[start : start + size].reshape(shape)


class Workspace:
    """Named buffers that grow to the largest size that was ever asked for.

    Examples
    --------
    >>> workspace = Workspace()
    >>> workspace.buffer("columns", 100).size
    100
    >>> workspace.nbytes, workspace.buffer("columns", 50).size, workspace.nbytes
    (400, 100, 400)
    """

    def __init__(self):
        self._buffers: dict[tuple, np.ndarray] = {}

    def buffer(self, name, size):
        """At least `size` float32 with any content."""
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name] = aligned_zeros(size)
        return buffer

    @property
    def nbytes(self):
        """Bytes held."""
        return sum(buffer.nbytes for buffer in self._buffers.values())

    def release(self):
        """Give all memory back."""
        self._buffers.clear()


_of_thread = threading.local()


def workspace():
    """The calling thread's workspace."""
    if not hasattr(_of_thread, "workspace"):
        _of_thread.workspace = Workspace()
    return _of_thread.workspace
