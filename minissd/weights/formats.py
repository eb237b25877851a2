"""Kinds of files that hold arrays by name. Which kind a file is, its first bytes tell, not its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minissd.errors import input_error
from minissd.weights import caffe_file, npz_file, safetensors_file, torch_file

HEAD_BYTES = 64


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes
    ----------
    name : str
    suffixes : str
        What such files are usually called.
    fits : callable, (path, head) -> bool
        Whether a file that begins with these bytes is of this kind.
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
        lambda path, head: safetensors_file.is_safetensors_file(head),
        safetensors_file.read,
        safetensors_file.metadata,
    ),
    Format("NumPy", ".npz", lambda path, head: npz_file.is_npz_file(path), npz_file.read),
    Format("PyTorch", ".pth, .pt", lambda path, head: torch_file.is_torch_file(head), torch_file.read),
    Format("Caffe", ".caffemodel", lambda path, head: caffe_file.is_caffe_file(head), caffe_file.read),
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
    return WeightFile(path, format.name, format.read(path), format.metadata(path))


def format_of(path):
    """Return the entry of `FORMATS` that a file is of; raise InputError if there is none."""
    path = Path(path)
    if path.is_dir():
        raise input_error(path, "is a folder, not a weight file", "name the file in it")
    if not path.is_file():
        raise input_error(path, "no such file", "train a model first: minissd train --help")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise input_error(path, f"cannot be read: {error.strerror}", "change its permissions") from error
    if not head:
        raise input_error(path, "is empty", "copy it again")
    for format in FORMATS:
        if format.fits(path, head):
            return format
    kinds = ", ".join(f"{format.name} ({format.suffixes})" for format in FORMATS)
    raise input_error(path, "is no weight file of a known kind", f"kinds are {kinds}")
