"""Work shared out to the processor's cores.

The matrix products of a convolution are many and small. Two cores that each do whole products of their own
are faster than two cores that meet at the end of every one, so the BLAS library is held to one thread
while the shares run.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache

import numba
from threadpoolctl import ThreadpoolController


def num_threads():
    """Number of cores to use: ``NUMBA_NUM_THREADS`` where it is set, else all that the process may use."""
    return numba.config.NUMBA_NUM_THREADS


def shares(work, least=1):
    """Deal a list out to the threads in turn, `least` pieces or more to each.

    Examples
    --------
    >>> import numba
    >>> shares(["a", "b", "c"], least=2)  # not enough for two
    [['a', 'b', 'c']]
    """
    threads = max(1, min(num_threads(), len(work) // least))
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
    return _blas().limit(limits=1)


@cache
def _pool():
    return ThreadPoolExecutor(num_threads(), thread_name_prefix="minissd-engine")


@cache
def _blas():
    return ThreadpoolController().select(user_api="blas")
