"""Reports: points, text for the student, Gradescope's JSON."""

import json

import pytest

from minissd.assignments.report import LONGEST_MESSAGE, Report, Result, clean, write_json
from minissd.errors import InputError

RIGHT = Result("iou", "test_a", 2, 2, "", 0.25, "Squares overlap.")
WRONG = Result("iou", "test_b", 0, 1, "iou(a)\nexpected 0", 0.5, "Boxes apart.", "wrong")
ABSENT = "loss.py is missing."
LOST = tuple(Result("loss", f"test_{i}", 0, 1.5, ABSENT, 0.0, f"Loss {i}.", "missing_file") for i in range(3))
REPORT = Report("A1", "anna", (RIGHT, WRONG, *LOST))


def test_points():
    assert (REPORT.points, REPORT.max_points) == (2, 7.5)
    assert {name: len(results) for name, results in REPORT.by_question().items()} == {"iou": 2, "loss": 3}
    assert RIGHT.passed and not WRONG.passed


def test_text_tells_a_repeated_message_once():
    assert REPORT.text().splitlines() == [
        "A1: anna has 2 of 7.5 points",
        "",
        "  iou   2 of 3  1 of 2 checks passed",
        "  loss  0 of 4.5  0 of 3 checks passed",
        "",
        "Begin with the first: what is wrong there can be why others fail.",
        "",
        "iou, 1 point: Boxes apart.",
        "    iou(a)",
        "    expected 0",
        "",
        "loss, 4.5 points: 3 checks",
        "    loss.py is missing.",
    ]


def test_text_tells_one_exception_once_whatever_the_calls():
    stops = (
        "f({}) with\n    x = 1\nf stops: ValueError: shapes ({},) (3,)\nat boxes.py, line 3, in f: {}\nPrint."
    )
    lines = ("a + b", "a + b", "a - b")
    messages = [stops.format(i, i, line) for i, line in enumerate(lines)]
    messages += [f"f({i})\nf changed its argument a. Work on a copy." for i in (1, 2)]
    results = [
        Result("f", f"test_{i}", 0, 1, each, 0, f"Case {i}.", "raised") for i, each in enumerate(messages)
    ]
    texts = Report("A1", "anna", tuple(results)).text().split("\n\n")[2:]
    assert [text.partition("\n")[0] for text in texts] == [
        "f, 2 points: 2 checks, of which this is the first",
        "f, 1 point: Case 2.",
        "f, 2 points: 2 checks, of which this is the first",
    ]
    assert "shapes (0,)" in texts[0] and "shapes (1,)" not in texts[0]


def test_gradescope():
    """The fields that Gradescope's documentation of results.json names, with values that it allows."""
    results = REPORT.gradescope()
    assert results["score"] == 2
    assert results["execution_time"] == 0.75
    assert results["output"] == "A1: 2 of 7.5 points"
    assert results["visibility"] == "visible"
    assert [test["number"] for test in results["tests"]] == ["1.1", "1.2", "2.1", "2.2", "2.3"]
    assert results["tests"][1] == {
        "score": 0,
        "max_score": 1,
        "status": "failed",
        "name": "iou: Boxes apart.",
        "number": "1.2",
        "output": "iou(a)\nexpected 0",
        "visibility": "visible",
    }
    assert results["tests"][0]["status"] == "passed"
    assert sum(test["score"] for test in results["tests"]) == results["score"]


def test_json_and_back(tmp_path):
    write_json(tmp_path / "new" / "r.json", REPORT.details())
    assert Report.from_details(json.loads((tmp_path / "new" / "r.json").read_text())) == REPORT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["r.json"]


def test_json_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_json(tmp_path / "file" / "r.json", {})


def test_a_message_is_made_harmless():
    """What a submission prints or raises must not steer a terminal, break a file, or flood either."""
    assert clean("a\x1b[31mb\x07\tc\ud800\nd") == "a\\x1b[31mb\\x07    c\\ud800\nd"
    assert clean("é ≤ 1") == "é ≤ 1"
    assert len(clean("x" * 10**6)) < LONGEST_MESSAGE + 10
    clean("\udcff\ud83d").encode("utf-8")


def test_nothing_to_mark():
    empty = Report("A1", "anna", ())
    assert (empty.points, empty.max_points, empty.gradescope()["tests"]) == (0, 0, [])
    assert empty.text().startswith("A1: anna has 0 of 0 points")
