"""The same functions up to three times: to read, compiled for the CPU, and as kernels for a GPU."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import NamedTuple

import numpy as np

from minissd.backend import is_cuda
from minissd.nn.fast.layout import is_float32


class Twins(NamedTuple):
    """Modules that have the same functions.

    Attributes
    ----------
    readable : module
        Works on any array.
    compiled : module
        For NumPy's float32.
    name : str
        Of the module of `minissd.nn.cuda` for CuPy's float32. It is imported when the first such array comes.

    Examples
    --------
    >>> from minissd.nn import pool_readable
    >>> from minissd.nn.fast import pool
    >>> twins = Twins(pool_readable, pool, "pool")
    >>> twins.of(np.zeros(3, np.float32)) is pool, twins.of(np.zeros(3)) is pool_readable
    (True, True)
    """

    readable: ModuleType
    compiled: ModuleType
    name: str

    def of(self, x):
        """The module that computes on x."""
        if is_float32(x):
            return self.compiled
        return cuda_module(self.name) if is_cuda_float32(x) else self.readable


def is_cuda_float32(x):
    """Whether the kernels for a GPU are made for this array: CuPy's, float32."""
    return is_cuda(x) and x.dtype == np.float32


def cuda_module(name):
    """A module of `minissd.nn.cuda`."""
    return import_module(f"minissd.nn.cuda.{name}")
