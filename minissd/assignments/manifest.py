"""Reading an assignment from its ``manifest.toml``; nothing in it is taken for granted."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, fields
from numbers import Real
from pathlib import Path

from minissd.assignments.assignment import FOLDER, Assignment, File, Question, WrongAnswer
from minissd.assignments.faults import faults_of
from minissd.errors import InputError, input_error

__all__ = ["Assignment", "File", "Question", "WrongAnswer", "assignment_names", "load_assignment"]

MANIFEST = "manifest.toml"

# What the entries of each table must be, and whether they are.
TEXT = "a text", lambda value: isinstance(value, str) and value.strip()
NAME = "a name as Python has them", lambda value: isinstance(value, str) and value.isidentifier()
FILE = "a name such as boxes.py", lambda v: isinstance(v, str) and v.endswith(".py") and v[:-3].isidentifier()
HOURS = "a number over 0", lambda value: isinstance(value, Real) and value > 0
TEXTS = "a list of texts", lambda v: isinstance(v, tuple) and all(isinstance(each, str) for each in v)
SOME = "a list of one text or more", lambda value: value and TEXTS[1](value)
PAIRS = "a list of [old, new]", lambda v: isinstance(v, tuple) and all(len(p) == 2 and TEXTS[1](p) for p in v)
TABLES = "one table or more", lambda v: v and isinstance(v, tuple) and all(isinstance(e, dict) for e in v)

KEYS = {
    Assignment: {
        "title": TEXT,
        "trains": TEXT,
        "hours": HOURS,
        "lessons": TEXTS,
        "given": TEXTS,
        "imports": TEXTS,
        "file": TABLES,
        "question": TABLES,
    },
    File: {"name": FILE, "about": TEXT, "imports": TEXTS, "keep": TEXTS, "replace": PAIRS},
    Question: {
        "name": NAME,
        "file": FILE,
        "answers": SOME,
        "task": TEXT,
        "leave_out": TEXTS,
        "replace": PAIRS,
        "wrong": TABLES,
    },
    WrongAnswer: {"mistake": TEXT, "hint": TEXT, "code": TEXT},
}

ROWS = {"file": ("files", File), "question": ("questions", Question), "wrong": ("wrong", WrongAnswer)}


def assignment_names():
    """Names of the assignments that come with minissd."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{MANIFEST}"))


def load_assignment(name):
    """Read an assignment.

    Parameters
    ----------
    name : str or Path
        One of `assignment_names`, or a folder with ``manifest.toml`` and ``checks``.

    Returns
    -------
    Assignment

    Raises
    ------
    InputError
        If there is none, or something in its manifest is not as it must be, or does not fit the library.
    """
    known = assignment_names()
    folder = FOLDER / str(name) if str(name) in known else Path(name).resolve()
    path = folder / MANIFEST
    if not path.is_file():
        choices = ", ".join(known) or "none yet"
        raise input_error(
            name, "no such assignment", f"there are {choices}; or give a folder with {MANIFEST}"
        )
    assignment = _built(Assignment, _read(path), path, name=folder.name, folder=folder)
    _check(assignment, path)
    return assignment


def _check(assignment, path):
    try:
        fault = next(faults_of(assignment), "")
    except InputError as error:  # an answer that is not in the library
        fault = str(error)
    if fault:
        raise InputError(f"{path}: {fault}")


def _read(path):
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise input_error(path, f"cannot be read: {error}") from error


def _built(kind, table, where, **made):
    """An instance of a dataclass from a table of the manifest, with its tables inside."""
    for key, value in table.items():
        if key not in KEYS[kind]:
            raise input_error(where, f"unknown key {key!r}", f"choose one of {', '.join(KEYS[kind])}")
        value = _frozen(value)
        wanted, holds = KEYS[kind][key]
        if not holds(value):
            raise input_error(where, f"{key} is {str(value)[:60]!r}", f"give {wanted}")
        if wanted is TABLES[0]:
            key, row_kind = ROWS[key]
            value = tuple(_built(row_kind, row, f"{where}: {_title(row)}") for row in value)
        made[key] = value
    for field in fields(kind):
        if field.default is MISSING and field.name not in made:
            raise input_error(where, f"no {field.name}", "add the key")
    return kind(**made)


def _title(row):
    return row.get("name") or row.get("mistake") or "a table without a name"


def _frozen(value):
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
