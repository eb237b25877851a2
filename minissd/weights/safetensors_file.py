"""Safetensors: a header in JSON, then the bytes of all arrays. Nothing in such a file can run code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from minissd.errors import input_error
from minissd.files import written_whole

MAX_HEADER = 100_000_000  # bytes, the library's own limit


def is_safetensors_file(head):
    """Whether a file that begins with these bytes says the length of a header, and the header begins."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= MAX_HEADER


def read(path):
    """Read all arrays of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    InputError
        If the file is cut off or damaged, or holds numbers of a kind that NumPy does not have.
    """
    return _with_file(path, lambda file: {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118


def metadata(path):
    """Read the words in the header of a file: a dict of str to str."""
    return _with_file(path, lambda file: file.metadata() or {})


def write(path, arrays, metadata=None):
    """Write arrays; an existing file is replaced only when the new one is complete.

    Parameters
    ----------
    path : str or Path
    arrays : dict of str to ndarray
    metadata : dict of str to str, optional
        With several entries their order in the file is left to chance.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with written_whole(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(contiguous, metadata))


def _with_file(path, action):
    try:
        with safetensors.safe_open(Path(path), framework="numpy") as file:
            return action(file)
    except (safetensors.SafetensorError, OSError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise input_error(
            path, f"not a complete safetensors file: {error}", "copy or train it again"
        ) from error
