"""Memory that is used again and again.

Fresh memory is slow: the operating system hands it out in pages of zeros, one interruption each. A model
therefore has a workspace, which keeps two kinds of memory from call to call: *buffers* for what the kernels
need while they run, and *maps*, the results of layers. Within ``with workspace:`` the kernels take both from
there; elsewhere they take fresh memory for their results and a workspace of the thread for their buffers.
"""

from __future__ import annotations

import math
import threading

import numpy as np

from minissd.nn.fast.arena import CACHE_LINE, Arena


def aligned_zeros(*shape):
    """Zeros (float32) that begin on a cache line, so that no vector lies across two."""
    size = math.prod(shape)
    memory = np.zeros(size + CACHE_LINE // 4, np.float32)
    start = -(memory.ctypes.data // 4) % (CACHE_LINE // 4)
    return memory[start : start + size].reshape(shape)


class Workspace(threading.local):
    """Buffers and maps of one model; each thread that runs the model sees its own.

    Examples
    --------
    >>> workspace = Workspace()
    >>> workspace.buffer("columns", 100).size
    100
    >>> workspace.nbytes, workspace.buffer("columns", 50).size, workspace.nbytes
    (400, 100, 400)

    The second map gets the memory of the first one, because nobody holds that any more.

    >>> map = workspace.map(1000)
    >>> address = map.ctypes.data
    >>> del map
    >>> workspace.map(900).ctypes.data == address
    True
    """

    def __init__(self):
        self._buffers: dict[str, np.ndarray] = {}
        self._maps = Arena()
        self._outside: list[Workspace | None] = []

    def __enter__(self):
        self._outside.append(_current.workspace)
        _current.workspace = self
        return self

    def __exit__(self, *error):
        _current.workspace = self._outside.pop()

    def __reduce__(self):
        return Workspace, ()  # the copy of a model has a workspace of its own

    def buffer(self, name, size):
        """At least `size` float32 with any content; the same memory for the same name."""
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            self._buffers.pop(name, None)
            buffer = self._buffers[name] = aligned_zeros(size)
        return buffer

    def map(self, size):
        """Memory of `size` float32 with any content that nobody else holds."""
        return self._maps.take(size)

    def tidy(self):
        """Give back what was not used for maps since the last time: another size of batch needs less."""
        self._maps.tidy()

    @property
    def nbytes(self):
        """Bytes held."""
        return sum(memory.nbytes for memory in self._buffers.values()) + self._maps.nbytes

    def release(self):
        """Give all memory back."""
        self._buffers.clear()
        self._maps = Arena()


class _Current(threading.local):
    """The workspace that a thread is in, and the one for its buffers when it is in none."""

    def __init__(self):
        self.workspace = None
        self.own = Workspace()


_current = _Current()


def workspace():
    """The workspace for the buffers of the calling thread."""
    return _current.workspace or _current.own


def empty_map(size):
    """Memory for the result of a layer: `size` float32, not filled."""
    if _current.workspace is None:
        return np.empty(size, np.float32)
    return _current.workspace.map(size)
