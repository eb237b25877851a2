"""Manifests: what they say arrives, and what they say wrongly is named."""

import subprocess
import sys

import pytest
from sample import CHECKS, MORE_CHECKS, edit, write_checks, write_sample

from minissd.assignments import assignment_names, load_assignment
from minissd.assignments.check_list import checks_of, points_of
from minissd.errors import InputError


@pytest.fixture
def sample(tmp_path):
    return load_assignment(write_sample(tmp_path))


def test_all_of_it_arrives(sample, tmp_path):
    assert (sample.name, sample.title, sample.hours) == ("sample", "Overlap and loss", 1.5)
    assert sample.lessons == ("02_matching", "03_loss") and sample.given == (
        "minissd.config",
        "minissd.errors",
    )
    assert sample.imports == ("import numpy as np",)
    assert sample.file_names == ("boxes.py", "loss.py") and sample.modules == ("boxes", "loss")
    assert sample.files[0].keep == ("minissd.boxes.columns",) and sample.files[1].imports == ()
    assert [question.name for question in sample.questions] == ["iou", "smooth_l1"]
    assert sample.question("iou").answer_names == ("iou",)
    assert [len(question.wrong) for question in sample.questions] == [2, 2]
    assert sample.question("iou").wrong[0].hint.startswith("Subtract it once")
    folder = tmp_path / "sample" / "checks"
    assert (sample.checks_folder, sample.checks_paths) == (folder, [folder / "boxes.py", folder / "loss.py"])


def test_questions_by_name_and_file(sample):
    iou, smooth_l1 = sample.questions
    assert sample.question("smooth_l1") is smooth_l1
    assert sample.questions_in("boxes.py") == [iou]
    assert sample.answers_by_file == {"boxes.py": ("iou",), "loss.py": ("smooth_l1",)}
    with pytest.raises(InputError, match=r"sample: no question 'nms' .*iou, smooth_l1"):
        sample.question("nms")


def test_it_is_found_again_by_its_address(sample):
    assert load_assignment(sample.address) == sample


def test_names_of_answers(sample, tmp_path):
    path = edited(tmp_path, '["minissd.boxes.iou"]', '["minissd.boxes.iou", "minissd.boxes.area as surface"]')
    assert load_assignment(path).question("iou").answer_names == ("iou", "surface")


def test_a_notebook_of_its_own_comes_first(sample):
    assert sample.notebook_path.parent.name == "assignments"
    (sample.folder / "sample.ipynb").write_text("{}")
    assert sample.notebook_path == sample.folder / "sample.ipynb"


def test_an_assignment_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="A99: no such assignment"):
        load_assignment("A99")
    with pytest.raises(InputError, match="no such assignment"):
        load_assignment(tmp_path)


@pytest.mark.parametrize("name", assignment_names())
def test_those_that_come_with_minissd(name):
    """Each loads, which compares it with the library, and has points for every question."""
    assert all(points_of(load_assignment(name)).values())


def edited(folder, old, new):
    """The sample with other words in its manifest."""
    path = write_sample(folder, "edited")
    edit(path / "manifest.toml", old, new)
    return path


IOU = 'answers = ["minissd.boxes.iou"]'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("hours = 1.5", "hours = ", r"cannot be read: .*line 3"),
        ("hours = 1.5", "hours = 0", "hours is '0' .give a number over 0"),
        ("hours = 1.5", "", "no hours"),
        ("hours = 1.5", "hour = 2", "unknown key 'hour' .*hours"),
        ('about = "Boxes:', 'abuot = "Boxes:', "boxes.py: unknown key 'abuot'"),
        ('name = "loss.py"', 'name = "loss"', "name is 'loss' .give a name such as boxes.py"),
        ('name = "loss.py"', 'name = "../loss.py"', "name is '../loss.py'"),
        ('name = "loss.py"', 'name = "boxes.py"', "2 files are called boxes.py"),
        ('name = "smooth_l1"', 'name = "iou"', "2 questions are called iou"),
        ('["minissd.loss.smooth_l1"]', '["minissd.boxes.area as iou"]', "2 answers are called iou"),
        ('given = ["minissd.config",', 'given = ["minissd.confg",', "there is no module minissd.confg"),
        ("hours = 1.5", 'hours = 1.5\nimports = ["numpy"]', "'numpy' imports nothing"),
        ('file = "loss.py"', 'file = "los.py"', "question smooth_l1: file: there is no los.py"),
        ("minissd.boxes.columns", "minissd.boxes.colums", "minissd.boxes.colums: no function"),
        ("minissd.boxes.columns", "minissd.boxes.iou", "file boxes.py: keep: iou is to be written"),
        (IOU, 'answers = ["minissd.boxes.overlap"]', "minissd.boxes.overlap: no function"),
        (IOU, 'answers = ["numpy.linalg.norm"]', "numpy.linalg.norm: no function"),
        (IOU, "answers = []", "answers is .* list of one text or more"),
        (IOU, IOU + '\nleave_out = ["strict"]', "question iou: leave_out: strict is no parameter with"),
        (IOU, IOU + '\nleave_out = ["a_xyxy"]', "question iou: leave_out: a_xyxy is no parameter with"),
        (IOU, IOU + '\nreplace = [["Boxes", "x"]]', "question iou: replace: 'Boxes' occurs 0 times"),
        (IOU, IOU + '\nreplace = [["Two", "x"]]', "question iou: replace: 'Two' occurs 2 times"),
        (IOU, IOU + '\nreplace = ["Two"]', "replace is .*give a list of .old, new."),
        ("return loss, np.abs(slope)", "return loss,, 2", "without its sign': line 6: invalid syntax"),
        (
            "def smooth_l1(difference):\n    small",
            "def smooth(difference):\n    small",
            "does not define smooth_l1",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path, old, new, said):
    with pytest.raises(InputError, match=f"manifest.toml: .*{said}"):
        load_assignment(edited(tmp_path, old, new))


@pytest.mark.parametrize("line", ["import boxes", "from boxes import iou as overlap"])
def test_of_the_handout_itself_names_are_imported(tmp_path, line):
    path = edited(tmp_path, 'about = "The loss', f'imports = ["{line}"]\nabout = "The loss')
    with pytest.raises(InputError, match="import names: from boxes import"):
        load_assignment(path)


def test_a_left_out_parameter_that_is_still_mentioned(tmp_path):
    """The docstring of `hard_negatives` speaks of `overflow` where it describes another parameter."""
    answers = 'answers = ["minissd.mining.hard_negatives"]\nleave_out = ["scope", "overflow"]'
    path = edited(tmp_path, IOU, answers)
    with pytest.raises(InputError, match="docstring of hard_negatives still speaks of overflow"):
        load_assignment(path)


def test_checks_and_their_points(sample):
    first, *_, last = checks_of(sample)
    assert (first.name, first.question, first.points) == ("test_two_squares_that_share_a_quarter", "iou", 2)
    assert last.summary == "The derivative has the sign of the difference and is at most 1."
    assert points_of(sample) == {"iou": 5, "smooth_l1": 3}


def test_checks_come_in_the_order_of_the_questions(sample):
    before = checks_of(sample)
    write_checks(sample.folder, MORE_CHECKS, CHECKS)
    assert checks_of(sample) == before


def test_a_file_without_checks(sample):
    sample.checks_paths[1].unlink()
    with pytest.raises(InputError, match=r"loss\.py: cannot be read: .* \(write the checks\)"):
        checks_of(sample)


def test_checks_of_one_name(sample):
    write_checks(sample.folder, CHECKS, CHECKS)
    with pytest.raises(InputError, match=r"checks: test_two_squares.* stands in it twice"):
        checks_of(sample)


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ("def test_it(ask): pass", "test_it has no points"),
        ("@points('nms', 1)\ndef test_it(ask): pass", "no question 'nms'"),
        ("def test_it(ask:", "cannot be read"),
    ],
)
def test_checks_that_cannot_be_used(sample, checks, said):
    write_checks(sample.folder, checks)
    with pytest.raises(InputError, match=said):
        points_of(sample)


def test_importing_is_light():
    heavy = "{'numba', 'pytest', 'numpy', 'matplotlib'}"
    code = f"import sys, minissd.assignments; print({heavy} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
