"""Compiled functions: one decorator for all of them, and where their machine code is kept.

Numba translates a *kernel* to machine code when it is first called. The code is kept on disk, next to the
source or, where that folder cannot be written to, in the user's cache folder (`NUMBA_CACHE_DIR` names
another one), so each machine waits for it once. This differs from ``numba.njit(cache=True)`` in two things:

- Numba looks for changes only in the file that a kernel stands in. Many kernels are made of parts that stand
  elsewhere, such as the vectors of `minissd.nn.fast.simd`; here a change of any part counts.
- If nothing can be written, the kernel is compiled again next time, which is a warning and not an error.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import warnings
from pathlib import Path

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache

PACKAGE = Path(__file__).parent
SHARED_PARTS = (PACKAGE / "nn" / "fast", PACKAGE / "kernels")  # folders with parts of kernels in other files

part = njit(nogil=True)
"""Decorator for a part of kernels, compiled with each kernel that calls it."""

inlined = njit(nogil=True, inline="always")
"""The same for a short part: its code is put wherever it is called."""


class CacheWarning(UserWarning):
    """Compiled code could not be kept."""


def compiled(function=None, **options):
    """Decorator for a kernel: compiled when first called, kept on disk, runs without Python's lock.

    Parameters
    ----------
    function : callable
    **options
        Of `numba.njit`, as in ``@compiled(fastmath=True)``.

    Returns
    -------
    callable
        The kernel; ``py_func`` is the Python function.

    Warns
    -----
    CacheWarning
        When it has been compiled and the result cannot be kept.

    Examples
    --------
    >>> @compiled
    ... def largest_gap(x):
    ...     gap = 0
    ...     for i in range(1, len(x)):
    ...         gap = max(gap, x[i] - x[i - 1])
    ...     return gap
    >>> largest_gap.py_func([1, 4, 5])
    3
    """
    if function is None:
        return functools.partial(compiled, **options)
    kernel = njit(nogil=True, **options)(function)
    try:
        kernel._cache = KernelCache(function)  # what enable_caching() does, with a class of ours
    except RuntimeError:  # "no locator available": Numba can write to none of its places
        kernel._cache = NoCache()
    return kernel


def is_kernel(dispatcher):
    """Whether something that Numba compiles is a `compiled` function."""
    return isinstance(getattr(dispatcher, "_cache", None), KernelCache | NoCache)


class KernelCache(FunctionCache):
    """Numba's cache of one kernel on disk, aware of the parts that kernels share."""

    def __init__(self, function):
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp(), fingerprint(SHARED_PARTS)
        self._cache_file = IndexDataCacheFile(self.cache_path, self._impl.filename_base, stamp)

    def load_overload(self, signature, target_context):
        """Return the code for a signature; None where there is none, or none that can be read."""
        try:
            return super().load_overload(signature, target_context)
        except Exception:  # what a damaged file holds may raise nearly anything
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, signature, code):
        """Keep the code for a signature."""
        try:
            super().save_overload(signature, code)
        except OSError as error:
            _warn_that_code_is_lost(f"{self.cache_path}: {error.strerror or error}")


class NoCache(NullCache):
    """In its stead where no folder can be written to."""

    def save_overload(self, signature, code):
        """Say that the code is not kept."""
        _warn_that_code_is_lost("neither the package's folder nor the user's cache folder can be written to")


@functools.cache
def fingerprint(folders):
    """A number that changes with every change of the source files in some folders."""
    files = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


@functools.cache  # one warning is enough
def _warn_that_code_is_lost(reason):
    fix = "set NUMBA_CACHE_DIR to a folder that can be written to"
    warnings.warn(f"compiled code cannot be kept: {reason} ({fix})", CacheWarning, stacklevel=2)
