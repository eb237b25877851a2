"""The library as text: where an answer stands in its source, found without importing it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from minissd.errors import input_error

PACKAGE = Path(__file__).parents[1]
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Definition:
    """A function, class or constant of a module.

    Attributes
    ----------
    module : str
        Such as ``"minissd.boxes"``.
    name : str
        Such as ``"iou"``; of a method its class.
    method : str
        Empty unless a method was asked for.
    node : ast.stmt
        Of the function, class or constant.
    lines : tuple of str
        Of the whole module.
    """

    module: str
    name: str
    method: str
    node: ast.stmt
    lines: tuple[str, ...]

    @property
    def is_class(self):
        """Whether it is a class."""
        return isinstance(self.node, ast.ClassDef)

    @property
    def text(self):
        """Its source, with decorators and with the comment behind it."""
        return "\n".join(self.lines[first_line(self.node) - 1 : self.node.end_lineno])


def find_definition(path):
    """Find what a dotted name means.

    Parameters
    ----------
    path : str
        ``"minissd.boxes.iou"``, ``"minissd.models.head.Head"`` or ``"minissd.models.head.Head.forward"``.

    Returns
    -------
    Definition

    Raises
    ------
    InputError
        If there is no such thing.

    Examples
    --------
    >>> found = find_definition("minissd.models.head.Head.forward")
    >>> found.module, found.name, found.method, found.is_class
    ('minissd.models.head', 'Head', 'forward', True)
    """
    module, names = split(path)
    lines, tree = _parsed(module)
    name, method = (*names, "")[:2]
    for node in tree.body:
        if name in names_of(node) and len(names) <= 2 and (not method or method in methods_of(node)):
            return Definition(module, name, method, node, lines)
    raise _missing(path)


def split(path):
    """Take a dotted name apart into a module of the package and the names in it.

    Examples
    --------
    >>> split("minissd.models.head.Head.forward")
    ('minissd.models.head', ('Head', 'forward'))
    """
    parts = path.split(".")
    for count in range(len(parts) - 1, 1, -1):
        if parts[0] == "minissd" and all(map(str.isidentifier, parts)) and _file(parts[:count]).is_file():
            return ".".join(parts[:count]), tuple(parts[count:])
    raise _missing(path)


def is_module(name):
    """Whether the package has such a module.

    Examples
    --------
    >>> is_module("minissd.config"), is_module("minissd.nn"), is_module("numpy")
    (True, True, False)
    """
    parts = name.split(".")
    files = _file(parts), _file([*parts, "__init__"])
    return parts[0] == "minissd" and any(file.is_file() for file in files)


def names_of(node):
    """What a statement of a module defines: a function, a class, constants."""
    if isinstance(node, (*FUNCTION, ast.ClassDef)):
        return {node.name}
    targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
    return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}


def methods_of(node):
    """The methods of a class by name, of anything else none."""
    return {each.name: each for each in getattr(node, "body", ()) if isinstance(each, FUNCTION)}


def first_line(node):
    """Number of the first line of a statement; of a decorated one its first decorator's."""
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])


def segment(source, node):
    """The text of a node: `ast.get_source_segment`, without its walk over every character of the source."""
    lines = source.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno]
    lines[-1] = lines[-1].encode()[: node.end_col_offset].decode()  # columns count bytes
    lines[0] = lines[0].encode()[node.col_offset :].decode()
    return "".join(lines)


@cache
def _parsed(module):
    text = _file(module.split(".")).read_text(encoding="utf-8")
    return tuple(text.splitlines()), ast.parse(text)


def _file(parts):
    return PACKAGE.joinpath(*parts[1:]).with_suffix(".py")


def _missing(path):
    return input_error(path, "no function, class or constant", "give minissd.MODULE.NAME where it is defined")
