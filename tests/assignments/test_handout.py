"""Handouts: the files that students are given, and the library's own answers to them."""

import doctest
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sample import edit, write_reference, write_sample

import minissd
from minissd import boxes
from minissd.assignments import assignment_names, load_assignment
from minissd.assignments.handout import blank, file_texts, reference_namespace, write_handout
from minissd.assignments.readme import what_to_write
from minissd.errors import InputError

PACKAGE = Path(minissd.__file__).parent
KEEP = 'keep = ["minissd.boxes.columns"]'  # of the sample's manifest


@pytest.fixture
def sample(tmp_path):
    return load_assignment(write_sample(tmp_path))


@pytest.fixture(params=["sample", *assignment_names()])
def assignment(request, tmp_path):
    """The sample, and every assignment that comes with minissd."""
    name = request.param
    return load_assignment(write_sample(tmp_path) if name == "sample" else name)


def test_the_files_of_a_handout(sample, tmp_path):
    paths = write_handout(sample, tmp_path / "mine")
    assert [path.name for path in paths] == ["README.md", "boxes.py", "loss.py"]
    readme = paths[0].read_text()
    for words in (
        "# sample: Overlap and loss",
        "1. **iou** in `boxes.py`, 5 points.",
        "2. **smooth_l1** in `loss.py`, 3 points.",
        "minissd assignment grade sample .",
        "`minissd.config` and `minissd.errors`",
    ):
        assert words in readme
    assert max(map(len, readme.splitlines())) <= 110 and "ipynb" not in readme


def test_the_notebook_goes_with_it(sample, tmp_path):
    (sample.folder / "sample.ipynb").write_text('{"cells": []}')
    paths = write_handout(sample, tmp_path / "mine")
    assert paths[-1].name == "sample.ipynb" and paths[-1].read_text() == '{"cells": []}'
    assert "notebook `sample.ipynb`" in paths[0].read_text()


def test_nobodys_work_is_overwritten(sample, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "loss.py").write_text("my work")
    with pytest.raises(InputError, match=r"loss.py: is there already"):
        write_handout(sample, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["loss.py"]
    assert (tmp_path / "mine" / "loss.py").read_text() == "my work"


def test_the_files_can_be_imported(assignment, tmp_path):
    """Before anything is written, and in any order."""
    write_handout(assignment, tmp_path / "mine")
    code = "; ".join(f"import {module}" for module in reversed(assignment.modules))
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "mine", check=True)


def test_the_files_are_tidy(assignment, tmp_path):
    """By the rules of this project; that imports are not used yet is in the nature of the thing."""
    ruff = shutil.which("ruff", path=Path(sys.executable).parent) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("needs ruff, of the extra dev")
    write_handout(assignment, tmp_path / "mine")
    project = PACKAGE.parent / "pyproject.toml"
    settings = [f"--config={project}"] if project.is_file() else []
    command = [
        ruff,
        "check",
        "--no-cache",
        *settings,
        "--config=src=['.']",
        "--extend-ignore=F401,F811",
        *assignment.file_names,
    ]
    result = subprocess.run(command, cwd=tmp_path / "mine", capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_examples_are_right(assignment):
    """Whoever writes what the docstring says gets what its example shows."""
    namespace = reference_namespace(assignment)
    finder, runner, said = doctest.DocTestFinder(), doctest.DocTestRunner(), []
    for question in assignment.questions:
        for name in question.answer_names:
            for test in finder.find(namespace[name], name, module=False, globs=dict(namespace)):
                runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_words_of_what_is_given_can_be_replaced(sample):
    old, new = "Take boxes apart into their four numbers", "The four numbers of boxes"
    edit(sample.folder / "manifest.toml", KEEP, f'{KEEP}\nreplace = [["{old}", "{new}"]]')
    text = file_texts(load_assignment(sample.folder), blank)["boxes.py"]
    assert new in text and old not in text


def test_methods_are_asked_for_by_name(sample):
    question = replace(sample.questions[0], answers=("minissd.models.head.Head.forward", "minissd.boxes.iou"))
    assert what_to_write(question) == "Write `Head.forward` and `iou`. "


def test_constants_and_dataclasses_can_be_given(sample):
    given = 'keep = ["minissd.nms.KEPT", "minissd.detect.Detections"]'
    imports = 'imports = ["from dataclasses import dataclass"]'
    edit(sample.folder / "manifest.toml", KEEP, f"{given}\n{imports}")
    assignment = load_assignment(sample.folder)
    head = file_texts(assignment, blank)["boxes.py"]
    assert (
        "\n\nfrom dataclasses import dataclass\n\nimport numpy as np\n\n\nKEPT, NOT_CONSIDERED = -1, -2  #"
        in head
    )
    assert "\n\n\n@dataclass(frozen=True)\nclass Detections:\n" in head
    namespace = reference_namespace(assignment)
    assert namespace["NOT_CONSIDERED"] == -2 and len(namespace["Detections"]([], [1.0], [2], [3])) == 1


def test_the_docstrings_speak_of_nothing_that_is_missing(assignment):
    """What is not given is not to be looked up either: it holds the answers."""
    for name, text in file_texts(assignment, blank).items():
        for module in re.findall(r"`(minissd\.[\w.]+)", text):
            assert module.startswith(assignment.given), f"{name} speaks of {module}: replace its words"


# -- the library's answers -------------------------------------------------------------------------------


def test_the_reference_as_files(sample, tmp_path):
    """Python imports them, and they answer."""
    folder = write_reference(sample, tmp_path / "right")
    code = "from boxes import *; print(iou(np.array([[0, 0, 2, 2]]), np.array([[1, 1, 3, 3]]))[0, 0])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == pytest.approx(1 / 7)


def test_the_reference_in_this_process(sample):
    namespace = reference_namespace(sample)
    a_xyxy, b_xyxy = np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 1.0, 3.0, 3.0]])
    assert namespace["iou"](a_xyxy, b_xyxy) == boxes.iou(a_xyxy, b_xyxy)
    assert namespace["columns"](a_xyxy)[2] == 2 and namespace["np"] is np


def test_a_wrong_answer_changes_its_own_function_only(sample):
    difference = np.array([-0.5, 0.5, -3.0])
    no_half, no_sign = (reference_namespace(sample, wrong) for wrong in sample.question("smooth_l1").wrong)
    assert no_half["smooth_l1"](difference)[0].tolist() == [0.25, 0.25, 2.5]
    assert no_sign["smooth_l1"](difference)[1].tolist() == [0.5, 0.5, 1.0]
    apart = np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([[2.0, 2.0, 3.0, 3.0]])
    not_cut = reference_namespace(sample, sample.question("iou").wrong[1])
    assert (no_half["iou"](*apart), not_cut["iou"](*apart)) == (0, 1)
    assert reference_namespace(sample)["smooth_l1"](difference)[1].tolist() == [-0.5, 0.5, -1.0]


def test_files_that_import_each_other(sample, tmp_path):
    about = 'about = "The loss'
    edit(sample.folder / "manifest.toml", about, f'imports = ["from boxes import iou"]\n{about}')
    assignment = load_assignment(sample.folder)
    head = file_texts(assignment, blank)["loss.py"].partition("def smooth_l1")[0]
    assert head == '"""The loss of predicted offsets."""\n\nimport numpy as np\n\nfrom boxes import iou\n\n\n'
    assert reference_namespace(assignment)["iou"](np.zeros((1, 4)), np.zeros((2, 4))).shape == (1, 2)
    write_handout(assignment, tmp_path / "mine")
    subprocess.run([sys.executable, "-c", "import loss; loss.iou"], cwd=tmp_path / "mine", check=True)
