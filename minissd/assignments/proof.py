"""Proving an assignment: the right answers earn everything, none earn nothing, and each mistake is found out.

Whoever adds a question or a check runs this before students do.
"""

from __future__ import annotations

from dataclasses import dataclass

from minissd.assignments.handout import reference_namespace
from minissd.assignments.marking import loaded, mark
from minissd.assignments.report import Report
from minissd.assignments.submission import LocalSubmission


@dataclass(frozen=True)
class Trial:
    """Answers that were marked on trial.

    Attributes
    ----------
    title : str
        Whose answers they are, or which mistake they make.
    report : Report
    fault : str
        What is wrong with the assignment; ``""`` if nothing is.
    """

    title: str
    report: Report
    fault: str


def trials(assignment):
    """Mark the library's answers, a handout as it is, and every wrong answer of the manifest, all here.

    Parameters
    ----------
    assignment : str, Path or Assignment

    Yields
    ------
    Trial

    Raises
    ------
    InputError
        As `minissd.assignments.marking.mark`.
    """
    assignment = loaded(assignment)
    right = _asked(assignment, reference_namespace(assignment))
    lost = next((result.message for result in right.results if not result.passed), "")
    yield Trial("the library's answers", right, lost and f"they lose points:\n{lost}")

    names = [name for question in assignment.questions for name in question.answer_names]
    empty = _asked(assignment, dict.fromkeys(names, _not_written))
    yield Trial("the handout as it is", empty, "it earns points" if empty.points else "")

    for question in assignment.questions:
        for wrong in question.wrong:
            report = _asked(assignment, reference_namespace(assignment, wrong), question.name)
            yield Trial(f"{question.name}, {wrong.mistake}", report, _fault_of_wrong(report, wrong))


def _asked(assignment, namespace, *questions):
    return mark(assignment, assignment.name, questions, submission=LocalSubmission(namespace))


def _not_written(*args, **kwargs):
    raise NotImplementedError


def _fault_of_wrong(report, wrong):
    messages = [result.message for result in report.results if not result.passed]
    if not messages:
        return "no check finds this out"
    named = any(_words(wrong.mistake) in _words(message) for message in messages)
    return "" if named else f"no message names it; the first is:\n{messages[0]}"


def _words(text):
    """The text without line breaks; messages have other ones than the manifest."""
    return " ".join(text.split())
