"""Kinds of files that hold arrays by name. Which kind a file is, its first bytes tell, not its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minissd.errors import input_error
from minissd.weights import caffe_file, npz_file, safetensors_file, torch_file
from minissd.weights.opening import Refused, opened, shown

HEAD_BYTES = 4096
LONGEST_NAME = 200


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes
    ----------
    name : str
    suffixes : str
        What such files are usually called.
    fits : callable, bytes -> bool
        Whether a file that begins with these `HEAD_BYTES` bytes is of this kind.
    read : callable, path -> dict of str to ndarray
    metadata : callable, path -> dict of str to str
    """

    name: str
    suffixes: str
    fits: Callable
    read: Callable
    metadata: Callable = lambda path: {}


FORMATS = (
    Format(
        "safetensors",
        ".safetensors",
        safetensors_file.is_safetensors_file,
        safetensors_file.read,
        safetensors_file.metadata,
    ),
    Format("NumPy", ".npz", npz_file.is_npz_file, npz_file.read),
    Format("PyTorch", ".pth, .pt", torch_file.is_torch_file, torch_file.read),
    Format("Caffe", ".caffemodel", caffe_file.is_caffe_file, caffe_file.read),
)


@dataclass(frozen=True)
class WeightFile:
    """What is in a weight file, as it is.

    Attributes
    ----------
    path : Path
    format : str
        Name in `FORMATS`.
    arrays : dict of str to ndarray
    metadata : dict of str to str
    """

    path: Path
    format: str
    arrays: dict[str, np.ndarray]
    metadata: dict[str, str]


def read_file(path):
    """Read a weight file of any kind in `FORMATS`.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    WeightFile

    Raises
    ------
    InputError
        If there is no such file, it is damaged, or it is of no known kind.
    """
    path = Path(path)
    format = format_of(path)
    arrays = format.read(path)
    for name in arrays:
        if not name.isprintable() or len(name) > LONGEST_NAME:
            problem = f"has an array of the name {shown(name)}"
            raise input_error(path, problem, "give it a short name that can be printed")
    return WeightFile(path, format.name, arrays, format.metadata(path))


def format_of(path):
    """Return the entry of `FORMATS` that a file is of; raise InputError if there is none."""
    with opened(path) as file:
        head = file.read(HEAD_BYTES)
        if not head:
            raise Refused("is empty", "copy it again")
        for format in FORMATS:
            if format.fits(head):
                return format
        kinds = ", ".join(f"{format.name} ({format.suffixes})" for format in FORMATS)
        raise Refused("is no weight file of a known kind", f"kinds are {kinds}")
