"""Finding the files of a submission in what was handed in: a folder, a folder in a folder, or a .zip file."""

from __future__ import annotations

import stat
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from minissd.errors import input_error

MOST_FILES = 2000
MOST_BYTES = 200 << 20  # of a .zip file, unpacked
CANNOT_UNPACK = (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, ValueError, EOFError)


@contextmanager
def opened(path, file_names):
    """Give the folder with the files of a submission; one that was unpacked is removed after the block.

    Parameters
    ----------
    path : str or Path
        A folder or a .zip file. If none of the files lies in it, but some lie in exactly one of its
        subfolders, as in what learning platforms offer for download, that is the folder.
    file_names : sequence of str
        What was to be handed in.

    Yields
    ------
    Path

    Raises
    ------
    InputError
        If there is no such folder, if it holds several submissions, or if the .zip file cannot be used.
    """
    path = Path(path)
    if path.is_dir():
        yield _folder_of_files(path, file_names, path)
    elif is_zip(path):
        with tempfile.TemporaryDirectory(prefix="minissd-zip-", ignore_cleanup_errors=True) as folder:
            _unpack(path, folder)
            yield _folder_of_files(Path(folder), file_names, path)
    else:
        problem = "is neither a folder nor a .zip file" if path.exists() else "no such folder or .zip file"
        raise input_error(path, problem, f"give the folder with {', '.join(file_names)}")


def is_zip(path):
    """Whether a path is that of a .zip file."""
    return path.suffix.lower() == ".zip" and path.is_file()


def _folder_of_files(folder, file_names, path):
    if _holds_any(folder, file_names):
        return folder
    inside = [each for each in sorted(folder.iterdir()) if each.is_dir() and _holds_any(each, file_names)]
    if len(inside) > 1:
        problem = f"holds {len(inside)} submissions, {inside[0].name} and others"
        raise input_error(path, problem, f"name them each: {path.name}/*")
    return inside[0] if inside else folder


def _holds_any(folder, file_names):
    return folder.name != "__MACOSX" and any((folder / name).is_file() for name in file_names)


def _unpack(path, folder):
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_dangers(archive.infolist())
            archive.extractall(folder)
    except CANNOT_UNPACK as error:
        raise input_error(path, f"cannot be unpacked: {error}", "zip the folder again") from error


def _refuse_dangers(members):
    """Refuse an archive whose files leave the folder, are links, or are too many or too large."""
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in member.filename:
            raise ValueError(f"{member.filename!r} leads out of the folder")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ValueError(f"{member.filename!r} is a link")
    size = sum(member.file_size for member in members)
    if len(members) > MOST_FILES or size > MOST_BYTES:
        amount = f"{len(members)} files, {size >> 20} MiB"
        raise ValueError(f"it holds {amount} (at most {MOST_FILES} files, {MOST_BYTES >> 20} MiB)")
