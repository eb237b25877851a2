"""Marking: what earns points, what is said of the rest, and that an outer pytest notices nothing."""

import os
import shutil
import sys
import warnings
from importlib.util import find_spec
from unittest.mock import Mock

import pytest
from sample import CHECKS as SAMPLE_CHECKS
from sample import RIGHT, write_checks, write_sample

from minissd.assignments import load_assignment, marking
from minissd.assignments.handout import reference_namespace
from minissd.assignments.marking import check, check_in_notebook, mark
from minissd.assignments.submission import LocalSubmission, StudentError
from minissd.errors import InputError

CHECKS = '''
import os, warnings

import numpy as np
import pytest

from minissd.assignments.marking import points


@points("iou", 1)
def test_that_warns():
    """A warning is no failure."""
    warnings.warn("nobody hears it")
    np.zeros(1) / np.zeros(1)


@points("iou", 1)
def test_skipped(ask):
    """Skipped."""
    pytest.skip("too early")


@points("iou", 1)
def test_of_another_type(ask):
    """The answer is used."""
    ask("iou", 1, 2).value["boxes"].sum()


@points("iou", 1)
def test_plain_assertion():
    """Assertions may be plain."""
    assert 1 + 1 == 3, "no sum"


@points("smooth_l1", 0.5)
@pytest.mark.parametrize("number", [1, 2])
def test_several(ask, number):
    """One of several."""
    assert number == 1
'''


@pytest.fixture
def sample(tmp_path):
    return load_assignment(write_sample(tmp_path))


@pytest.fixture
def local(sample):
    """A function that marks the right answers with some functions in their place."""
    return lambda **functions: mark(
        sample, "anna", submission=LocalSubmission(reference_namespace(sample) | functions)
    )


def with_checks(sample, text):
    write_checks(sample.folder, text, "")
    return load_assignment(sample.folder)


class Refusing:
    """A submission that answers nothing, and counts how often it is asked."""

    def __init__(self, kind):
        self.kind, self.asked = kind, []

    def call(self, name, args, kwargs):
        """Refuse."""
        self.asked.append(name)
        raise StudentError(self.kind, f"{name}: {self.kind}")


def test_the_right_answers_earn_everything(local):
    report = local()
    assert (report.assignment, report.submission_name) == ("sample", "anna")
    assert (report.points, report.max_points) == (8, 8)
    assert all(result.passed and result.message == "" for result in report.results)
    assert report.results[0].title == "Two squares of side 2 that share a unit square have IoU 1/7."


def test_a_submission_in_its_own_process(sample, tmp_path):
    """One question is answered well, one file is missing; the folder lies one level deeper."""
    folder = tmp_path / "anna" / "A1"
    folder.mkdir(parents=True)
    (folder / "boxes.py").write_text(RIGHT["boxes.py"])
    report = mark(sample, tmp_path / "anna", memory_limit=4 << 30)
    assert (report.submission_name, report.points) == ("anna", 5)
    assert {result.kind for result in report.results if result.question == "smooth_l1"} == {"missing_file"}
    assert "loss.py is missing." in report.text()


def test_a_zip_file(sample, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "boxes.py").write_text("def iou(")
    shutil.make_archive(tmp_path / "ben", "zip", tmp_path / "work")
    report = mark(sample, tmp_path / "ben.zip", ["iou"])
    assert (report.submission_name, report.max_points) == ("ben", 5)
    assert {result.kind for result in report.results} == {"syntax"}


def test_what_checks_do_beside_asking(sample):
    results = mark(
        with_checks(sample, CHECKS), "anna", submission=LocalSubmission({"iou": lambda a, b: None})
    ).results
    by_name = {result.check: result for result in results}
    assert by_name["test_that_warns"].points == 1
    assert by_name["test_skipped"].message == "Not checked: too early"
    assert by_name["test_of_another_type"].kind == "check"
    assert by_name["test_of_another_type"].message.startswith(
        "The check could not go on with what came (TypeError:"
    )
    assert by_name["test_plain_assertion"].message == "no sum"
    assert by_name["test_several[2]"].message == "This does not hold: assert number == 1"
    assert [by_name[f"test_several[{i}]"].points for i in (1, 2)] == [0.5, 0]
    assert by_name["test_several[2]"].title == "One of several. [2]"
    assert sum(result.points for result in results) == 1.5


def test_after_a_time_out_the_rest_of_the_question_is_left_out(sample):
    submission = Refusing("time")
    report = mark(sample, "anna", submission=submission)
    assert submission.asked == ["iou", "smooth_l1"]
    assert {(result.question, result.kind) for result in report.results} == {
        ("iou", "time"),
        ("smooth_l1", "time"),
    }
    first, second = report.by_question()["iou"]
    assert first.message == second.message


def test_other_failures_do_not_leave_out_the_rest(sample):
    submission = Refusing("raised")
    mark(sample, "anna", submission=submission)
    assert submission.asked == ["iou"] * 2 + ["smooth_l1"] * 2


def test_a_question_has_a_limit_for_all_its_checks(sample):
    """No call takes longer than allowed, but all together they do."""
    submission = Refusing("raised")
    report = mark(sample, "anna", submission=submission, time_limit=1e-9)
    assert submission.asked == ["iou", "smooth_l1"]
    assert "took over 3e-09 s together" in report.by_question()["iou"][1].message


def test_no_marks_if_nobody_can_be_asked(sample):
    """That is not the student's fault, so nought would be wrong."""
    submission = Refusing("raised")
    submission.call = Mock(side_effect=InputError("marking: no process could be started"))
    with pytest.raises(InputError, match="no process could be started"):
        mark(sample, "anna", submission=submission)
    assert submission.call.call_count == 1


def test_some_questions(sample):
    report = mark(sample, "anna", ["smooth_l1"], submission=LocalSubmission(reference_namespace(sample)))
    assert report.max_points == 3
    with pytest.raises(InputError, match=r"no question 'nms' .*iou, smooth_l1"):
        mark(sample, "anna", ["nms"])


def test_no_folder(sample, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        mark(sample, tmp_path / "none")


@pytest.mark.parametrize(
    "text, words",
    [
        ("def test_a(", "cannot be loaded"),
        ("import no_such_module", "cannot be loaded: .*no_such_module"),
        ("def test_a(): pass", "check test_a: no points"),
        (
            "from minissd.assignments.marking import points\n@points('nms', 1)\ndef test_a(): pass",
            "no question 'nms'",
        ),
    ],
)
def test_checks_that_are_broken(sample, text, words):
    with pytest.raises(InputError, match=words):
        mark(with_checks(sample, text), "anna", submission=Refusing("raised"))


@pytest.mark.parametrize("text", ["1 / 0", "raise SystemExit", "import pytest; pytest.skip('no')"])
def test_what_the_checks_share_is_broken(sample, text):
    (sample.checks_folder / "__init__.py").write_text(text)
    with pytest.raises(InputError, match=r"__init__\.py: cannot be loaded: (ZeroDiv|SystemExit|Skipped)"):
        mark(sample, "anna", submission=Refusing("raised"))


def test_the_first_broken_file_is_named(sample):
    """The second only misses what the first would have defined."""
    write_checks(sample.folder, "1 / 0\nAMOUNT = 3", "from .boxes import AMOUNT")
    with pytest.raises(InputError, match=r"cannot be loaded: .*ZeroDivisionError"):
        mark(sample, "anna", submission=Refusing("raised"))


def test_a_file_of_checks_is_missing(sample):
    sample.checks_paths[1].unlink()
    with pytest.raises(InputError, match=r"loss\.py: is missing \(write the checks\)"):
        mark(sample, "anna", submission=Refusing("raised"))


def test_ctrl_c_stops(sample):
    with pytest.raises(KeyboardInterrupt):
        mark(
            with_checks(sample, CHECKS.replace('assert 1 + 1 == 3, "no sum"', "raise KeyboardInterrupt")),
            "anna",
            submission=Refusing("raised"),
        )


def test_without_pytest(sample, monkeypatch):
    monkeypatch.setattr(marking, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'minissd\[course\]'"):
        mark(sample, "anna")


def test_the_outer_pytest_is_not_disturbed(sample, local, capfd, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setitem(sys.modules, "checks", os)
    monkeypatch.setitem(sys.modules, "checks.boxes", os.path)
    before = (dict(os.environ), list(sys.meta_path), list(sys.path), warnings.filters[:], os.getcwd())
    hooks = sys.excepthook, sys.unraisablehook, sys.breakpointhook, sys.stdout, sys.stderr
    local(iou=lambda a, b: warnings.warn("none may hear this", stacklevel=1))
    assert before == (dict(os.environ), list(sys.meta_path), list(sys.path), warnings.filters[:], os.getcwd())
    assert hooks == (sys.excepthook, sys.unraisablehook, sys.breakpointhook, sys.stdout, sys.stderr)
    of_checks = {name: module for name, module in sys.modules.items() if name.startswith("checks")}
    assert of_checks == {"checks": os, "checks.boxes": os.path}
    assert capfd.readouterr() == ("", "")


def test_two_assignments_after_each_other(sample, local, tmp_path):
    """Their files of checks have the same name."""
    other = load_assignment(write_sample(tmp_path, "other"))
    with_checks(other, CHECKS)
    assert local().max_points == 8
    assert mark(other, "anna", submission=Refusing("raised")).max_points == 5
    assert local().max_points == 8


def test_files_beside_the_checks_hide_nothing(sample, local):
    """Neither Python's own modules nor the student's are looked for in the assignment's folder."""
    (sample.folder / "zipapp.py").write_text("")
    (sample.folder / "helper.py").write_text("")
    write_checks(sample.folder, f"import zipapp\nassert zipapp.create_archive\n{SAMPLE_CHECKS}")
    assert local().points == 8
    found = []
    local(iou=lambda a, b: found.append(find_spec("helper")))
    assert found and not any(found)


def test_checks_are_read_anew_in_a_folder_that_is_a_package(sample, local):
    """pytest calls them ``sample.checks`` then; the tests' own `sample` stays what it is."""
    (sample.folder / "__init__.py").touch()
    before = sys.modules["sample"]
    assert local().max_points == 8
    write_checks(sample.folder, "")
    assert local().max_points == 3
    assert sys.modules["sample"] is before


def test_check_prints(sample, tmp_path, capsys):
    (tmp_path / "boxes.py").write_text(RIGHT["boxes.py"])
    check(sample, "iou", tmp_path)
    assert "iou  5 of 5  2 of 2 checks passed" in capsys.readouterr().out


def test_checks_in_a_notebook(sample):
    right = reference_namespace(sample)
    wrong = reference_namespace(sample, sample.question("smooth_l1").wrong[1])
    for name in ("test_two_squares_that_share_a_quarter", "test_slope"):
        check_in_notebook(sample, name, right)
    with pytest.raises(AssertionError, match="the derivative is returned without its sign"):
        check_in_notebook(sample.folder, "test_slope", wrong)
    with pytest.raises(InputError, match="no check 'test_none'"):
        check_in_notebook(sample, "test_none", right)


def test_points_say_nothing_else():
    @marking.points("iou", 2)
    def test_iou():
        return 3

    assert (test_iou.points, test_iou()) == (("iou", 2), 3)
