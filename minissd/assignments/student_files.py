"""The files that a student handed in, as far as marking needs them."""

from __future__ import annotations

import os
import shutil
from itertools import islice
from pathlib import Path

LARGEST_FILE = 1 << 20  # bytes
MOST_FILES = 500


def fault_of(path):
    """Say why a file is not used, in words for the student; ``""`` if it is.

    A link is not followed: it might lead to files of the computer that marks.

    Examples
    --------
    >>> fault_of(Path("no/such/boxes.py"))
    'boxes.py is missing.\\nHand in a file with exactly this name.'
    """
    path = Path(path)
    if path.is_symlink():
        return f"{path.name} is a link.\nHand in the file itself."
    if not path.is_file():
        return f"{path.name} is missing.\nHand in a file with exactly this name."
    if path.stat().st_size > LARGEST_FILE:
        return f"{path.name} is larger than 1 MB.\nHand in the code alone."
    return ""


def copy_python_files(folder, target):
    """Copy a submission's Python files into a new folder, but no virtual environments and hidden folders."""
    target.mkdir()
    for path in islice(_python_files(folder), MOST_FILES):
        copy = target / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _python_files(folder):
    for parent, folders, files in os.walk(folder):
        if "pyvenv.cfg" in files:  # a virtual environment
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        paths = (Path(parent, name) for name in sorted(files) if name.endswith(".py"))
        yield from (path for path in paths if not fault_of(path))
