"""The lessons: where their notebooks are, and copies of them for a student to work in.

In a clone the notebooks lie in ``notebooks/`` beside the package. An installed package has them in
``share/minissd/notebooks`` of its environment, as pyproject.toml says.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from minissd.errors import input_error
from minissd.files import written_whole

PACKAGE = Path(__file__).parent
SHARED = Path("share", "minissd", "notebooks")
PATTERN = "[0-9][0-9]_*.ipynb"
SOURCE_LINK = re.compile(r"\]\(\.\./minissd/([\w./-]*)\)")  # a lesson's link to a file of the package
SOURCES = "source"  # folder of the linked files, beside copied lessons; "minissd" would hide the package


@dataclass(frozen=True)
class Lesson:
    """A notebook.

    Attributes
    ----------
    path : Path
    title : str
        From its first line, without the number.
    """

    path: Path
    title: str

    @property
    def number(self) -> str:
        """Two digits, which the names of the files begin with."""
        return self.path.name[:2]


def notebooks_folder(package=PACKAGE):
    """Find the folder of the notebooks.

    Parameters
    ----------
    package : Path
        Folder of the package.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If there is none.
    """
    for folder in (package.parent / "notebooks", *(parent / SHARED for parent in package.parents)):
        if any(folder.glob(PATTERN)):
            return folder
    raise input_error(
        "lessons", f"no notebooks beside {package}", "install minissd again, or use a clone of it"
    )


def find_lessons():
    """Return all lessons in their order.

    Returns
    -------
    list of Lesson

    Raises
    ------
    InputError
        If there are none, or one is no notebook.
    """
    return [Lesson(path, title_of(path)) for path in sorted(notebooks_folder().glob(PATTERN))]


def title_of(path):
    """Return the title of a notebook: its first heading, without ``12 ·`` before it."""
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
        heading = "".join(cells[0]["source"]).splitlines()[0]
    except (ValueError, LookupError, TypeError) as error:
        raise input_error(path, "is no notebook with a heading", "install minissd again") from error
    return re.sub(r"^#*\s*(\d+ · )?", "", heading)


def copy_lessons(folder):
    """Copy the lessons, and the files of the package that they link to, where they are not yet.

    A file that is there already is somebody's work and stays as it is.

    Parameters
    ----------
    folder : str or Path
        Created if needed.

    Returns
    -------
    copied, kept : list of str
        Names of notebooks.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    copied, kept = [], []
    for lesson in find_lessons():
        text = lesson.path.read_text(encoding="utf-8")
        is_new = write_new(Path(folder) / lesson.path.name, redirect(text, lambda name: name))
        (copied if is_new else kept).append(lesson.path.name)
        for name in linked_sources(text):
            write_new(Path(folder) / SOURCES / name, (PACKAGE / name).read_text(encoding="utf-8"))
    return copied, kept


def write_new(path, text):
    """Write a text file unless there is something of its name; returns whether it was written."""
    if path.exists() or path.is_symlink():
        return False
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True


def linked_sources(text):
    """Return the files of the package that a lesson links to, as paths inside it; of a folder its first."""
    return sorted({name for name in map(_file_of, SOURCE_LINK.findall(text)) if name})


def redirect(text, rename):
    """Turn a lesson's links to files of the package into links to their copies in `SOURCES`.

    Parameters
    ----------
    text : str
        Markdown, or a whole notebook.
    rename : callable
        From a file's path inside the package to the path of its copy.

    Returns
    -------
    str

    Examples
    --------
    >>> redirect("see [`nms.py`](../minissd/nms.py)", lambda name: f"{name}.html")
    'see [`nms.py`](source/nms.py.html)'
    """

    def copy_of(link):
        name = _file_of(link[1])
        return f"]({SOURCES}/{rename(name)})" if name else link[0]

    return SOURCE_LINK.sub(copy_of, text)


def _file_of(name):
    """The file that a link means, or None if there is no such file in the package."""
    path = PACKAGE / name
    if path.is_dir():
        path = path / "__init__.py"
    return path.relative_to(PACKAGE).as_posix() if ".." not in name and path.is_file() else None
