"""The marks of one submission as a file: Gradescope's JSON or JUnit's XML, as its name says."""

import json
from xml.etree import ElementTree

import pytest

from minissd.assignments import assignment_names, load_assignment
from minissd.assignments.check_list import checks_of
from minissd.assignments.report import Report, Result
from minissd.assignments.results_file import junit, write_results
from minissd.errors import InputError

RIGHT = Result("iou", "test_a", 2, 2, "", 0.25, "Squares <overlap> & share.")
WRONG = Result("iou", "test_b", 0, 1, 'iou("ä") < 0\nexpected 0', 0.5, "Boxes apart.", "wrong")
ABSENT = Result("loss", "test_c", 0, 1.5, "loss.py is missing.", 0.0, "Loss.", "missing_file")
REPORT = Report("A1", "anna", (RIGHT, WRONG, ABSENT))


def test_junit_as_others_read_it():
    """Suite, class, name, time and the failure's text are what GitLab's documentation says it shows."""
    suites = ElementTree.fromstring(junit(REPORT))
    assert suites.tag == "testsuites"
    (suite,) = suites
    counts = {key: suite.get(key) for key in ("name", "tests", "failures", "errors", "time")}
    name = "A1: 2 of 4.5 points"
    assert counts == {"name": name, "tests": "3", "failures": "2", "errors": "0", "time": "0.750"}
    assert [(case.get("classname"), case.get("name"), case.get("time")) for case in suite] == [
        ("iou", "Squares <overlap> & share.", "0.250"),
        ("iou", "Boxes apart.", "0.500"),
        ("loss", "Loss.", "0.000"),
    ]
    failures = [case.find("failure") for case in suite]
    assert failures[0] is None
    assert failures[1].text.split() == ["0", "of", "1", "points", 'iou("ä")', "<", "0", "expected", "0"]
    assert failures[2].get("type") == "missing_file"
    assert failures[2].get("message") == "0 of 1.5 points"


@pytest.mark.parametrize("name", ["report.xml", "new/REPORT.XML"])
def test_the_name_says_xml(name, tmp_path):
    write_results(REPORT, tmp_path / name)
    assert (tmp_path / name).read_bytes() == junit(REPORT)


@pytest.mark.parametrize("name", ["results.json", "results"])
def test_everything_else_is_json(name, tmp_path):
    write_results(REPORT, tmp_path / name)
    assert json.loads((tmp_path / name).read_text()) == REPORT.gradescope()


@pytest.mark.parametrize("name", ["file/report.xml", "file/results.json"])
def test_what_cannot_be_written(name, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        write_results(REPORT, tmp_path / name)


@pytest.mark.parametrize("name", assignment_names())
def test_gitlab_shows_every_check(name):
    """Of tests with the same class and name it shows the first alone."""
    checks = [(check.question, check.summary) for check in checks_of(load_assignment(name))]
    assert len(set(checks)) == len(checks)
