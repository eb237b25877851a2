"""Types of numbers in the weight files of PyTorch and safetensors, and the arrays that they become."""

from __future__ import annotations

import numpy as np

# Type -> dtype of the bytes in the file, which are little-endian. `finished` makes of these what they mean.
FLOATS = ("float64", "float32", "float16")
INTEGERS = ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8")
STORED = {name: np.dtype(name) for name in FLOATS + INTEGERS}
STORED |= {"bfloat16": np.dtype(np.uint16), "bool": np.dtype(np.uint8)}


def finished(array, type):
    """Turn numbers as they are stored into numbers as NumPy has them.

    Parameters
    ----------
    array : ndarray
        Of the dtype ``STORED[type]``.
    type : str

    Returns
    -------
    ndarray
        Float32 for bfloat16, which is the upper half of one; bool for bool; otherwise `array` itself.

    Examples
    --------
    >>> finished(np.array([0x3F80, 0xC000], np.uint16), "bfloat16")
    array([ 1., -2.], dtype=float32)
    >>> finished(np.array([0, 1, 255], np.uint8), "bool")
    array([False,  True,  True])
    """
    if type == "bfloat16":
        bits = array.astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32)
    return array.astype(bool) if type == "bool" else array
