"""Marking a class: many submissions at once, with progress; an interrupted run goes on where it stopped."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections import deque
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path

from minissd import __version__
from minissd.assignments.archive import is_zip
from minissd.assignments.check_list import checks_of
from minissd.assignments.limits import MEMORY_LIMIT, TIME_LIMIT
from minissd.assignments.manifest import MANIFEST
from minissd.assignments.marking import loaded, submission_name
from minissd.assignments.marking_process import MarkingProcess
from minissd.assignments.report import Report, Result, clean, plain_number, write_json
from minissd.errors import input_error
from minissd.files import writable_folder, written_whole

TABLE = "marks.csv"
NOT_MARKED = "not_marked"  # kind of all results of a submission that could not be marked
DIED = "The marking ended unexpectedly: mark it again, alone."
REMARKS = {  # kinds of results, in a teacher's words; a wrong answer needs none
    "missing_file": "file missing",
    "missing_name": "function missing",
    "not_implemented": "not written",
    "syntax": "not Python",
    "import": "fails at import",
    "raised": "raises an exception",
    "time": "too slow",
    "memory": "too much memory",
    "exit": "ends the program",
    "forbidden": "forbidden",
    "reply": "no answer",
    "check": "answer of another type",
    "skipped": "not checked",
}


@dataclass(frozen=True)
class Task:
    """A submission to mark.

    Attributes
    ----------
    name : str
        Of its marks; no other submission has it.
    path : Path
    fingerprint : str
        Changes with everything that the marks depend on.
    """

    name: str
    path: Path
    fingerprint: str


def mark_class(
    assignment,
    folders,
    output,
    jobs=None,
    questions=None,
    time_limit=TIME_LIMIT,
    memory_limit=MEMORY_LIMIT,
):
    """Mark many submissions.

    Each gets a file ``NAME.json`` in `output`, Gradescope's results with our own under ``extra_data``; the
    table of all is ``marks.csv``. What was marked before, and has not changed since, is not marked again.

    Parameters
    ----------
    assignment : str, Path or Assignment
    folders : sequence of str or Path
        What each student handed in: a folder or a .zip file.
    output : str or Path
        Created if needed.
    jobs : int, optional
        Processes; by default as many as there are cores.
    questions : sequence of str, optional
        Only these.
    time_limit : float
        Seconds for one call.
    memory_limit : int
        Bytes for the process of a submission; each job has one.

    Returns
    -------
    list of Report
        In the order of `folders`, under the names of their files.

    Raises
    ------
    InputError
        If there is no such assignment, question or folder, or if `output` cannot be written.
    """
    from tqdm import tqdm

    assignment, output = loaded(assignment), writable_folder(output)
    questions = tuple(assignment.question(name).name for name in questions or ()) or None
    settings = {"questions": questions, "time_limit": time_limit, "memory_limit": memory_limit}
    tasks = tasks_of(assignment, folders, output, settings)
    reports = {task.name: report for task in tasks if (report := _marked_before(output, task))}
    left = [task for task in tasks if task.name not in reports]
    with tqdm(total=len(tasks), initial=len(reports), unit="submission", disable=None) as bar:
        for task, outcome in outcomes(assignment, left, jobs or os.cpu_count() or 1, settings):
            reports[task.name] = _written(output, task, outcome, assignment, questions)
            bar.update()
    reports = [reports[task.name] for task in tasks]
    write_marks(output / TABLE, reports)
    return reports


def tasks_of(assignment, folders, output, settings):
    """The submissions, each once and under a name of its own.

    Raises
    ------
    InputError
        If there is no such folder or file.
    """
    files = [assignment.folder / MANIFEST, *sorted(assignment.checks_folder.glob("*.py"))]
    rules = [__version__, repr(sorted(settings.items())), *(file.read_bytes() for file in files)]
    paths = {Path(folder).resolve(): Path(folder) for folder in folders}
    paths.pop(output.resolve(), None)  # it may lie among the submissions
    tasks, names = [], set()
    for path in paths.values():
        if not path.exists():
            raise input_error(path, "no such folder or .zip file", "name what the students handed in")
        name = _unused(submission_name(path), names)
        names.add(name.casefold())
        tasks.append(Task(name, path, fingerprint(path, rules)))
    if not tasks:
        raise input_error("submissions", "there are none", "name what the students handed in")
    return tasks


def fingerprint(path, rules=()):
    """A short text that changes with the files of a submission, and with the rules (str or bytes)."""
    digest = hashlib.sha256()
    for part in (*rules, *_contents(path)):
        part = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def outcomes(assignment, tasks, jobs, settings):
    """Mark submissions in several processes.

    Yields
    ------
    task : Task
    outcome : Report, InputError or None
        The marks; or why there are none; or None if the process that was marking has ended.

    Raises
    ------
    InputError
        If the processes do not start.
    """
    new = lambda: MarkingProcess(assignment, settings)  # noqa: E731
    waiting, free = deque(tasks), []
    busy = dict.fromkeys([new() for _ in range(min(jobs, len(tasks)))])  # None: it starts
    try:
        while any(busy.values()) or waiting:
            while waiting and free:
                process = free.pop()
                busy[process] = waiting.popleft()
                process.send(busy[process].path)
            for process in wait(busy):
                task, outcome = busy.pop(process), process.receive()
                if task is None and outcome is None:
                    raise input_error("marking", "its processes do not start", "see above; use fewer --jobs")
                if outcome is not None:
                    free.append(process)
                elif waiting:
                    busy[new()] = None
                if task is not None:
                    yield task, outcome
    finally:
        for process in (*busy, *free):
            process.stop()


def write_marks(path, reports):
    """Write the table of marks: name, total, out_of, a column for each question, remark.

    Spreadsheets open it as it is: names that they would take for formulas are marked as text with ``'``.
    """
    columns = list(dict.fromkeys(name for report in reports for name in report.by_question()))
    form = {"encoding": "utf-8-sig", "errors": "backslashreplace", "newline": ""}
    with written_whole(path) as temporary, open(temporary, "w", **form) as file:
        writer = csv.writer(file)
        writer.writerow(["name", "total", "out_of", *columns, "remark"])
        for report in reports:
            questions = report.by_question()
            points = [plain_number(sum(r.points for r in questions.get(name, ()))) for name in columns]
            name, remark = _as_text(report.submission_name), _as_text(remark_of(report))
            writer.writerow([name, report.points, report.max_points, *points, remark])


def remark_of(report):
    """What happened beside wrong answers, for the teacher.

    Examples
    --------
    >>> late = Result("nms", "test_all", 0, 2, "...", 10.0, "", "time")
    >>> remark_of(Report("A4", "anna", (late,)))
    'too slow: nms'
    """
    if report.results and report.results[0].kind == NOT_MARKED:
        return report.results[0].message
    kinds = {}
    for result in report.results:
        if result.kind in REMARKS:
            kinds.setdefault(REMARKS[result.kind], {})[result.question] = None
    return "; ".join(f"{words}: {', '.join(questions)}" for words, questions in kinds.items())


def _as_text(text):
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _unused(name, names):
    """The name, with a number if it is taken; upper and lower case are one to some file systems."""
    number, unused = 1, name
    while unused.casefold() in names:
        number += 1
        unused = f"{name}_{number}"
    return unused


def _contents(path):
    """Names and contents of the files of a submission."""
    if path.is_file():
        return [path.read_bytes()] if is_zip(path) else [path.name]
    files = sorted(each for each in path.rglob("*.py") if each.is_file() and not each.is_symlink())
    return [part for file in files for part in (str(file.relative_to(path)), file.read_bytes())]


def _marked_before(output, task):
    """The report of an earlier run; None if there is none, or something has changed since."""
    try:
        kept = json.loads((output / f"{task.name}.json").read_text(encoding="utf-8"))["extra_data"]
        return Report.from_details(kept["report"]) if kept["fingerprint"] == task.fingerprint else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _written(output, task, outcome, assignment, questions):
    """Write the JSON file of a submission; returns its report."""
    marked = isinstance(outcome, Report)
    report = outcome if marked else _without_marks(assignment, questions, str(outcome or DIED))
    report = replace(report, submission_name=task.name)
    extra = {"fingerprint": task.fingerprint if marked else "", "report": report.details()}
    write_json(output / f"{task.name}.json", {**report.gradescope(), "extra_data": extra})
    return report


def _without_marks(assignment, questions, message):
    """The report of a submission that could not be marked."""
    checks = [each for each in checks_of(assignment) if questions is None or each.question in questions]
    results = [
        Result(each.question, each.name, 0, each.points, clean(message), 0.0, each.summary, NOT_MARKED)
        for each in checks
    ]
    return Report(assignment.name, "", tuple(results))
