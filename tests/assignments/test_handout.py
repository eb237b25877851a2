"""Handouts: the library's signatures and docstrings around bodies that are to be written."""

import ast
import doctest
import inspect
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
from minissd import boxes, loss, matching, mining, nms
from minissd.assignments import assignment_names, load_assignment
from minissd.assignments.blanks import blanked
from minissd.assignments.docstrings import trimmed
from minissd.assignments.handout import (
    answer_code,
    blank,
    delegating,
    file_texts,
    reference_namespace,
    write_handout,
)
from minissd.assignments.manifest import Question
from minissd.assignments.readme import what_to_write
from minissd.errors import InputError
from minissd.models.head import Head
from minissd.nn.optimizer import SGD

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


def asked(*answers, **options):
    """A question without a manifest."""
    return Question(name="it", file="it.py", answers=answers, task="Write it.", **options)


def defined(source, **names):
    """What some source defines."""
    namespace = {"np": np, **names}
    exec(source, namespace)
    return namespace


def only(question, new_body=blank):
    """The source of the one answer of a question."""
    (source,) = answer_code([question], new_body).values()
    return source


# -- functions ----------------------------------------------------------------------------------------------


def test_signatures_and_docstrings_are_the_librarys(sample):
    texts = file_texts(sample, blank)
    for name, file, function in (("iou", "boxes.py", boxes.iou), ("smooth_l1", "loss.py", loss.smooth_l1)):
        blank_function = defined(texts[file])[name]
        assert inspect.signature(blank_function) == inspect.signature(function)
        assert inspect.getdoc(blank_function) == inspect.getdoc(function)
        with pytest.raises(NotImplementedError, match=f"^write {name}, see its docstring$"):
            blank_function(*[None] * len(inspect.signature(function).parameters))


def test_what_is_given_is_whole(sample):
    text = file_texts(sample, blank)["boxes.py"]
    assert inspect.getsource(boxes.columns) in text
    assert text.startswith(
        '"""Boxes: how much two of them overlap."""\n\nimport numpy as np\n\n\ndef columns'
    )
    assert text.endswith('    raise NotImplementedError("write iou, see its docstring")\n')


def test_nothing_of_the_answers_is_left(sample):
    text = file_texts(sample, blank)["boxes.py"]
    for line in inspect.getsource(boxes.iou).split('"""')[2].strip().splitlines():
        assert line.strip() not in text


def public_functions():
    """Every public function of the library, as ``minissd.module.name`` and its node."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        if "__" in module or module.startswith("minissd.assignments"):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield f"{module}.{node.name}", node


def test_any_function_of_the_package_can_be_asked_for():
    functions = dict(public_functions())
    assert len(functions) > 300
    for path, node in list(functions.items())[::5]:
        for new_body in (blank, delegating):
            (after,) = ast.parse(only(asked(path), new_body)).body
            assert ast.dump(after.args) == ast.dump(node.args), path
            assert bool(ast.get_docstring(after)) == bool(ast.get_docstring(node)), path
            if docstring := ast.get_docstring(node):
                assert ast.get_docstring(after) == trimmed(docstring), path
                assert "Raises" in docstring or ast.get_docstring(after) == docstring, path


def test_parameters_that_are_left_out():
    question = asked("minissd.matching.match", leave_out=("rule", "strict", "union_epsilon"))
    source = only(question)
    assert source.startswith("def match(gt_xyxy, priors_cxcywh, iou_threshold=0.5):\n")
    for word in ("rule", "strict", "epsilon", "Raises", "balancap"):
        assert word not in source
    match = defined(only(question, delegating))["match"]
    gt_xyxy = np.array([[0.0, 0.0, 0.5, 0.6], [0.4, 0.0, 1.0, 1.0]])
    priors_cxcywh = np.random.default_rng(0).uniform(0.2, 0.8, (50, 4))
    np.testing.assert_array_equal(
        match(gt_xyxy, priors_cxcywh, 0.3), matching.match(gt_xyxy, priors_cxcywh, 0.3)
    )


def test_parameters_behind_one_that_is_left_out_are_still_right():
    question = asked(
        "minissd.mining.hard_negatives",
        leave_out=("min_negatives", "scope", "overflow"),
        replace=((", unless by `overflow`", ""),),
    )
    assert "never selected.\n" in only(question)
    function = defined(only(question, delegating))["hard_negatives"]
    losses, positive = np.random.default_rng(0).normal(size=(2, 40)), np.arange(80).reshape(2, 40) % 13 == 0
    np.testing.assert_array_equal(
        function(losses, positive, 2), mining.hard_negatives(losses, positive, neg_pos_ratio=2)
    )
    question = asked("minissd.priors.cell_shapes", leave_out=("flip",))
    assert ">>> cell_shapes(4, 9, [4])\n" in only(question) and "flip" not in only(question)


def test_a_parameter_in_the_middle():
    question = asked("minissd.nms.nms", leave_out=("iou_threshold",))
    assert only(question).startswith("def nms(boxes_xyxy, scores, top_k=None, inclusive=False):")
    function = defined(only(question, delegating))["nms"]
    boxes_xyxy, scores = np.array([[0.0, 0.0, 1.0, 1.0]] * 3), np.array([0.1, 0.3, 0.2])
    assert function(boxes_xyxy, scores, 1).tolist() == nms.nms(boxes_xyxy, scores, top_k=1).tolist() == [1]


def test_a_long_signature_is_broken_as_elsewhere():
    source = only(asked("minissd.detect.detect", leave_out=("deviations",)))
    assert source.startswith("def detect(\n    loc,\n    conf,\n") and "deviations" not in source
    source = only(asked("minissd.detect.best_detections", leave_out=("deviations",)))
    assert source.splitlines()[0].endswith("iou_threshold, top_k, keep_top_k):")


def test_another_name():
    question = asked("minissd.nn.conv_loops.forward as conv_forward")
    assert only(question).startswith("def conv_forward(x, weight, bias, stride, padding, dilation):\n")
    assert '"write conv_forward, see its docstring"' in only(question)
    function = defined(only(question, delegating))["conv_forward"]
    assert function(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), None, 1, 0, 1).tolist() == [[[[9.0]]]]


def test_a_short_docstring_can_become_a_long_one():
    words = (
        "Convolve; see `minissd.nn.Conv2d` for shapes.",
        "Convolve.\n\nReturns\n-------\nndarray, (N, O, H, W)",
    )
    source = only(asked("minissd.nn.conv_loops.forward", replace=(words,)))
    assert defined(source)["forward"].__doc__ == (
        "Convolve.\n\n    Returns\n    -------\n    ndarray, (N, O, H, W)\n    "
    )


def test_decorators_belong_to_the_answer():
    assert only(asked("minissd.nn.l2norm_readable.forward")).startswith("def forward(")


# -- classes ------------------------------------------------------------------------------------------------


def test_a_class_keeps_its_bases_and_docstrings():
    head = defined(only(asked("minissd.models.head.Head")), Conv2d=Head.__base__)["Head"]
    assert head.__bases__ == Head.__bases__ and inspect.getdoc(head) == inspect.getdoc(Head)
    for name in ("__init__", "forward", "backward"):
        assert inspect.signature(getattr(head, name)) == inspect.signature(getattr(Head, name))
    assert inspect.getdoc(head.backward) == inspect.getdoc(Head.backward)
    with pytest.raises(NotImplementedError, match=r"write Head.__init__, see the docstring of Head"):
        head(3, 2, 5, None)


def test_methods_that_are_given():
    source = only(asked("minissd.models.head.Head.forward", "minissd.models.head.Head.backward"))
    assert inspect.getsource(Head.__init__) in source
    assert "write Head.forward, see its docstring" in source and "split" not in source


def test_single_methods():
    """Two questions about one class, which has the rest."""
    forward = asked("minissd.models.head.Head.forward")
    backward = asked("minissd.models.head.Head.backward")
    assert inspect.getsource(Head.backward).rstrip() in only(forward)
    (source,) = blanked([forward, backward], blank).values()
    assert inspect.getsource(Head.__init__) in source and source.count("NotImplementedError") == 2


def test_private_methods_are_the_librarys_own_way():
    source = only(asked("minissd.nn.optimizer.SGD"))
    sgd = defined(source)["SGD"]
    assert {"__init__", "step"} <= set(vars(sgd)) and not hasattr(sgd, "_update")
    source = only(asked("minissd.nn.optimizer.SGD.step"))
    assert inspect.getsource(SGD._update).rstrip() in source


def test_a_class_is_answered_by_the_librarys():
    assert defined(only(asked("minissd.models.head.Head"), delegating))["Head"] is Head
    assert defined(only(asked("minissd.models.head.Head as Top"), delegating))["Top"] is Head
    assert only(asked("minissd.models.head.Head as Top")).startswith("class Top(Conv2d):")


# -- files --------------------------------------------------------------------------------------------------


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


# -- answers ------------------------------------------------------------------------------------------------


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
