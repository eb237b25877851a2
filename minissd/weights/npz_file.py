"""Weights from NumPy's .npz files, such as those of Chainer and ChainerCV.

Such a file is a zip archive of .npy files; one of those is a header, a line of text that tells type and
shape, and then the numbers. Sizes are checked before anything is unpacked, so that a small file cannot fill
the memory, and nothing in a file can run code.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from minissd.errors import InputError, input_error

SUFFIX = ".npy"
MAGIC = b"\x93NUMPY"
LENGTH_FORMATS = {1: "<H", 2: "<I", 3: "<I"}  # of the header's length, by version
LONGEST_HEADER = 10_000  # bytes
HEADER_FIELDS = {
    "descr": r"""['"]descr['"]\s*:\s*['"]([^'"]*)['"]""",
    "fortran_order": r"""['"]fortran_order['"]\s*:\s*(True|False)""",
    "shape": r"""['"]shape['"]\s*:\s*\(([\d\sL,]*)\)""",  # Python 2 wrote (3L, 4L)
}
NUMBERS = r"[<>=|]?(f[248]|[iu][1248]|b1)"  # floats, integers, booleans

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

LARGEST_PIECE = 1 << 24  # bytes that zipfile may read at once; its directory has some 100 per array
SMALL = 1 << 26  # bytes that any file may unpack to
LARGEST_RATIO = 20  # of unpacked to packed bytes; weights have about 1.1, with as many zeros 2.2
PIECE = 1 << 20  # bytes unpacked at a time

# What zipfile raises on damaged files.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, RuntimeError)
ZIP_ERRORS += (LookupError, OverflowError)


def is_npz_file(path):
    """Tell whether a file is a zip archive of nothing but .npy files.

    PyTorch's files are zip archives too, but of other ones.
    """
    try:
        with _opened(Path(path)) as archive:
            names = archive.namelist()
    except InputError:
        return False
    return bool(names) and all(name.endswith(SUFFIX) for name in names)


def read(path):
    """Read all arrays of an .npz file, compressed or not.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of str to ndarray
        By their names in the file, as in ``extractor/conv1_1/W``: floats, integers and booleans, in C
        order and this computer's byte order.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged, has an array of another type (of Python objects, say) or
        two of the same name, or would unpack to far more than its size.
    """
    path = Path(path)
    arrays = {}
    with _opened(path) as archive:
        _require_sane_sizes(archive, path)
        for entry in archive.infolist():
            name = entry.filename.removesuffix(SUFFIX)
            if name == entry.filename:
                raise input_error(
                    path, f"has {name}, which is no .npy file", "use an .npz file of arrays only"
                )
            if name in arrays:
                raise input_error(path, f"has two arrays {name}", "write it again, each with its own name")
            with _damage_refused(path, f"array {name}"):
                arrays[name] = _read_array(archive, entry, path)
    if not arrays:
        raise input_error(path, "has no arrays", "use the weights of a trained network")
    return arrays


class _Pieces(io.BufferedReader):
    """A file that is not read in very large pieces, as zipfile does with a forged directory."""

    def read(self, size=-1):
        if size is not None and size > LARGEST_PIECE:
            raise zipfile.BadZipFile(f"{size} bytes in one piece")
        return super().read(size)


@contextmanager
def _opened(path):
    """A zip archive; whatever goes wrong with it becomes an `InputError`."""
    if not path.is_file():
        raise input_error(path, "no such file", "name an .npz file")
    with (
        _damage_refused(path, "the archive"),
        _Pieces(io.FileIO(path)) as file,
        zipfile.ZipFile(file) as archive,
    ):
        yield archive


@contextmanager
def _damage_refused(path, part):
    try:
        yield
    except InputError:
        raise
    except ZIP_ERRORS as error:
        raise input_error(path, f"{part} is damaged: {error}", "copy or download the file again") from error


def _require_sane_sizes(archive, path):
    """Refuse a zip bomb: a small file that unpacks to very much, also by entries that share their bytes."""
    packed = path.stat().st_size
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > SMALL + LARGEST_RATIO * packed:
        problem = f"would unpack from {packed} to {unpacked} bytes, as no weights do"
        raise input_error(path, problem, "do not trust this file")


def _read_array(archive, entry, path):
    """Unpack one array after a look at its header."""
    if entry.compress_type not in METHODS:
        raise ValueError(f"it is packed by method {entry.compress_type} of zip, which NumPy does not use")
    with archive.open(entry) as stream:
        descr, fortran_order, shape = _read_header(stream)
        if not descr or not re.fullmatch(NUMBERS, descr):
            problem = f"array {entry.filename.removesuffix(SUFFIX)} {_type_problem(descr)}"
            raise input_error(path, problem, "save floats, integers or booleans only")
        dtype = np.dtype(descr)
        announced, found = math.prod(shape) * dtype.itemsize, entry.file_size - stream.tell()
        if announced != found:
            raise ValueError(f"its shape {shape} of {dtype} needs {announced} bytes, {found} are there")
        values = np.empty(math.prod(shape), dtype)
        _fill(memoryview(values.view(np.uint8)), stream)
    values = values.astype(dtype.newbyteorder("="), copy=False)
    return np.asarray(values.reshape(shape[::-1]).T if fortran_order else values.reshape(shape), order="C")


def _read_header(stream):
    """Read the header of a .npy file: its type (empty if not a plain one), order and shape."""
    begin = stream.read(len(MAGIC) + 2)  # then the version, 1.0, 2.0 or 3.0
    if begin[: len(MAGIC)] != MAGIC or begin[len(MAGIC)] not in LENGTH_FORMATS:
        raise ValueError("it is no .npy file")
    length_format = LENGTH_FORMATS[begin[len(MAGIC)]]
    (length,) = struct.unpack(length_format, stream.read(struct.calcsize(length_format)))
    if length > LONGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    header = stream.read(length).decode("latin-1")
    descr, fortran_order, shape = (re.search(pattern, header) for pattern in HEADER_FIELDS.values())
    if not fortran_order or not shape:
        raise ValueError(f"its header is {header[:200]!r}")
    sizes = tuple(map(int, re.findall(r"\d+", shape[1])))
    return descr[1] if descr else "", fortran_order[1] == "True", sizes


def _type_problem(descr):
    if "O" in descr:
        return "holds Python objects, which could run code"
    return f"is of the type {descr}" if descr else "is not of a plain type of numbers"


def _fill(target, stream):
    """Read until `target` is full. At its end, zipfile compares the checksum."""
    for start in range(0, len(target), PIECE):
        piece = target[start : start + PIECE]
        if stream.readinto(piece) != len(piece):
            raise ValueError(f"it is cut off at byte {start} of {len(target)}")
