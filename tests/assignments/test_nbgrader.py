"""Assignments as nbgrader wants them; what nbgrader does with its marks is done here by hand."""

import json
import re

import numpy as np
import pytest
from sample import MANIFEST, write_sample

from minissd.assignments import load_assignment
from minissd.assignments.check_list import checks_of
from minissd.assignments.nbgrader import write_nbgrader
from minissd.errors import InputError
from minissd.models.head import Head

HEAD = """
[[file]]
name = "head.py"
about = "The head."
imports = ["from minissd.nn import Conv2d", "from boxes import iou"]

[[question]]
name = "predict"
file = "head.py"
answers = ["minissd.models.head.Head.forward"]
task = "Write its method `forward`."

[[question]]
name = "learn"
file = "head.py"
answers = ["minissd.models.head.Head.backward"]
task = "Write its method `backward`."
"""

SOLUTION = re.compile(r"( *)### BEGIN SOLUTION\n.*?### END SOLUTION", re.DOTALL)


@pytest.fixture
def assignment(tmp_path):
    """The sample, with two questions about one class."""
    path = write_sample(tmp_path, "S1")
    (path / "manifest.toml").write_text(MANIFEST + HEAD)
    (path / "checks" / "head.py").touch()
    return load_assignment(path)


@pytest.fixture
def cells(assignment, tmp_path):
    """The cells of its notebook."""
    path = write_nbgrader(assignment, tmp_path / "course")
    assert path == tmp_path / "course" / "source" / "S1" / "S1.ipynb"
    return json.loads(path.read_text())["cells"]


def sources(cells, **wanted):
    """The code of the cells with these marks, by their names."""
    return {
        cell["id"]: "".join(cell["source"])
        for cell in cells
        if cell["cell_type"] == "code" and wanted.items() <= cell["metadata"]["nbgrader"].items()
    }


def run(codes, **names):
    """What the cells define, one after the other."""
    namespace = names
    for code in codes:
        exec(code, namespace)
    return namespace


def test_each_cell_has_a_name_of_its_own(cells):
    names = [cell["id"] for cell in cells]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names)
    marks = [cell["metadata"]["nbgrader"] for cell in cells if cell["cell_type"] == "code"]
    assert [mark["grade_id"] for mark in marks] == [
        cell["id"] for cell in cells if cell["cell_type"] == "code"
    ]
    for mark in marks:
        assert mark["schema_version"] == 3 and mark["task"] is False
        assert mark["solution"] is not mark["locked"]  # nbgrader: what is graded by code is locked
        assert ("points" in mark) is mark["grade"]


def test_the_order_is_that_of_the_questions(cells):
    names = [cell["id"] for cell in cells]
    assert names[:6] == ["title", "imports", "about-boxes", "given-boxes", "task-iou", "answer-iou"]
    assert names[6:8] == ["test_two_squares_that_share_a_quarter", "test_boxes_apart"]
    assert names[-4:] == ["about-head", "task-predict", "answer-Head", "task-learn"]


def test_points_are_those_of_the_checks(assignment, cells):
    found = {c["id"]: c["metadata"]["nbgrader"]["points"] for c in cells if c["id"].startswith("test_")}
    assert found == {check.name: check.points for check in checks_of(assignment)}
    assert "check_in_notebook(" in sources(cells, grade=True)["test_slope"]


def test_the_notebook_with_solutions_passes_its_checks(cells):
    namespace = run(sources(cells).values())
    assert namespace["iou"](np.array([[0, 0, 2, 2]]), np.array([[1, 1, 3, 3]])) == pytest.approx(1 / 7)


def test_the_students_notebook_fails_all_checks(cells):
    """nbgrader puts a line in the place of each solution."""
    released = {
        name: SOLUTION.sub(r"\1raise NotImplementedError", text) for name, text in sources(cells).items()
    }
    assert not any("minissd.boxes import" in text or "Reference" in text for text in released.values())
    namespace = run(text for name, text in released.items() if not name.startswith("test_"))
    tests = sources(cells, grade=True)
    assert len(tests) == 4
    for name in tests:
        with pytest.raises(AssertionError):
            run([released[name]], **namespace)


def test_a_class_is_taken_over_by_the_librarys(cells, rng):
    """Its methods call those of the class above it."""
    mine = run(sources(cells, grade=False).values())["Head"](3, 2, 5, np.random.default_rng(0))
    theirs = Head(3, 2, 5, np.random.default_rng(0))
    x = rng.normal(size=(2, 3, 4, 4)).astype(np.float32)
    outputs = mine.forward(x), theirs.forward(x)
    for one, other in zip(*outputs):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(mine.backward(*outputs[0]), theirs.backward(*outputs[1]))


def test_nothing_is_overwritten(assignment, cells, tmp_path):
    course = tmp_path / "course"
    assert "course_id" in (course / "nbgrader_config.py").read_text()
    with pytest.raises(InputError, match=r"S1\.ipynb: is there already"):
        write_nbgrader(assignment, course)
    (course / "source" / "S1" / "S1.ipynb").unlink()
    (course / "nbgrader_config.py").write_text("# the course's own")
    write_nbgrader(assignment, course)
    assert (course / "nbgrader_config.py").read_text() == "# the course's own"


def test_a_wrong_answer_loses_its_points_only(assignment, cells):
    wrong = assignment.question("iou").wrong[1]
    namespace = run([*sources(cells, grade=False).values(), wrong.code])
    tests = sources(cells, grade=True)
    run([tests["test_two_squares_that_share_a_quarter"], tests["test_slope"]], **namespace)
    with pytest.raises(AssertionError, match="cut off at 0"):
        run([tests["test_boxes_apart"]], **namespace)
