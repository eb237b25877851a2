"""Memory that is used again and again.

Fresh memory is slow: the operating system hands it out in pages of zeros, one interruption each. A model
therefore has a workspace, which keeps two kinds of memory from call to call: *buffers* for what the kernels
need while they run, and *maps*, the results of layers. Within ``with workspace:`` the kernels take both from
there; elsewhere they take fresh memory for their results and a workspace of the thread for their buffers.

A map is handed out again when nobody holds it any more. Python counts the holders of every object, and a view
of an array holds the array; so the result of a layer stays what it is for as long as somebody can see it.
"""

from __future__ import annotations

import math
import sys
import threading

import numpy as np

CACHE_LINE = 64  # bytes
WASTE = 1.5  # a map may get so many times the memory that it needs


def aligned_zeros(*shape):
    """Zeros (float32) that begin on a cache line, so that no vector lies across two."""
    size = math.prod(shape)
    return _aligned(np.zeros(size + CACHE_LINE // 4, np.float32), size).reshape(shape)


def _aligned(memory, size):
    start = -(memory.ctypes.data // 4) % (CACHE_LINE // 4)
    return memory[start : start + size]


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
        self._maps: list[np.ndarray] = []
        self._used: set[int] = set()  # identities of the maps handed out since the last `tidy`
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
        needed = size + CACHE_LINE // 4
        best = None
        for number in range(len(self._maps)):
            fits = needed <= self._maps[number].size <= WASTE * needed
            if fits and _is_free(self._maps, number):
                if best is None or self._maps[number].size < self._maps[best].size:
                    best = number
        if best is None:
            best = len(self._maps)
            self._maps.append(np.empty(needed, np.float32))
        self._used.add(id(self._maps[best]))
        return _aligned(self._maps[best], size)

    def tidy(self):
        """Give back the maps that were not used since the last time: another size of batch needs others."""
        kept = range(len(self._maps))
        self._maps = [self._maps[n] for n in kept if id(self._maps[n]) in self._used or not _is_free(self._maps, n)]
        self._used.clear()

    @property
    def nbytes(self):
        """Bytes held."""
        return sum(memory.nbytes for memory in [*self._buffers.values(), *self._maps])

    def release(self):
        """Give all memory back."""
        self._buffers.clear()
        self._maps.clear()
        self._used.clear()


def _is_free(maps, number):
    """Whether the list alone holds the array."""
    return sys.getrefcount(maps[number]) <= _HELD_BY_A_LIST


_HELD_BY_A_LIST = (lambda maps, number: sys.getrefcount(maps[number]))([np.empty(0)], 0)


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
