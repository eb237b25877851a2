"""Work shared out to the processor's cores.

The matrix products of a convolution are many and small. Two cores that each do whole products of their own
are faster than two cores that meet at the end of every one, so the BLAS library is held to one thread
while the shares run.
"""

from __future__ import annotations

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache

import numba
from threadpoolctl import ThreadpoolController


def num_threads():
    """Number of cores to use: ``NUMBA_NUM_THREADS`` where it is set, else all that the process may use."""
    return numba.config.NUMBA_NUM_THREADS


def shares(work):
    """Deal a list out to the threads in turn; one empty share where there is no work.

    Examples
    --------
    >>> shares(["a"])  # one piece keeps one thread busy, however many there are
    [['a']]
    """
    threads = max(1, min(num_threads(), len(work)))
    return [work[first::threads] for first in range(threads)]


def spans(count):
    """Cut ``range(count)`` into one slice per thread.

    Examples
    --------
    >>> slices = spans(10)
    >>> slices[0].start, slices[-1].stop
    (0, 10)
    """
    threads = max(1, min(num_threads(), count))
    ends = [count * i // threads for i in range(threads + 1)]
    return [slice(*pair) for pair in itertools.pairwise(ends)]


def in_threads(function, pieces):
    """Call `function`, which must let go of the GIL, for all pieces at once; returns the results in order."""
    if len(pieces) == 1:
        return [function(pieces[0])]
    # Each runs in a copy of the caller's context, which holds NumPy's errstate.
    tasks = [_pool().submit(copy_context().run, function, piece) for piece in pieces]
    return [task.result() for task in tasks]


def one_blas_thread():
    """Within this ``with`` block a matrix product uses only the thread that calls it."""
    return _ONE_BLAS_THREAD


class _OneBlasThread:
    """The limit behind `one_blas_thread`, which several Python threads may hold at once.

    BLAS has one limit for the whole process. The first holder sets it and the last one lifts it: if each
    put back what it had found, two that overlap would leave BLAS at one thread for good.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._holders = 0

    def __enter__(self):
        with self._lock:
            if self._holders == 0:
                self._limit = _blas().limit(limits=1)
            self._holders += 1

    def __exit__(self, *error):
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self._limit.restore_original_limits()


_ONE_BLAS_THREAD = _OneBlasThread()


@cache
def _pool():
    return ThreadPoolExecutor(num_threads(), thread_name_prefix="minissd-engine")


if hasattr(os, "register_at_fork"):  # in a forked process the threads are gone
    os.register_at_fork(after_in_child=_pool.cache_clear)


@cache
def _blas():
    return ThreadpoolController().select(user_api="blas")
