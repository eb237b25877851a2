"""A limit for the memory that a piece of code may take; NumPy's arrays count."""

import tracemalloc
from contextlib import contextmanager


@contextmanager
def less_memory_than(nbytes):
    """Fail if the block has so many bytes at any one time, beside what there was before it."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < nbytes
    finally:
        tracemalloc.stop()
