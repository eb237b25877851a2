"""Importing the checks of an assignment: in each, they are a package of the name ``checks``."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from importlib.util import module_from_spec, spec_from_file_location

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
    """Within this ``with`` block, ``checks`` is the package in this folder; afterwards it is as it was.

    Raises
    ------
    InputError
        If the package cannot be loaded.
    """
    before = sys.modules.copy()
    _forget_checks()
    invalidate_caches()  # the files may be new
    try:
        _load_package(folder / CHECKS / "__init__.py")
        yield
    finally:
        _forget_checks()
        sys.modules.update(before)


def _load_package(path):
    """Import ``checks`` from its file: on `sys.path` the files beside it would hide Python's own."""
    spec = spec_from_file_location(CHECKS, path)
    sys.modules[CHECKS] = module_from_spec(spec)
    if path.is_file():
        try:
            spec.loader.exec_module(sys.modules[CHECKS])
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also SystemExit, and what pytest.skip raises
            raise input_error(path, f"cannot be loaded: {type(error).__name__}: {error}") from error


def _forget_checks():
    """Forget the modules of checks: pytest calls them ``ours.checks`` if the folder around is a package."""
    for name in [name for name in sys.modules if CHECKS in name.split(".")]:
        del sys.modules[name]
