"""What is checked, for which question and how many points, as its ``checks`` say; nothing of it is run."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass

from minissd.errors import input_error


@dataclass(frozen=True)
class Check:
    """One check of an assignment.

    Attributes
    ----------
    name : str
        Of its test function.
    question : str
    points : float
    summary : str
        What is checked, in a sentence.
    """

    name: str
    question: str
    points: float
    summary: str


def checks_of(assignment):
    """Read the checks of an assignment.

    Parameters
    ----------
    assignment : Assignment

    Returns
    -------
    list of Check
        In the order of the questions.

    Raises
    ------
    InputError
        If a file of them is missing or no Python, a test lacks its points or its question, or two tests have
        one name.
    """
    checks = [check for path in assignment.checks_paths for check in _read(path)]
    times = Counter(check.name for check in checks)
    if repeated := [name for name in times if times[name] > 1]:
        raise input_error(assignment.checks_folder, f"{repeated[0]} stands in it twice", "give each a name")
    return sorted(checks, key=lambda check: assignment.place_of(check.question))


def points_of(assignment):
    """How many points there are for each question.

    Returns
    -------
    dict of str to float
        In the order of the questions.
    """
    points = {question.name: 0 for question in assignment.questions}
    for check in checks_of(assignment):
        points[assignment.question(check.question).name] += check.points
    return points


def _read(path):
    """The checks in one file."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise input_error(path, f"cannot be read: {error}", "write the checks") from error
    tests = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    return [_check(node, path) for node in tests]


def _check(node, path):
    """Take ``@points("iou", 2)`` and the docstring off a test."""
    for decorator in node.decorator_list:
        try:
            if decorator.func.id == "points":
                question, points = map(ast.literal_eval, decorator.args)
                return Check(
                    node.name, question, points, (ast.get_docstring(node) or node.name).split("\n\n")[0]
                )
        except (AttributeError, ValueError):
            continue
    raise input_error(path, f"{node.name} has no points", 'write @points("question", 2) above it')
