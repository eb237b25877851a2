"""Kernels: from the text of a .cu file to a function that starts it on the GPU.

CuPy compiles them so that float32 numbers below 1.2e-38 (subnormal ones) count as 0, and products are fused
with the sums that they go into where the text does not forbid it.
"""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path

import numpy as np

THREADS = 256  # of a block, where nothing speaks for another number; as in sums.cuh
INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)


def kernel(path, name, **defines):
    """A kernel of a .cu file, compiled at its first use.

    Parameters
    ----------
    path : str or Path
        The .cu file, or the Python file beside it.
    name : str
        Of a function with ``extern "C" __global__`` in it.
    **defines
        Constants that the compiler knows, by the names that the file gives them.

    Returns
    -------
    callable
        ``kernel((blocks,), (threads,), arguments)`` starts it on the current stream.
    """
    return _compiled(sys.modules["cupy"], path, tuple(defines.items())).function(name)


def start(function, count, *arguments, threads=THREADS):
    """Start a kernel with one thread for each of `count` pieces of work; none for no work."""
    if count:
        function((-(-count // threads),), (threads,), arguments)


def start_maps(function, maps, *arguments, pieces=None):
    """Start a kernel with one thread for every place of every map (N, C, H, W), and whole blocks for a map.

    With `pieces`, with so many threads for a map. The kernel is told last how many blocks do a map.
    """
    blocks = -(-(maps.shape[2] * maps.shape[3] if pieces is None else pieces) // THREADS)
    if maps.size:
        grid = maps.shape[0] * maps.shape[1] * blocks
        function((grid,), (THREADS,), (*arguments, np.uint32(blocks)))


def text(path):
    """The text of a .cu file, with the text of other files where it includes them.

    CuPy keeps compiled kernels by their text: a change of an included file has to change it.
    """
    path = Path(path).with_suffix(".cu")
    return INCLUDE.sub(lambda found: path.with_name(found[1]).read_text(), path.read_text())


def contiguous(*arrays):
    """The arrays as float32 in one piece of memory each, in the order of their shape."""
    xp = sys.modules["cupy"]
    return tuple(xp.ascontiguousarray(array, dtype=np.float32) for array in arrays)


def int32(*numbers):
    """Numbers as kernels take them: the size of a Python int is not known."""
    return tuple(np.int32(number) for number in numbers)


@functools.lru_cache
def _compiled(cupy, path, defines):
    """The kernels of a file; `cupy` is a part of the question because tests put another in its place."""
    options = "-std=c++17", *(f"-D{name}={value}" for name, value in defines)
    return _File(cupy.RawModule(code=text(path), options=options))


class _File:
    """A compiled file that remembers its functions: asking CuPy takes as long as starting a kernel."""

    def __init__(self, module):
        self.function = functools.cache(module.get_function)
