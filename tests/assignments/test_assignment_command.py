"""``minissd assignment``: handing out, marking one and marking a class, and what is refused."""

import json

import pytest
from command_line import done, refused, run
from sample import edit, write_sample

from minissd.assignments import class_list, load_assignment, manifest
from minissd.assignments.handout import write_handout
from minissd.assignments.limits import MEMORY_LIMIT, TIME_LIMIT
from minissd.assignments.report import Report, Result
from minissd.cli import main

RESULTS = (
    Result("iou", "test_a", 2, 2, "", 0.1, "A."),
    Result("loss", "test_b", 0, 3, "No.", 0.1, "B.", "time"),
)


@pytest.fixture(autouse=True)
def sample(tmp_path, monkeypatch):
    """Every test works in its own folder, and the one assignment is the sample."""
    monkeypatch.chdir(tmp_path)
    write_sample(tmp_path / "shipped")
    monkeypatch.setattr(manifest, "FOLDER", tmp_path / "shipped")
    return load_assignment("sample")


def test_list(capsys):
    lines = done(capsys, "assignment", "list")
    assert lines == ["sample  Overlap and loss (1.5 hours, 8 points)", "    iou, smooth_l1"]


def test_new_and_grade_from_the_handout_alone(capsys, tmp_path):
    assert done(capsys, "assignment", "new", "sample", "anna") == ["anna: begin with README.md"]
    assert {"README.md", "boxes.py", "loss.py"} <= {path.name for path in (tmp_path / "anna").iterdir()}
    lines = done(capsys, "assignment", "grade", "sample", "anna", "--results", "out/results.json")
    assert lines[0] == "sample: anna has 0 of 8 points"
    assert lines[-1] == "-> out/results.json"
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["score"], len(results["tests"])) == (0, 4)


def test_a_second_handout_is_refused(capsys, sample):
    write_handout(sample, "anna")
    assert "anna" in refused(capsys, "assignment", "new", "sample", "anna")


@pytest.fixture
def asked(monkeypatch):
    """What the class was marked with; nobody is marked."""
    calls = []

    def mark_class(assignment, folders, output, jobs, questions, **limits):
        calls.append((assignment, list(map(str, folders)), str(output), jobs, questions, limits))
        return [Report("sample", "anna", RESULTS)] * len(folders)

    monkeypatch.setattr(class_list, "mark_class", mark_class)
    return calls


def test_a_class(capsys, asked):
    options = ["--jobs", 3, "--question", "iou", "--question", "loss"]
    options += ["--time-limit", 5, "--memory-limit", 0.5]
    lines = done(capsys, "assignment", "grade", "sample", "anna", "ben", "--output", "out", *options)
    limits = {"time_limit": 5.0, "memory_limit": 1 << 29}
    assert asked == [("sample", ["anna", "ben"], "out", 3, ["iou", "loss"], limits)]
    assert lines == [
        "iou                     2.00 of 2 on average",
        "loss                    0.00 of 3 on average",
        "total                   2.00 of 5 on average",
        "-> out/marks.csv: 2 submissions",
    ]


def test_help_tells_the_true_limits(capsys):
    with pytest.raises(SystemExit):
        main(["assignment", "grade", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"seconds for a call (default: {TIME_LIMIT:g})" in text
    assert f"of a submission (default: {MEMORY_LIMIT >> 30})" in text


def test_numbers_of_one(capsys, asked, sample):
    path = sample.folder / "manifest.toml"
    edit(path, "hours = 1.5", "hours = 1")
    assert done(capsys, "assignment", "list")[0] == "sample  Overlap and loss (1 hour, 8 points)"
    lines = done(capsys, "assignment", "grade", "sample", "anna", "--output", "out")
    assert lines[-1] == "-> out/marks.csv: 1 submission"


def test_a_class_by_default(capsys, asked):
    done(capsys, "assignment", "grade", "sample", "anna", "ben")
    assert asked[0][2:] == ("marks", None, None, {"time_limit": 10, "memory_limit": 2 << 30})


def test_stars_that_the_shell_left(capsys, asked, tmp_path):
    for name in ("ben", "anna", "[x]"):
        (tmp_path / "in" / name).mkdir(parents=True)
    done(capsys, "assignment", "grade", "sample", "in/*")
    assert sorted(asked[0][1]) == ["in/[x]", "in/anna", "in/ben"]
    done(capsys, "assignment", "grade", "sample", "in/[x]", "none*")
    assert asked[1][1] == ["in/[x]", "none*"]


def test_nbgrader(capsys, tmp_path):
    lines = done(capsys, "assignment", "nbgrader", "sample", "course")
    assert lines == ["-> course/source/sample/sample.ipynb"]
    assert (tmp_path / "course/source/sample/sample.ipynb").is_file()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("grade", "A9", "anna"), "A9: no such assignment"),
        (("new", "A9", "anna"), "A9: no such assignment"),
        (("grade", "sample", "nobody"), "nobody: no such folder"),
        (("grade", "sample", "nobody", "none"), "no such folder"),
        (
            ("grade", "sample", "shipped", "--question", "nms"),
            "no question 'nms' (choose one of iou, smooth_l1)",
        ),
        (("grade", "sample", "shipped", "--jobs", "0"), "0 is not a whole number of 1 or more"),
        (("grade", "sample", "a", "b", "--results", "r.json"), "--results: of one submission"),
    ],
)
def test_refused(capsys, arguments, words):
    assert words in refused(capsys, "assignment", *arguments)


def test_bad_marks_are_no_failure_of_the_command(capsys, tmp_path):
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "boxes.py").write_text("raise SystemExit(3)")
    result = run(capsys, "assignment", "grade", "sample", "anna", "--question", "iou")
    assert (result.code, result.errors) == (0, [])
    assert result.lines[0] == "sample: anna has 0 of 5 points"
