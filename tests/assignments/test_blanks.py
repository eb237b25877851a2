"""Answers made blank: the library's signatures and docstrings around bodies that are to be written."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest
from sample import write_sample

import minissd
from minissd import boxes, loss, matching, mining, nms
from minissd.assignments import load_assignment
from minissd.assignments.blanks import blanked
from minissd.assignments.docstrings import trimmed
from minissd.assignments.handout import answer_code, blank, delegating, file_texts
from minissd.assignments.manifest import Question
from minissd.models.head import Head
from minissd.nn.optimizer import SGD

PACKAGE = Path(minissd.__file__).parent


@pytest.fixture
def sample(tmp_path):
    return load_assignment(write_sample(tmp_path))


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
    assert '    """Convolve.\n\n    Returns\n    -------\n    ndarray, (N, O, H, W)\n    """\n' in source


def test_decorators_belong_to_the_answer():
    assert only(asked("minissd.nn.l2norm_readable.forward")).startswith("def forward(")


# -- classes ---------------------------------------------------------------------------------------------


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
