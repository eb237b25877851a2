"""Importing the checks of an assignment: in each, they are a package of the name ``checks``."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module, invalidate_caches

from minissd.assignments.assignment import CHECKS
from minissd.errors import input_error


def check_function(assignment, name):
    """The test function of a name.

    Raises
    ------
    InputError
        If there is none.
    """
    with checks_of_folder(assignment.folder):
        for path in assignment.checks_paths:
            module = import_module(f"{CHECKS}.{path.stem}")
            if hasattr(module, name):
                return getattr(module, name)
    raise input_error(assignment.checks_folder, f"no check {name!r}")


@contextmanager
def checks_of_folder(folder):
    """Within this ``with`` block, ``checks`` is the package in this folder; afterwards it is as it was."""
    before, search_path = _without_checks(), sys.path[:]
    sys.path.insert(0, str(folder))
    invalidate_caches()  # the files may be new
    try:
        yield
    finally:
        sys.path[:] = search_path
        _without_checks()
        sys.modules.update(before)


def _without_checks():
    """Forget the modules of checks; returns them."""
    names = [name for name in sys.modules if name.split(".")[0] == CHECKS]
    return {name: sys.modules.pop(name) for name in names}
