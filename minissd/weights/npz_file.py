"""Weights from NumPy's .npz files, such as those of Chainer and ChainerCV.

Such a file is a zip archive of .npy files; one of those is a header, a line of text that tells type and
shape, and then the numbers. Sizes are checked before anything is unpacked, so that a small file cannot fill
the memory, and nothing in a file can run code.
"""

from __future__ import annotations

import math
import re
import struct
import zipfile

import numpy as np

from minissd.weights.opening import Refused, opened, shown

SUFFIX = ".npy"
ZIP_MAGIC = b"PK\x03\x04"
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

SMALL = 1 << 26  # bytes that any file may unpack to
LARGEST_RATIO = 20  # of unpacked to packed bytes; weights have about 1.1, with as many zeros 2.2
PIECE = 1 << 20  # bytes unpacked at a time


def is_npz_file(head):
    """Whether a file that begins with these bytes is a zip archive whose first entry is a .npy file.

    PyTorch's files are zip archives too, but of other entries.

    Examples
    --------
    >>> is_npz_file(b"PK\\x03\\x04" + bytes(22) + b"\\x05\\0\\0\\0" + b"a.npy")
    True
    """
    name_length = int.from_bytes(head[26:28], "little")
    return head.startswith(ZIP_MAGIC) and head[30 : 30 + name_length].endswith(SUFFIX.encode())


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
    arrays = {}
    with opened(path) as file, zipfile.ZipFile(file) as archive:
        _require_sane_sizes(archive, file.size)
        for entry in archive.infolist():
            name = entry.filename.removesuffix(SUFFIX)
            if name == entry.filename:
                raise Refused(f"has {shown(name)}, which is no .npy file", "use an .npz file of arrays only")
            if name in arrays:
                raise Refused(f"has two arrays {shown(name)}", "write it again, each with its own name")
            arrays[name] = _read_entry(archive, entry, name)
        if not arrays:
            raise Refused("has no arrays", "use the weights of a trained network")
        return arrays


def _require_sane_sizes(archive, packed):
    """Refuse a zip bomb: a small file that unpacks to very much, also by entries that share their bytes."""
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > SMALL + LARGEST_RATIO * packed:
        problem = f"would unpack from {packed} to {unpacked} bytes, as no weights do"
        raise Refused(problem, "do not trust this file")


def _read_entry(archive, entry, name):
    """Unpack one array; whatever goes wrong is said of it by name."""
    try:
        if entry.compress_type not in METHODS:
            raise ValueError(f"it is packed by method {entry.compress_type} of zip, which NumPy does not use")
        with archive.open(entry) as stream:
            return _read_array(stream, entry.file_size)
    except Refused as refused:
        raise Refused(f"array {shown(name)} {refused.problem}", refused.fix) from refused
    except Exception as error:
        raise Refused(f"array {shown(name)} is damaged: {error}") from error


def _read_array(stream, size):
    """Read a .npy file of so many bytes after a look at its header."""
    descr, fortran_order, shape = _read_header(stream)
    if not re.fullmatch(NUMBERS, descr):
        raise Refused(_type_problem(descr), "save floats, integers or booleans only")
    dtype, count = np.dtype(descr), math.prod(shape)
    announced, found = count * dtype.itemsize, size - stream.tell()
    if announced != found:
        raise ValueError(f"its shape {shape} of {dtype} needs {announced} bytes, {found} are there")
    values = np.empty(count, dtype)
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
