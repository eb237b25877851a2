"""The README of a handout: what to do, in which order, how to check it, what to hand in."""

from __future__ import annotations

from textwrap import fill

from minissd.assignments.check_list import points_of
from minissd.plural import counted

LINE_LENGTH = 100


def readme(assignment):
    """The text of a handout's ``README.md``.

    Parameters
    ----------
    assignment : Assignment

    Returns
    -------
    str
    """
    sections = [
        f"# {assignment.name}: {assignment.title}",
        introduction(assignment),
        f"## What to write\n\n{tasks(assignment)}",
        f"## How to check\n\n{how_to_check(assignment)}",
        f"## What to hand in\n\n{hand_in(assignment)}",
    ]
    return "\n\n".join(sections) + "\n"


def introduction(assignment):
    """How long it takes, and what to read before."""
    hours = f"about {counted(assignment.hours, 'hour')}"
    lessons = enumeration([f"`{lesson}`" for lesson in assignment.lessons])
    them = "it" if len(assignment.lessons) == 1 else "them"
    before = f" Read {lessons} first; `minissd lessons` opens {them}." if assignment.lessons else ""
    return f"{fill(f'This takes {hours}.{before}', LINE_LENGTH)}\n\n{INSTALL}"


INSTALL = """\
You need minissd with its parts for courses and notebooks. In a clone of its repository:

    python3 -m venv .venv && .venv/bin/pip install -q -e '.[course,notebooks]'
    source .venv/bin/activate

Then come back to this folder, in the same terminal, for the commands below."""


def tasks(assignment):
    """The questions in their order, with files and points."""
    points = points_of(assignment)
    entries = []
    for number, question in enumerate(assignment.questions, start=1):
        what = (
            f"{number}. **{question.name}** in `{question.file}`, {counted(points[question.name], 'point')}. "
        )
        text = what + what_to_write(question) + question.task
        entries.append(fill(" ".join(text.split()), LINE_LENGTH, subsequent_indent="   "))
    return f"{BEFORE_TASKS}\n\n" + "\n".join(entries)


BEFORE_TASKS = """\
Some functions in the files only raise `NotImplementedError`. Write your code in the place of that
line; leave names, parameters, and what is given as they are. The docstring says what comes in and
what goes out, and most have a small example. Take the questions in this order:"""


def what_to_write(question):
    """The names to define, unless there is only the one that the question is called after."""
    if question.written_names == (question.name,):
        return ""
    return f"Write {enumeration([f'`{name}`' for name in question.written_names])}. "


def how_to_check(assignment):
    """The commands, and the notebook if there is one."""
    name, first = assignment.name, assignment.questions[0].name
    text = f"""\
In this folder, as often as you like:

    minissd assignment grade {name} .
    minissd assignment grade {name} . --question {first}

The first checks everything, the second one question. It says what failed: the call, what was
expected, what came, and often the likely mistake. Your work is marked by the same checks. The
examples in the docstrings are run by `python -m doctest {assignment.questions[0].file}`, which prints
nothing if they are right."""
    if assignment.notebook_path.is_file():
        text += f"\n\nThe notebook `{name}.ipynb` shows what your functions do, and checks them too."
    return text


def hand_in(assignment):
    """The files to hand in, and what they may import."""
    files = enumeration([f"`{name}`" for name in assignment.file_names])
    given = enumeration(["NumPy", *(f"`{module}`" for module in assignment.given)])
    text = (
        f"{files}, under {'these names' if len(assignment.files) > 1 else 'this name'}. They may import "
        f"Python's standard library, {given}. Other modules of minissd are not there when your work is "
        "marked: they hold the answers."
    )
    return fill(text, LINE_LENGTH)


def enumeration(words):
    """Join words as people do.

    Examples
    --------
    >>> enumeration(["a"]), enumeration(["a", "b"]), enumeration(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
