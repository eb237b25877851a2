"""Marking a submission: points for every check that passes, and a message for every one that does not.

The checks of an assignment are ordinary pytest functions in its package ``checks``, which has a file for each
file of the handout::

    from minissd.assignments.marking import points

    @points("iou", 2)
    def test_two_squares_that_share_a_quarter(ask):
        \"\"\"Two squares of side 2 that share a unit square have IoU 1/7.\"\"\"
        ask("iou", [[0.0, 0.0, 2.0, 2.0]], [[1.0, 1.0, 3.0, 3.0]]).is_close([[1 / 7]])

The first line of the docstring is shown to the student. Three fixtures are given: ``ask`` calls the
submission (`minissd.assignments.asking.Ask`), ``reference`` holds the right answers, and ``rng`` is a random
generator with a fixed seed.
"""

from __future__ import annotations

import inspect
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

from minissd.assignments.limits import MEMORY_LIMIT, TIME_LIMIT
from minissd.assignments.manifest import load_assignment
from minissd.errors import input_error


def points(question, number):
    """Say of a check to which question it belongs, and how many points it earns.

    Examples
    --------
    >>> @points("iou", 2)
    ... def test_iou(ask): ...
    >>> test_iou.points
    ('iou', 2)
    """

    def noted(check):
        check.points = question, number
        return check

    return noted


def mark(
    assignment, folder, questions=None, time_limit=TIME_LIMIT, memory_limit=MEMORY_LIMIT, submission=None
):
    """Mark a submission.

    The submission runs in a process of its own, with limits, and sees neither the checks nor the library's
    answers; see `minissd.assignments.submission`.

    Parameters
    ----------
    assignment : str, Path or Assignment
        See `load_assignment`.
    folder : str or Path
        What was handed in: a folder or a .zip file.
    questions : sequence of str, optional
        Only these.
    time_limit : float
        Seconds for one call.
    memory_limit : int
        Bytes for the submission's process.
    submission : optional
        Asked instead of the files in `folder`, which then only gives the name.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If there is no such assignment, question or folder, if pytest is missing, or if the checks cannot be
        loaded. Whatever is wrong with the student's code is in the report.
    """
    if find_spec("pytest") is None:
        raise input_error("pytest", "is needed for marking", "pip install 'minissd[course]'")
    from minissd.assignments.check_run import run_checks
    from minissd.assignments.report import Report

    assignment = loaded(assignment)
    names = [assignment.question(name).name for name in questions or ()]
    names = names or [question.name for question in assignment.questions]
    with ExitStack() as stack:
        if submission is None:
            submission = _submission(assignment, folder, time_limit, memory_limit, stack)
        results = run_checks(assignment, submission, names, time_limit)
    return Report(assignment.name, submission_name(folder), results)


def check(assignment, question=None, folder="."):
    """Mark one question of the files in a folder, or all, and print the report; for notebooks.

    Parameters
    ----------
    assignment : str, Path or Assignment
    question : str, optional
    folder : str or Path
    """
    print(mark(assignment, folder, [question] if question else None).text())


def check_in_notebook(assignment, check_name, namespace):
    """Run one check on functions that are defined in a notebook, for a course that marks with nbgrader.

    Parameters
    ----------
    assignment : str, Path or Assignment
    check_name : str
        Name of the test function in the assignment's ``checks``.
    namespace : dict
        The notebook's ``globals()``.

    Raises
    ------
    AssertionError
        If the check does not pass, with the message for the student.
    """
    import numpy as np

    from minissd.assignments.asking import Ask
    from minissd.assignments.check_modules import check_function
    from minissd.assignments.handout import reference_namespace
    from minissd.assignments.submission import LocalSubmission

    assignment = loaded(assignment)
    function = check_function(assignment, check_name)
    fixtures = {
        "ask": lambda: Ask(LocalSubmission(namespace), assignment, assignment.question(function.points[0])),
        "rng": lambda: np.random.default_rng(0),
        "reference": lambda: SimpleNamespace(**reference_namespace(assignment)),
    }
    function(**{name: fixtures[name]() for name in inspect.signature(function).parameters})


def loaded(assignment):
    """An assignment by its name, or as it is."""
    return load_assignment(assignment) if isinstance(assignment, (str, Path)) else assignment


def submission_name(folder):
    """What a submission is called: its folder, or its .zip file without the ending."""
    path = Path(folder).resolve()
    return path.stem if path.suffix.lower() == ".zip" else path.name


def _submission(assignment, folder, time_limit, memory_limit, stack):
    """The submission in a folder, which ends with the stack."""
    from minissd.assignments.archive import opened
    from minissd.assignments.submission import Submission

    path = stack.enter_context(opened(folder, assignment.file_names))
    files, given = assignment.answers_by_file, assignment.given
    return stack.enter_context(Submission(path, files, given, time_limit, memory_limit))
