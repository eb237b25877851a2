"""The memory that the stand-in's arrays hold, with a limit, and what is raised beyond it."""

from __future__ import annotations

import weakref


class OutOfMemoryError(MemoryError):
    """CuPy's error."""

    def __init__(self, size, total, limit=0):
        limited = f", limit set to: {limit:,} bytes" if limit else ""
        super().__init__(
            f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes{limited})."
        )
        self._size, self._total, self._limit = size, total, limit


OutOfMemoryError.__module__ = "cupy.cuda.memory"


class Pool:
    """The memory that the arrays hold, and a limit for it."""

    def __init__(self):
        self._used, self._limit, self.peak = 0, 0, 0

    def take(self, array):
        """Count an array's memory while it lives."""
        if self._limit and self._used + array.nbytes > self._limit:
            raise OutOfMemoryError(array.nbytes, self._used, self._limit)
        self._used += array.nbytes
        self.peak = max(self.peak, self._used)
        weakref.finalize(array, self._give_back, array.nbytes)

    def _give_back(self, size):
        self._used -= size

    def used_bytes(self):
        return self._used

    total_bytes = used_bytes

    def free_bytes(self):
        return 0

    def free_all_blocks(self, stream=None):
        pass

    def n_free_blocks(self):
        return 0

    def set_limit(self, size=None, fraction=None):
        self._limit = size if size is not None else int(fraction * TOTAL_MEMORY)

    def get_limit(self):
        return self._limit


TOTAL_MEMORY = 8 << 30
POOL = Pool()
