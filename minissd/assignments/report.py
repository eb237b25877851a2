"""The marks of one submission: as text for its author, and as JSON for Gradescope."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import indent

from minissd.files import written_whole
from minissd.plural import counted

LONGEST_MESSAGE = 4000
FAULT = re.compile(r"^\S+ (stops: \w+|changed its argument).*", re.MULTILINE)
BEGIN = "Begin with the first: what is wrong there can be why others fail."


@dataclass(frozen=True)
class Result:
    """What a check found.

    Attributes
    ----------
    question : str
    check : str
        Name of the test function.
    points, max_points : float
        Earned, and to be earned.
    message : str
        For the student; empty if all is well.
    seconds : float
    title : str
        What is checked, in a sentence.
    kind : str
        ``""`` if all is well, ``"wrong"`` for a wrong value, otherwise what else happened, such as
        ``"time"`` or ``"missing_file"`` (see `minissd.assignments.submission.StudentError`).
    """

    question: str
    check: str
    points: float
    max_points: float
    message: str
    seconds: float
    title: str = ""
    kind: str = ""

    @property
    def passed(self):
        """Whether it earned its points."""
        return not self.kind


@dataclass(frozen=True)
class Report:
    """The marks of one submission.

    Attributes
    ----------
    assignment : str
    submission_name : str
    results : tuple of Result
    """

    assignment: str
    submission_name: str
    results: tuple[Result, ...]

    @property
    def points(self):
        """Points earned."""
        return plain_number(sum(result.points for result in self.results))

    @property
    def max_points(self):
        """Points to be earned."""
        return plain_number(sum(result.max_points for result in self.results))

    def by_question(self):
        """Results of each question, in the order of the checks: a dict from its name to a list."""
        questions = {}
        for result in self.results:
            questions.setdefault(result.question, []).append(result)
        return questions

    def text(self):
        """The report for a terminal: points per question, then what went wrong.

        Examples
        --------
        >>> right = Result("iou", "test_a", 2, 2, "", 0.1, "Squares that share a quarter have IoU 1/7.")
        >>> wrong = Result("iou", "test_b", 0, 3, "iou(a, b)\\nexpected 0", 0.1, "Boxes apart.", "wrong")
        >>> print(Report("A1", "anna", (right, wrong)).text())
        A1: anna has 2 of 5 points
        <BLANKLINE>
          iou  2 of 5  1 of 2 checks passed
        <BLANKLINE>
        iou, 3 points: Boxes apart.
            iou(a, b)
            expected 0
        """
        name = clean(self.submission_name)
        head = f"{self.assignment}: {name} has {self.points} of {self.max_points} points"
        questions = self.by_question()
        width = max(map(len, questions), default=0)
        lines = [f"  {name:{width}}  {_line(results)}" for name, results in questions.items()]
        failures = [list(_failures(results)) for results in questions.values()]
        begin = [BEGIN] if sum(map(bool, failures)) > 1 else []
        return "\n\n".join([head, "\n".join(lines), *begin, *(text for texts in failures for text in texts)])

    def gradescope(self):
        """The report as Gradescope's autograder reads it from ``results.json``.

        Returns
        -------
        dict
            With ``score``, ``execution_time`` (seconds), ``output``, ``visibility`` and ``tests``, each of
            which has ``score``, ``max_score``, ``status``, ``name``, ``number``, ``output``,
            ``visibility``.
        """
        tests = [
            _gradescope_test(f"{i}.{j}", result)
            for i, results in enumerate(self.by_question().values(), 1)
            for j, result in enumerate(results, 1)
        ]
        return {
            "score": self.points,
            "execution_time": round(sum(result.seconds for result in self.results), 3),
            "output": f"{self.assignment}: {self.points} of {self.max_points} points",
            "visibility": "visible",
            "tests": tests,
        }

    def details(self):
        """The report as plain data, from which `from_details` makes it again."""
        return {**asdict(self), "results": [asdict(result) for result in self.results]}

    @classmethod
    def from_details(cls, details):
        """Make a report of what `details` gave."""
        results = tuple(Result(**result) for result in details["results"])
        return cls(details["assignment"], details["submission_name"], results)


def write_json(path, content):
    """Write a JSON file, whole or not at all.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    with written_whole(Path(path)) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def clean(message):
    """A message that terminals and files take: no control characters, no half characters, not too long."""
    text = message.encode("utf-8", "backslashreplace").decode().replace("\t", "    ")
    text = "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
    half = LONGEST_MESSAGE // 2
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:half]}\n...\n{text[-half:]}"


def plain_number(number):
    """A number of points without an unneeded ``.0``."""
    return int(number) if number == int(number) else round(number, 6)


def _line(results):
    points, most = (plain_number(sum(getattr(r, each) for r in results)) for each in ("points", "max_points"))
    passed = sum(result.passed for result in results)
    return f"{points} of {most}  {passed} of {len(results)} checks passed"


def _failures(results):
    """The texts about the failed checks of a question; those with one and the same fault stand together."""
    same = {}
    for result in results:
        if not result.passed:
            same.setdefault(_fault(result.message), []).append(result)
    for failed in same.values():
        amount = f"{failed[0].question}, {counted(sum(result.max_points for result in failed), 'point')}"
        first = ", of which this is the first" * (len({result.message for result in failed}) > 1)
        what = failed[0].title if len(failed) == 1 else f"{len(failed)} checks{first}"
        yield f"{amount}: {what}\n{indent(failed[0].message, '    ')}"


def _fault(message):
    """What tells a fault from others: an exception and its place, whatever the call; or the whole message."""
    found = FAULT.search(message)
    return message if found is None else found[1] + message[found.end() :]


def _gradescope_test(number, result):
    return {
        "score": result.points,
        "max_score": result.max_points,
        "status": "passed" if result.passed else "failed",
        "name": f"{result.question}: {result.title}",
        "number": number,
        "output": result.message,
        "visibility": "visible",
    }
