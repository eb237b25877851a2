"""Signatures of functions, with fewer parameters than they have in the library."""

from __future__ import annotations

import re
from dataclasses import dataclass

from minissd.assignments.library import segment

LINE_LENGTH = 110
INDENT = "    "


@dataclass(frozen=True)
class Parameter:
    """A parameter as it stands in a signature.

    Attributes
    ----------
    name : str
    text : str
        With stars, annotation and default, such as ``"iou_threshold=0.5"``.
    by_keyword : bool
        Whether it can be passed by keyword only.
    may_be_left_out : bool
        Whether a call without it is complete.
    """

    name: str
    text: str
    by_keyword: bool = False
    may_be_left_out: bool = False

    @property
    def stars(self):
        """What stands before its name."""
        return re.match(r"\**", self.text)[0]


def parameters(node, source):
    """The parameters of a function in their order.

    Parameters
    ----------
    node : ast.FunctionDef
    source : str
        What `node` was parsed from.

    Returns
    -------
    list of Parameter

    Examples
    --------
    >>> import ast
    >>> source = "def f(a, b=1e-3, *, c: int = 2, **rest): pass"
    >>> [parameter.text for parameter in parameters(ast.parse(source).body[0], source)]
    ['a', 'b=1e-3', 'c: int = 2', '**rest']
    """
    given, many = node.args, {"may_be_left_out": True}
    plain = given.posonlyargs + given.args
    defaults = [None] * (len(plain) - len(given.defaults)) + given.defaults
    found = [_parameter(*pair, source) for pair in zip(plain, defaults)]
    if given.vararg:
        found.append(Parameter(given.vararg.arg, "*" + segment(source, given.vararg), **many))
    for argument, default in zip(given.kwonlyargs, given.kw_defaults):
        found.append(_parameter(argument, default, source, by_keyword=True))
    if given.kwarg:
        found.append(Parameter(given.kwarg.arg, "**" + segment(source, given.kwarg), **many))
    return found


def _parameter(argument, default, source, by_keyword=False):
    text = segment(source, argument)
    if default is not None:
        equals = " = " if argument.annotation else "="
        text += equals + segment(source, default)
    return Parameter(argument.arg, text, by_keyword, default is not None)


def signature(node, source, leave_out=()):
    """The lines from ``def`` to the colon.

    Parameters
    ----------
    node : ast.FunctionDef
    source : str
    leave_out : sequence of str
        Parameters to drop. Without them the lines stay as they are, else they are broken anew.

    Returns
    -------
    list of str

    Examples
    --------
    >>> import ast
    >>> source = "def nms(boxes_xyxy, scores, inclusive=False):\\n    return 0"
    >>> signature(ast.parse(source).body[0], source, ["inclusive"])
    ['def nms(boxes_xyxy, scores):']
    """
    lines, found = source.splitlines(), parameters(node, source)
    kept = [parameter for parameter in found if parameter.name not in leave_out]
    if kept == found:
        return lines[node.lineno - 1 : end_of_signature(node, lines)]
    returns = f" -> {segment(source, node.returns)}" if node.returns else ""
    margin = " " * node.col_offset
    return broken(f"{margin}def {node.name}(", _texts(kept), f"){returns}:", margin)


def _texts(kept):
    """What stands between the brackets; a star where those begin that are passed by keyword only."""
    texts = [parameter.text for parameter in kept]
    keywords = [parameter.by_keyword for parameter in kept]
    if True in keywords and not any(parameter.stars == "*" for parameter in kept):
        texts.insert(keywords.index(True), "*")
    return texts


def broken(start, texts, end, margin):
    """One line if it is short enough, else the texts on a line of their own, else on a line each."""
    line = start + ", ".join(texts) + end
    if len(line) <= LINE_LENGTH:
        return [line]
    line = margin + INDENT + ", ".join(texts)
    if len(line) <= LINE_LENGTH:
        return [start, line, margin + end]
    return [start, *(f"{margin}{INDENT}{text}," for text in texts), margin + end]


def end_of_signature(node, lines):
    """Number of the line with the colon: the last before the body that is no comment."""
    end = node.body[0].lineno - 1
    while re.match(r"\s*(#|$)", lines[end - 1]):
        end -= 1
    return end


def call(name, given, leave_out=()):
    """A call that passes every parameter on.

    Parameters
    ----------
    name : str
        Of what is called.
    given : sequence of Parameter
        All of the parameters that it has.
    leave_out : sequence of str
        Those that are not passed.

    Returns
    -------
    str

    Examples
    --------
    >>> import ast
    >>> source = "def f(a, b=1, c=2, **rest): pass"
    >>> call("reference", parameters(ast.parse(source).body[0], source), ["b"])
    'reference(a, c=c, **rest)'
    """
    passed, by_keyword = [], False
    for parameter in given:
        # Behind one that is left out, the place of the others is another.
        by_keyword |= parameter.by_keyword or parameter.name in leave_out
        if parameter.name not in leave_out:
            keyword = f"{parameter.name}=" if by_keyword and not parameter.stars else parameter.stars
            passed.append(keyword + parameter.name)
    return f"{name}({', '.join(passed)})"
