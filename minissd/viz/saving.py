"""Pictures as files: written whole or not at all, and the same bytes for the same picture."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path

import matplotlib

from minissd.errors import InputError
from minissd.files import written_whole

_NO_DATE = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
_svg_lock = threading.Lock()


def save(figure, path):
    """Write a figure as PNG, SVG or PDF, by the suffix of the path; the same figure gives the same bytes.

    The file is written under another name and then renamed (`minissd.files.written_whole`).

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : str or Path

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the suffix is another one, or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in _NO_DATE:
        raise InputError(f"{path}: cannot write a figure as {path.suffix!r} (use .png, .svg or .pdf)")
    with written_whole(path) as temporary, _fixed_svg_ids():
        figure.savefig(temporary, format=suffix, metadata=_NO_DATE[suffix])
    return path


@contextmanager
def _fixed_svg_ids():
    # matplotlib takes the salt of SVG ids from its settings only; without one the ids are random.
    with _svg_lock:
        before = matplotlib.rcParams["svg.hashsalt"]
        matplotlib.rcParams["svg.hashsalt"] = "minissd"
        try:
            yield
        finally:
            matplotlib.rcParams["svg.hashsalt"] = before
