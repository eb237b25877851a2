"""Values and calls as text for a student: short, and where possible such that one can paste it and try."""

from __future__ import annotations

import numpy as np

from minissd.assignments.comparison import fields_of
from minissd.assignments.wire import Given

WIDTH = 96  # of a line
MOST_VALUES = 48  # of an array that is shown whole
LONGEST_TEXT = 200


def shown(value, pasted=False):
    """A value as text, shortened if it is long.

    Parameters
    ----------
    value : object
    pasted : bool
        Write an array such that the text can be pasted into Python.

    Examples
    --------
    >>> shown(np.array([[0.5, 1.5]]))
    '[[0.5, 1.5]]'
    >>> shown(np.array([[0.5, 1.5]], np.float32), pasted=True)
    'np.array([[0.5, 1.5]], np.float32)'
    """
    if isinstance(value, np.ndarray):
        return _pasted(value) if pasted else _array(value)
    if isinstance(value, Given):
        return f"{value.module}.{value.name}"
    if isinstance(value, np.generic):
        return str(value)
    if isinstance(value, (tuple, list)):
        return _sequence(value, pasted)
    if isinstance(value, (dict, type(None), bool, int, float, str)) or fields_of(value) is None:
        return _short(repr(value))
    inside = ", ".join(f"{name}={shown(part, pasted)}" for name, part in fields_of(value).items())
    return _short(f"({inside})")


def call_text(name, arguments, part=""):
    """A call as text: on one line if it fits, otherwise with its longer arguments on lines of their own.

    Parameters
    ----------
    name : str
    arguments : dict of str to object
        Keyed by the names of the parameters.
    part : str
        What of the result is meant, such as ``"[0]"``.

    Examples
    --------
    >>> print(call_text("area", {"boxes_xyxy": np.array([[0.0, 0.0, 2.0, 1.0]])}))
    area(np.array([[0., 0., 2., 1.]]))
    >>> print(call_text("area", {"boxes_xyxy": np.zeros((8732, 4), np.float32)}))
    area(boxes_xyxy) with
        boxes_xyxy = array of shape (8732, 4), float32, values from 0 to 0
    """
    texts = {parameter: shown(value, pasted=True) for parameter, value in arguments.items()}
    line = f"{name}({', '.join(texts.values())}){part}"
    if len(line) <= WIDTH and "\n" not in line and not any(map(_is_long, arguments.values())):
        return line
    rows = (f"    {parameter} = {indented(text, len(parameter) + 7)}" for parameter, text in texts.items())
    return "\n".join([f"{name}({', '.join(texts)}){part} with", *rows])


def indented(text, columns):
    """The lines of a text, all but the first moved to the right."""
    return text.replace("\n", "\n" + " " * columns)


def _is_long(value):
    return isinstance(value, np.ndarray) and value.size > MOST_VALUES


def _array(array):
    if not _is_long(array):
        with np.errstate(invalid="ignore"):
            whole = array.dtype.kind == "f" and (array % 1 == 0).all() and (abs(array) < 1e8).all()
        return np.array2string(
            array, separator=", ", max_line_width=WIDTH - 16, threshold=MOST_VALUES, suppress_small=whole
        )
    return f"array of shape {array.shape}, {array.dtype}{_range(array)}"


def _range(array):
    if array.dtype.kind not in "iuf":
        return ""
    if np.isnan(array).any():
        return f", {np.isnan(array).sum()} of its values NaN"
    return f", values from {array.min():.6g} to {array.max():.6g}"


def _pasted(array):
    if _is_long(array):
        return _array(array)
    if not array.size:
        kind = "bool" if array.dtype == bool else f"np.{array.dtype}"
        return f"np.zeros({array.shape}{'' if array.dtype == float else f', {kind}'})"
    usual = array.dtype in (float, int, bool)
    text = indented(_array(array), len("np.array("))
    return f"np.array({text}{'' if usual else f', np.{array.dtype}'})"


def _sequence(values, pasted):
    parts = [shown(value, pasted) for value in values]
    opening, closing = "()" if isinstance(values, tuple) else "[]"
    separator = ",\n " if any("\n" in part for part in parts) else ", "
    last = "," if isinstance(values, tuple) and len(values) == 1 else ""
    text = opening + separator.join(indented(part, 1) for part in parts) + last + closing
    if pasted and len(text) > 4 * LONGEST_TEXT:
        return f"{len(parts)} in a {type(values).__name__}, the first of them\n{parts[0]}"
    return _short(text, 8 * LONGEST_TEXT)


def _short(text, longest=LONGEST_TEXT):
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]} ... {text[-half:]}"
