"""Safetensors: a header in JSON, then the bytes of all arrays. Nothing in such a file can run code."""

from __future__ import annotations

import math
from contextlib import contextmanager

import numpy as np
import safetensors
import safetensors.numpy

from minissd.files import written_whole
from minissd.weights.number_types import STORED, finished
from minissd.weights.opening import LARGEST_PIECE, Refused, opened, shown

MAX_HEADER = 100_000_000  # bytes, the library's own limit; it takes a while for so long a one
TYPES = {"BOOL": "bool", "BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"}
TYPES |= {f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)}
TYPES |= {f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)}


def is_safetensors_file(head):
    """Whether a file that begins with these bytes says the length of a header, and the header begins."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= MAX_HEADER


def read(path):
    """Read all arrays of a file.

    The library reads the header, and makes sure that the arrays lie one behind the other and fill the file.
    The arrays are then read in this order, each straight into memory of its own.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of str to ndarray
        bfloat16 becomes float32, every other dtype stays.

    Raises
    ------
    InputError
        If the file cannot be read or is damaged, or holds numbers of a kind that NumPy does not have.
    """
    with _opened(path) as (file, header):
        return {name: _next_array(file, name, header.get_slice(name)) for name in header.offset_keys()}


def metadata(path):
    """Read the words in the header of a file: a dict of str to str."""
    with _opened(path) as (_, header):
        return header.metadata() or {}


def write(path, arrays, metadata=None):
    """Write arrays; an existing file is replaced only when the new one is complete.

    Parameters
    ----------
    path : str or Path
    arrays : dict of str to ndarray
    metadata : dict of str to str, optional
        With several entries their order in the file is left to chance.
    """
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with written_whole(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(contiguous, metadata))


@contextmanager
def _opened(path):
    """The file, at its first array, and its header."""
    with opened(path) as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LARGEST_PIECE:
            raise Refused(f"has a header of {length} bytes, as no network does", "do not trust this file")
        file.seek(8 + length)
        try:
            with safetensors.safe_open(path, framework="numpy") as header:
                yield file, header
        except safetensors.SafetensorError as error:
            raise Refused(f"not a complete safetensors file: {error}", "copy or train it again") from error


def _next_array(file, name, described):
    kind, shape = described.get_dtype(), described.get_shape()
    if kind not in TYPES:
        raise Refused(f"{shown(name)} has numbers of type {kind}", "save it as float32")
    stored = STORED[TYPES[kind]]
    row = file.read_row(math.prod(shape) * stored.itemsize)
    return finished(row.view(stored).reshape(shape), TYPES[kind])
