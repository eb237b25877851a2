"""Opening a file that may be damaged or made to do harm: whatever goes wrong becomes one `InputError`.

The readers of the formats do not know the path. They raise `Refused`, or let through what NumPy and the
standard library raise on wrong bytes; `opened` adds the name of the file.
"""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from minissd.errors import input_error

LARGEST_PIECE = 1 << 24  # bytes; a description of some hundred arrays has some ten thousand
LONGEST_PROBLEM = 400  # characters
COPY_AGAIN = "copy or download the file again"


class Refused(Exception):
    """What a file asks for is not done: the problem, and what a person can do about it."""

    def __init__(self, problem, fix=COPY_AGAIN):
        super().__init__(f"{problem} ({fix})")
        self.problem = problem
        self.fix = fix


class OpenFile(io.BufferedReader):
    """An open file that only arrays are read from in large pieces."""

    @property
    def size(self):
        """Bytes of the whole file."""
        return os.fstat(self.fileno()).st_size

    def read(self, size=-1):
        """Read bytes; refuse pieces that only a forged directory or header asks for."""
        if size is not None and size > LARGEST_PIECE:
            raise Refused(f"asks for {size} bytes in one piece")
        return super().read(size)

    def read_row(self, nbytes):
        """Return the next bytes as an array of their own, (nbytes,) uint8."""
        if nbytes > self.size - self.tell():
            raise Refused("is cut off")
        row = np.empty(nbytes, np.uint8)
        if self.readinto(row) != nbytes:
            raise Refused("became shorter while it was read")
        return row


@contextmanager
def opened(path):
    """Open a file for reading.

    Parameters
    ----------
    path : str or Path

    Yields
    ------
    OpenFile

    Raises
    ------
    InputError
        If there is no such file, it is a folder, device or pipe, it cannot be read, or anything goes wrong
        while it is open.
    """
    try:
        _require_file(Path(path))
        with OpenFile(io.FileIO(path)) as file:
            yield file
    except Refused as refused:
        raise input_error(path, shown(refused.problem, LONGEST_PROBLEM), refused.fix) from refused
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise input_error(path, f"cannot be read: {reason}", "check its permissions and the disk") from error
    except Exception as error:  # the many ways in which wrong bytes trip a reader; too little memory
        what = f"{type(error).__name__} {error}".strip()
        raise input_error(path, f"is damaged: {shown(what, LONGEST_PROBLEM)}", COPY_AGAIN) from error


def _require_file(path):
    if path.is_dir():
        raise Refused("is a folder, not a weight file", "name the file in it")
    if not path.exists():
        raise Refused("no such file", "train a model first: minissd train --help")
    if not path.is_file():
        raise Refused("is a device or a pipe, not a file", "copy what comes from it into a file")


def shown(value, length=100):
    r"""The beginning of a text from a file, without characters that play tricks with a terminal.

    Examples
    --------
    >>> print(shown("conv1\x1b[2J"))
    conv1\x1b[2J
    """
    text = str(value)[:length]
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)[:length]
