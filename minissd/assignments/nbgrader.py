"""An assignment as nbgrader wants it: a notebook with solutions, of which nbgrader makes the students' own.

Cells to complete hold the library's answer between ``### BEGIN SOLUTION`` and ``### END SOLUTION``, and each
check is a locked cell with its points. nbgrader marks a submission in the process that it runs in, where a
student can import the answers from minissd; `minissd.assignments.marking` keeps the two apart.
"""

from __future__ import annotations

import json
from pathlib import Path

from minissd.assignments.blanks import blanked
from minissd.assignments.check_list import checks_of
from minissd.assignments.handout import delegating, imported, kept_sources, write_new
from minissd.assignments.imports import import_blocks, module_of
from minissd.assignments.readme import introduction, what_to_write

CONFIG = """\
c = get_config()  # noqa: F821, given by nbgrader
c.CourseDirectory.course_id = "minissd"
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("write this, see the docstring")'}
"""
CHECKING = "from minissd.assignments.marking import check_in_notebook"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def write_nbgrader(assignment, folder):
    """Write a course folder's ``source/A1/A1.ipynb``, and an ``nbgrader_config.py`` unless there is one.

    Parameters
    ----------
    assignment : Assignment
    folder : str or Path
        The course's. Created if needed.

    Returns
    -------
    Path
        The notebook.

    Raises
    ------
    InputError
        If the notebook is there already, or cannot be written.
    """
    folder, name = Path(folder), assignment.name
    config = {} if (folder / "nbgrader_config.py").exists() else {"nbgrader_config.py": CONFIG}
    notebook = json.dumps(source_notebook(assignment), indent=1, ensure_ascii=False) + "\n"
    return write_new({f"source/{name}/{name}.ipynb": notebook, **config}, folder)[0]


def source_notebook(assignment):
    """The notebook with solutions and checks.

    Parameters
    ----------
    assignment : Assignment

    Returns
    -------
    dict
        As in a file of nbformat 4.5.
    """
    cells = [markdown("title", f"# {assignment.name}: {assignment.title}\n\n{introduction(assignment)}")]
    cells.append(locked("imports", all_imports(assignment)))
    for file in assignment.files:
        if not assignment.questions_in(file.name):
            cells += opening(file)
    checks, sources, begun = checks_of(assignment), {}, set()
    for question in assignment.questions:
        if question.file not in begun:
            begun.add(question.file)
            cells += opening(assignment.file(question.file))
            sources |= blanked(assignment.questions_in(question.file), solution)
        cells += cells_of_question(assignment, question, sources, checks)
    return {
        "cells": cells,
        "metadata": {"kernelspec": KERNEL, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def all_imports(assignment):
    """The imports of all files; what one would import from another is in the notebook anyhow."""
    lines = [*assignment.imports, *(line for file in assignment.files for line in file.imports), CHECKING]
    return "\n\n".join(import_blocks([line for line in lines if module_of(line) not in assignment.modules]))


def opening(file):
    """What a file is about, and what of it is given."""
    stem = Path(file.name).stem
    cells = [markdown(f"about-{stem}", f"## {file.about.strip().rstrip('.')}")]
    if file.keep:
        cells.append(locked(f"given-{stem}", "\n\n\n".join(kept_sources(file))))
    return cells


def cells_of_question(assignment, question, sources, checks):
    """The task, a cell for each answer and a cell for each check."""
    task = f"### {question.name}\n\n{what_to_write(question)}{question.task.strip()}"
    names = [name for name in question.answer_names if name in sources]  # a class has one cell only
    return [
        markdown(f"task-{question.name}", task),
        *(to_write(name, sources.pop(name)) for name in names),
        *(to_pass(assignment, check) for check in checks if check.question == question.name),
    ]


def solution(part):
    """The library's answer between nbgrader's marks."""
    answer = taken_over(part) if part.is_method else delegating(part)
    return f"### BEGIN SOLUTION\n{answer}\n### END SOLUTION"


def taken_over(part):
    """The body of a method that makes the object one of the library's class, and leaves the work to it."""
    reference, passed = imported(part.definition, "Reference"), part.call(f"self.{part.node.name}")
    return f"{reference}\n\nself.__class__ = Reference\nreturn {passed}"


# -- cells --------------------------------------------------------------------------------------------------


def markdown(name, text):
    """A cell to read."""
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}


def locked(name, text):
    """A cell of code that is not to be changed."""
    return _code(name, text, locked=True)


def to_write(name, text):
    """A cell with a solution, which nbgrader takes out."""
    return _code(f"answer-{name}", text, solution=True)


def to_pass(assignment, check):
    """A locked cell that earns points if it raises nothing."""
    call = f"check_in_notebook({assignment.address!r}, {check.name!r}, globals())"
    return _code(check.name, f"# {check.summary}\n{call}", locked=True, grade=True, points=check.points)


def _code(name, text, **nbgrader):
    marks = {"grade": False, "grade_id": name, "locked": False, "schema_version": 3, "solution": False}
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {"nbgrader": marks | {"task": False} | nbgrader},
        "outputs": [],
        "source": text.splitlines(keepends=True),
    }
