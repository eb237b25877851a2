"""A class: every submission gets its marks, whatever one of them does, and none is marked twice."""

import csv
import json
import os
import shutil
import tempfile
import zipfile
from dataclasses import replace

import pytest
from sample import RIGHT, write_checks, write_sample

from minissd.assignments import class_list, load_assignment
from minissd.assignments.archive import opened
from minissd.assignments.class_list import fingerprint, mark_class, remark_of
from minissd.assignments.report import Report, Result
from minissd.errors import InputError, input_error

KILLS_THE_MARKER = '''
import os

from minissd.assignments.marking import points


@points("iou", 2)
def test_answer(ask):
    """The answer is 7."""
    if ask("iou", 1, 2).value == 13:
        os._exit(1)
    ask("iou", 1, 2).equals(7)
'''


@pytest.fixture
def sample(tmp_path):
    return load_assignment(write_sample(tmp_path))


@pytest.fixture
def hand_in(tmp_path):
    """A function that hands in a boxes.py; returns the folder."""

    def make(name, text=RIGHT["boxes.py"]):
        folder = tmp_path / "submissions" / name
        folder.mkdir(parents=True)
        (folder / "boxes.py").write_text(text)
        return folder

    return make


@pytest.fixture
def marked_here(monkeypatch):
    """Submissions are opened in this process, and get no marks; the names of those that were."""
    names = []

    def marks(assignment, questions):
        report = class_list._without_marks(assignment, questions, "No.")
        return replace(report, results=tuple(replace(each, kind="wrong") for each in report.results))

    def outcomes(assignment, tasks, jobs, settings):
        for task in tasks:
            names.append(task.name)
            try:
                with opened(task.path, assignment.file_names):
                    yield task, marks(assignment, settings["questions"])
            except InputError as error:
                yield task, error

    monkeypatch.setattr(class_list, "outcomes", outcomes)
    return names


def table(output):
    """The rows of marks.csv, as a spreadsheet reads them."""
    with open(output / "marks.csv", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_class(sample, hand_in, tmp_path, monkeypatch):
    """In several processes: a good submission, one that cannot be read, and one whose marking dies."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    write_checks(sample.folder, KILLS_THE_MARKER, "")
    folders = [hand_in("anna", "def iou(a, b): return 7"), hand_in("ben", "def iou(a, b): return 13")]
    folders.append(tmp_path / "submissions" / "cleo.zip")
    folders[-1].write_bytes(b"Rar!")
    reports = mark_class(sample, folders, tmp_path / "marks", jobs=2)
    assert [(report.submission_name, report.points) for report in reports] == [
        ("anna", 2),
        ("ben", 0),
        ("cleo", 0),
    ]
    rows = table(tmp_path / "marks")
    assert rows[0] == {"name": "anna", "total": "2", "out_of": "2", "iou": "2", "remark": ""}
    assert rows[1]["remark"] == "The marking ended unexpectedly: mark it again, alone."
    assert "cannot be unpacked" in rows[2]["remark"]
    kept = json.loads((tmp_path / "marks" / "cleo.json").read_text())
    assert "cannot be unpacked" in kept["tests"][0]["output"]
    again = [task.name for task in left(sample, folders, tmp_path / "marks")]
    assert again == ["ben", "cleo"]
    assert list(tmp_path.glob("minissd-*")) == []


def left(sample, folders, output, **settings):
    """The submissions that another run would mark."""
    settings = {"questions": None, "time_limit": 10.0, "memory_limit": 2 << 30} | settings
    tasks = class_list.tasks_of(sample, folders, output, settings)
    return [task for task in tasks if class_list._marked_before(output, task) is None]


def test_an_interrupted_run_goes_on(sample, hand_in, tmp_path, monkeypatch, marked_here):
    names, marks = ["anna", "ben", "cleo"], tmp_path / "marks"
    folders = [hand_in(name) for name in names]
    write = class_list._written

    def interrupted(output, task, *more):
        if task.name == "ben":
            raise KeyboardInterrupt
        return write(output, task, *more)

    with monkeypatch.context() as patched:
        patched.setattr(class_list, "_written", interrupted)
        with pytest.raises(KeyboardInterrupt):
            mark_class(sample, folders, marks)
    assert [path.name for path in marks.iterdir()] == ["anna.json"]
    del marked_here[:]
    assert [report.submission_name for report in mark_class(sample, folders, marks)] == [
        "anna",
        "ben",
        "cleo",
    ]
    assert marked_here == ["ben", "cleo"]
    assert len(table(marks)) == 3


def test_what_has_changed_is_marked_again(sample, hand_in, tmp_path, marked_here):
    folders, marks = [hand_in("anna"), hand_in("ben")], tmp_path / "marks"
    mark_class(sample, folders, marks)
    names = lambda **settings: [task.name for task in left(sample, folders, marks, **settings)]  # noqa: E731
    assert names() == []
    (folders[0] / "helper.py").write_text("x = 1")
    assert names() == ["anna"]
    assert names(time_limit=5.0) == names(questions=("iou",)) == ["anna", "ben"]
    (marks / "ben.json").write_text("{")
    assert names() == ["anna", "ben"]
    for name in ("boxes.py", "__init__.py"):
        mark_class(sample, folders, marks)
        assert names() == []
        with open(sample.checks_folder / name, "a") as file:
            file.write("\n")
        assert names() == ["anna", "ben"]


def test_names_are_told_apart(sample, hand_in, tmp_path, marked_here):
    folders = [hand_in(f"{day}/{name}") for day, name in enumerate(["Anna", "anna", "anna_2", "anna"])]
    reports = mark_class(sample, [*folders, folders[0]], tmp_path / "marks")
    names = [report.submission_name for report in reports]
    assert names == ["Anna", "anna_2", "anna_2_2", "anna_3"]
    assert sorted(path.stem for path in (tmp_path / "marks").glob("*.json")) == sorted(names)


def test_no_formulas_in_the_table(sample, hand_in, tmp_path, marked_here):
    """A spreadsheet must not run what a student calls a folder."""
    names = ["=cmd|'calc'!A0", "+1", "-1", "@SUM(A1)", "Zoë, the first"]
    mark_class(sample, [hand_in(name) for name in names], tmp_path / "marks")
    assert [row["name"] for row in table(tmp_path / "marks")] == [
        *(f"'{name}" for name in names[:4]),
        names[4],
    ]


def test_a_name_that_is_no_text(sample, hand_in, tmp_path, marked_here):
    """Names of files need not be UTF-8."""
    try:
        folder = hand_in("zo\udceb")
    except (OSError, UnicodeError):
        pytest.skip("this file system knows only names that are text")
    mark_class(sample, [folder], tmp_path / "marks")
    assert table(tmp_path / "marks")[0]["name"] == "zo\\udceb"
    assert (tmp_path / "marks" / "zo\udceb.json").is_file()


def test_the_folder_of_the_marks_is_no_submission(sample, hand_in, marked_here):
    folder = hand_in("anna")
    for _ in range(2):
        reports = mark_class(sample, folder.parent.iterdir(), folder.parent / "marks")
        assert [report.submission_name for report in reports] == ["anna"]


def test_files_between_the_submissions(sample, hand_in, tmp_path, marked_here):
    (hand_in("anna").parent / "notes.txt").write_text("late: ben")
    reports = mark_class(sample, sorted(tmp_path.glob("submissions/*")), tmp_path / "marks")
    first, second = (remark_of(report) for report in reports)
    assert first == ""
    assert "notes.txt: is neither a folder nor a .zip file" in second


def test_bad_arguments(sample, hand_in, tmp_path, marked_here):
    with pytest.raises(InputError, match="no such folder"):
        mark_class(sample, [hand_in("anna"), tmp_path / "none"], tmp_path / "marks")
    with pytest.raises(InputError, match="no question 'nms'"):
        mark_class(sample, [], tmp_path / "marks", questions=["nms"])
    with pytest.raises(InputError, match="submissions: there are none"):
        mark_class(sample, [tmp_path / "marks"], tmp_path / "marks")
    assert marked_here == []


def test_fingerprint(hand_in, tmp_path):
    anna, ben = hand_in("anna"), hand_in("ben")
    assert fingerprint(anna) == fingerprint(ben) != fingerprint(anna, ["other checks"])
    shutil.copy(anna / "boxes.py", anna / "more.py")
    assert fingerprint(anna) != fingerprint(ben)
    os.symlink("/dev/zero", ben / "endless.py")
    assert fingerprint(ben)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as file:
        file.writestr("boxes.py", "x = 1")
    assert fingerprint(tmp_path / "c.zip") != fingerprint(tmp_path / "none")


def test_remarks():
    results = [Result("iou", "test_a", 0, 1, "", 0, "", kind) for kind in ("wrong", "time", "time", "")]
    results.append(Result("nms", "test_b", 0, 1, "", 0, "", "missing_file"))
    assert remark_of(Report("A1", "anna", tuple(results))) == "too slow: iou; file missing: nms"


def test_processes_that_do_not_start(sample, hand_in, tmp_path, monkeypatch):
    class Stillborn:
        def __init__(self, assignment, settings):
            self.end = os.open(os.devnull, os.O_RDONLY)

        def fileno(self):
            return self.end

        def receive(self):
            return None

        def stop(self):
            os.close(self.end)

    monkeypatch.setattr(class_list, "MarkingProcess", Stillborn)
    monkeypatch.setattr(class_list, "wait", list)
    with pytest.raises(InputError, match="its processes do not start"):
        mark_class(sample, [hand_in("anna")], tmp_path / "marks", jobs=1)


def test_a_problem_is_told_as_marks(sample, hand_in, tmp_path, monkeypatch):
    outcome = input_error("anna", "is locked")
    monkeypatch.setattr(
        class_list, "outcomes", lambda assignment, tasks, jobs, settings: [(tasks[0], outcome)]
    )
    report = mark_class(sample, [hand_in("anna")], tmp_path / "marks", questions=["iou"])[0]
    assert (report.points, report.max_points) == (0, 5)
    assert {result.message for result in report.results} == {"anna: is locked"}
