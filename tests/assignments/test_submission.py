"""Calling a student's functions: what is sent, what comes back, and what is said when nothing does."""

import pickle
from unittest.mock import Mock

import numpy as np
import pytest

from minissd.assignments.guard import Guard
from minissd.assignments.student_errors import explain
from minissd.assignments.submission import Given, Handle, LocalSubmission, StudentError, Submission
from minissd.config import TINY
from minissd.errors import InputError

BOXES = '''
from collections import namedtuple
from dataclasses import dataclass
import numpy as np
from areas import area

Detections = namedtuple("Detections", "boxes scores")

@dataclass
class Match:
    best: np.ndarray
    threshold: float = 0.5

def iou(a, b):
    return area(a) / area(b)

def describe(scale, *, shift=0):
    return Detections(np.full(2, scale), [np.float32(shift)]), Match(np.arange(2)), {1: "one", "two": None}

def move(boxes, by):
    boxes += by
    return len(boxes)

def same(thing):
    return thing

def maker():
    return [Head(2), Head]

def broadcast(x):
    return x + np.zeros(3)

def ambiguous(x):
    return 1 if x else 2

def forgets(x):
    y = print("looking at", x)
    return y.shape

class Head:
    """A layer."""

    def __init__(self, scale):
        self.scale = scale
        self.params = {"weight": np.ones(2)}

    def forward(self, x):
        self.params["weight"] += x
        return self.scale * x

    @property
    def broken(self):
        return self.nothing
'''

CONFIGURED = """
from minissd.config import TINY, SSDConfig

def is_tiny(config):
    return config is TINY and isinstance(config, SSDConfig), config.num_priors

def source():
    import minissd.config
    return open(minissd.config.__file__).readline()

def answer():
    import minissd.boxes
"""

NAMES = ("iou", "describe", "move", "same", "maker", "broadcast", "ambiguous", "forgets", "Head", "Ghost")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("submission")
    (folder / "areas.py").write_text("def area(x):\n    return (x[2] - x[0]) * (x[3] - x[1])\n")
    (folder / "boxes.py").write_text(BOXES)
    (folder / "configured.py").write_text(CONFIGURED)
    return folder


@pytest.fixture(scope="module")
def remote(folder):
    with Submission(folder, {"boxes.py": NAMES}, time_limit=5) as submission:
        yield submission


@pytest.fixture(scope="module")
def local(folder):
    names = {}
    code = BOXES.replace("from areas import area", "area = lambda x: (x[2] - x[0]) * (x[3] - x[1])")
    exec(compile(code, "<string>", "exec"), names)
    return LocalSubmission(names)


@pytest.fixture(params=["remote", "local"])
def submission(request):
    return request.getfixturevalue(request.param)


def test_a_function_is_called_and_may_use_other_files(submission):
    assert submission.call("iou", [np.array([0, 0, 2, 2.0]), np.array([0, 0, 4, 4])]) == (0.25, [])


def test_results_of_every_kind_arrive(submission):
    (detections, match, table), changed = submission.call("describe", [0.5], {"shift": 3})
    assert detections.boxes.tolist() == [0.5, 0.5] and detections == (detections[0], [3.0])
    assert type(detections.scores[0]) is np.float32
    assert match.best.dtype == np.arange(2).dtype and match.threshold == 0.5
    assert table == {1: "one", "two": None} and changed == []


def test_modified_arguments_are_told_but_not_passed_on(submission):
    boxes = np.ones(3)
    assert submission.call("move", [boxes], {"by": 2}) == (3, [0])
    assert submission.call("move", [np.full(3, np.nan), 0]) == (3, [])
    assert submission.call("move", (), {"boxes": boxes, "by": 1.0}) == (3, ["boxes"])
    assert boxes.tolist() == [1, 1, 1]


def test_arguments_are_returned_where_they_may_be_modified(submission):
    boxes = np.ones(3)
    value, (after, by) = submission.call_in_place("move", [boxes, 2])
    assert (value, after.tolist(), by) == (3, [3, 3, 3], 2)
    assert boxes.tolist() == [1, 1, 1]


def test_objects_stay_where_they_are_and_keep_their_state(submission):
    head, other = submission.new("Head", [2]), submission.new("Head", (), {"scale": 5})
    assert isinstance(head, Handle) and head.type_name == "Head" and head != other
    value, changed = submission.call_method(head, "forward", [np.array([1.0, 3.0])])
    assert value.tolist() == [2, 6] and changed == []
    assert submission.get(head, "params")["weight"].tolist() == [2, 4]
    assert submission.get(other, "params")["weight"].tolist() == [1, 1]
    assert submission.call("same", [head])[0].type_name == "Head"


def test_objects_within_a_result_can_be_used(submission):
    (head, cls), _ = submission.call("maker")
    assert (head.type_name, cls.type_name) == ("Head", "type")
    assert submission.get(head, "scale") == 2


@pytest.mark.parametrize(
    "name, args, kind, words",
    [
        ("broadcast", [np.zeros(2)], "raised", ["broadcast stops: ValueError", "x[:, None]"]),
        ("ambiguous", [np.zeros(2)], "raised", ["truth value", ".any()"]),
        ("forgets", [1], "raised", ["'NoneType'", "forgot to return"]),
        ("iou", [np.zeros(4)], "raised", ["missing 1 required positional", "in the handout"]),
        ("Ghost", [], "missing_name", ["no Ghost", "exactly this name"]),
    ],
)  # fmt: skip
def test_what_went_wrong_is_said_in_the_same_words_in_both_places(remote, local, name, args, kind, words):
    for submission in (remote, local):
        with pytest.raises(StudentError) as caught:
            submission.call(name, args)
        assert caught.value.kind == kind
        for word in words:
            assert word in str(caught.value)


def test_the_line_of_the_student_is_shown(remote):
    with pytest.raises(StudentError) as caught:
        remote.call("iou", [np.zeros(4), [1]])
    called, where, *_ = caught.value.message.splitlines()[1:]
    assert called == "at boxes.py, line 15, in iou: return area(a) / area(b)"
    assert where.startswith("at areas.py, line 2, in area: return (x[2]")


def own_name_hides_a_function():
    area = area(2)  # noqa: F821
    return area


@pytest.mark.parametrize(
    "mistake, words",
    [
        (own_name_hides_a_function, "hides a function"),
        (lambda: np.zeros(3.0), "whole numbers"),
        (lambda: np.zeros(3)[:1.5], "whole numbers"),
        (lambda: np.zeros((2, 7, 4))[np.arange(2), np.zeros((2, 7), int)], "an axis may be missing"),
        (lambda: np.zeros(3)[3], "counting begins at 0"),
        (lambda: np.zeros(0).max(), "Of an empty array"),
        (lambda: np.zeros(0).argmax(), "Of an empty array"),
        (lambda: max([]), "Of an empty array"),
        (lambda: -1 + np.uint8(1), "turn it into int"),
        (lambda: np.ones((2, 3))[:, 0:-0] + np.ones((2, 3)), "is empty"),
        (lambda: np.ones((2, 3)) @ np.ones((2, 3)), "an axis may be missing"),
        (lambda: np.tensordot(np.ones(2), np.ones(3), 1), "an axis may be missing"),
        (lambda: np.concatenate([np.ones((1, 2)), np.ones((1, 3))]), "joined at"),
        (lambda: None + 1, "may be, or what a function forgot"),
        (lambda: None.shape, "may be, or what a function forgot"),
        (lambda: np.ones(2).shpae, "spelled right"),
    ],
)
def test_what_an_exception_means_for_a_beginner(mistake, words):
    with pytest.raises(Exception) as caught:
        mistake()
    assert words in explain(caught.value, "f", lambda name: None).message


def test_a_missing_method_and_a_failing_property_are_two_things(submission):
    head = submission.new("Head", [1])
    with pytest.raises(StudentError, match="Head has no backward") as caught:
        submission.call_method(head, "backward", [1])
    assert caught.value.kind == "missing_name"
    with pytest.raises(StudentError, match="no attribute 'nothing'") as caught:
        submission.get(head, "broken")
    assert caught.value.kind == "raised"


def test_what_it_prints_is_kept(remote):
    with pytest.raises(StudentError):
        remote.call("forgets", ["this"])
    remote.close()
    assert "looking at this" in remote.output


def test_objects_are_gone_with_their_process(folder):
    with Submission(folder, {"boxes.py": NAMES}) as submission:
        head = submission.new("Head", [1])
        submission.close()
        with pytest.raises(StudentError, match="The Head that was made before is gone") as caught:
            submission.get(head, "scale")
        assert caught.value.kind == "exit"
        assert submission.call("iou", [[0, 0, 1, 1]] * 2) == (1.0, [])


def test_given_modules_may_be_used_and_no_others(folder):
    names = {"configured.py": ("is_tiny", "source", "answer")}
    with Submission(folder, names, given=["minissd.config"]) as submission:
        assert submission.call("is_tiny", [Given("minissd.config", "TINY")]) == ((True, TINY.num_priors), [])
        assert submission.call("source")[0].startswith('"""What one SSD is made of')
        with pytest.raises(StudentError, match=r"imports minissd[.]boxes, which is not given") as caught:
            submission.call("answer")
    assert caught.value.kind == "forbidden"


def test_a_worker_is_started_only_once_and_changes_nothing_of_the_submission(folder):
    before = sorted(path.name for path in folder.iterdir())
    with Submission(folder, {"boxes.py": NAMES}) as submission:
        submission.call("same", [1])
        worker = submission._worker
        submission.call("same", [2])
        assert submission._worker is worker
    assert sorted(path.name for path in folder.iterdir()) == before
    assert not worker._job.exists() and worker.ended


def test_mistakes_of_the_teacher_are_input_errors(folder, tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        Submission(tmp_path / "nobody", {})
    with pytest.raises(InputError, match="giou"):
        Submission(folder, {"boxes.py": ("iou",)}).call("giou")
    with pytest.raises(InputError, match=r"No module named .minissd[.]confg"):
        Submission(folder, {"boxes.py": ("iou",)}, given=["minissd.confg"]).call("iou")


def test_errors_travel_between_the_processes_that_mark_a_class():
    error = pickle.loads(pickle.dumps(StudentError("time", "too long")))
    assert (error.kind, error.message, str(error)) == ("time", "too long", "too long")


def test_a_local_submission_lets_the_user_interrupt_it():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LocalSubmission({"interrupted": interrupted}).call("interrupted")


def test_what_was_replaced_is_named_and_put_back(tmp_path, monkeypatch):
    guard = Guard(str(tmp_path), str(tmp_path / "library"))
    exp = np.exp
    monkeypatch.setattr(np, "exp", np.log)
    monkeypatch.delattr(np.linalg, "norm")
    assert sorted(guard.restore()) == ["numpy.exp", "numpy.linalg.norm"]
    assert np.exp is exp and np.linalg.norm([3, 4]) == 5
    assert guard.restore() == []


@pytest.mark.parametrize(
    "where, problem, raised, words",
    [
        ("subprocess.Popen", PermissionError(13, "Denied"), InputError, "could be started: .*Denied"),
        ("minissd.assignments.process.WorkerProcess._talk", EOFError(), InputError, "could be started"),
        ("minissd.assignments.process.WorkerProcess._talk", KeyboardInterrupt(), KeyboardInterrupt, "^$"),
    ],
)  # fmt: skip
def test_a_process_that_does_not_start_is_not_the_students_fault(
    tmp_path, monkeypatch, where, problem, raised, words
):
    """It leaves nothing behind."""
    (tmp_path / "boxes.py").write_text("def iou(a, b): return 1\n")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(where, Mock(side_effect=problem))
    with pytest.raises(raised, match=words):
        Submission(tmp_path, {"boxes.py": ("iou",)}).call("iou", [1, 2])
    assert list((tmp_path / "temporary").iterdir()) == []
