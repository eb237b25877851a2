"""Which array library an array belongs to. Arrays carry the backend; there is no global switch."""

from __future__ import annotations

import sys

import numpy as np


def get_array_module(array):
    """Return the module (NumPy or CuPy) whose functions work on `array`.

    CuPy is never imported here: an array of CuPy's can only exist where CuPy is loaded already.

    Examples
    --------
    >>> get_array_module(np.zeros(3)).__name__
    'numpy'
    """
    if type(array).__module__.partition(".")[0] == "cupy":
        return sys.modules["cupy"]
    return np
