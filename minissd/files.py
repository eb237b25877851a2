"""Writing files so that nothing half-written is ever left behind."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from minissd.errors import input_error


@contextmanager
def written_whole(path):
    """Give a path beside `path` to write to, and rename it to `path` when the block ends well.

    If the block fails, the new file is removed and an older file at `path` stays as it was.

    Parameters
    ----------
    path : str or Path
        The file to make. Its folder is created if needed.

    Yields
    ------
    Path
        A temporary file in the same folder, with the same suffix.

    Raises
    ------
    InputError
        If the folder or the file cannot be written: no permission, a full disk.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp gives its file to the owner alone
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def writable_folder(folder):
    """Create `folder` if needed, and make sure now, not after hours of work, that it can be written to."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


def unwritable(path, error):
    """The `InputError` for a file or folder that cannot be written."""
    reason = error.strerror or type(error).__name__
    return input_error(path, f"cannot be written: {reason}", "free some space or choose another folder")


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
