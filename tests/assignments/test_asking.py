"""What the checks ask, and what a student reads when the answer is wrong."""

import textwrap
from types import SimpleNamespace

import numpy as np
import pytest
from sample import write_sample

from minissd.assignments import load_assignment
from minissd.assignments.answer import part_text
from minissd.assignments.asking import Ask, RemoteObject, Wrong
from minissd.assignments.handout import reference_namespace
from minissd.assignments.submission import LocalSubmission

SQUARES = [[0.0, 0.0, 2.0, 2.0]], [[1.0, 1.0, 3.0, 3.0]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return load_assignment(write_sample(tmp_path_factory.mktemp("asking")))


@pytest.fixture
def asking(sample):
    """A function that asks a submission with these functions, by default the right ones."""

    def ask(question="iou", **functions):
        namespace = reference_namespace(sample) | functions
        return Ask(LocalSubmission(namespace), sample, sample.question(question))

    return ask


@pytest.fixture
def mistaken(sample, asking):
    """A function that asks a submission that makes a typical mistake."""

    def ask(question, number):
        wrong = sample.question(question).wrong[number]
        return asking(question, **reference_namespace(sample, wrong))

    return ask


def complaint(demand, *arguments, **options):
    """What a demand that fails says."""
    with pytest.raises(Wrong) as caught:
        demand(*arguments, **options)
    return str(caught.value)


def test_a_right_answer_is_returned(asking):
    answer = asking()("iou", *SQUARES)
    assert answer.is_close([[1 / 7]]) is answer
    np.testing.assert_allclose(answer.value, 1 / 7)


def test_a_typical_mistake_is_named(mistaken):
    message = complaint(mistaken("iou", 0)("iou", *SQUARES).is_close, [[1 / 7]], hint="Look again.")
    assert message == textwrap.dedent("""\
        iou(np.array([[0., 0., 2., 2.]]), np.array([[1., 1., 3., 3.]]))
        expected  [[0.14285714]]
        came      [[0.125]]
        0.125 instead of 0.142857.
        This is what comes out if the intersection is counted twice in the union.
        Subtract it once: |a| + |b| - |a and b|.""")


def test_a_mistake_in_one_of_several_values(mistaken):
    ask = mistaken("smooth_l1", 1)
    loss, slope = ask("smooth_l1", [-3.0, 0.5]).parts(2)
    loss.is_close([2.5, 0.125])
    message = complaint(slope.is_close, [-1.0, 0.5])
    assert message.startswith("smooth_l1(np.array([-3. ,  0.5]))[1]\nexpected  [-1. ,  0.5]\n")
    assert "1 of 2 values differs: 1 instead of -1 at [0]." in message
    assert "This is what comes out if the derivative is returned without its sign." in message


def test_another_mistake_gets_the_hint_of_the_check(asking):
    answer = asking(iou=lambda a, b: np.full((1, 1), 0.5))("iou", *SQUARES)
    assert complaint(answer.is_close, [[1 / 7]], hint="Count again.").endswith("\nCount again.")
    assert "comes out" not in complaint(answer.is_close, [[1 / 7]])


def test_another_mistake_without_a_hint_is_compared(asking):
    ask = asking("smooth_l1", smooth_l1=lambda difference: (3 * np.abs(difference), difference))
    message = complaint(ask("smooth_l1", [1.0, 2.0])[0].is_close, [1.0, 2.0])
    assert message.endswith("Every value is 3 times what it should be.")


def test_a_wrong_answer_that_would_pass_explains_nothing(asking):
    """Both overlap, so the second mistake is none here: it gives the right number, and must not be blamed."""
    ask = asking(iou=lambda a, b: [[1 / 7 + 1e-8]])
    assert "comes out" not in complaint(ask("iou", *SQUARES).is_close, [[1 / 7]], rtol=0, atol=1e-9)


def test_equals_is_exact(asking):
    ask = asking(iou=lambda a, b: [[0.1 + 0.2]])
    ask("iou", *SQUARES).is_close([[0.3]])
    message = complaint(ask("iou", *SQUARES).equals, [[0.3]])
    assert "0.30000000000000004 instead of 0.29999999999999999." in message


def test_lists_of_numbers_become_arrays_and_others_stay(asking):
    seen = []
    ask = asking(iou=lambda *arguments: seen.extend(arguments))
    ask("iou", [[1, 2]], [], ["a"], [np.zeros(2), np.ones(3)], (1, 2))
    kinds = [type(value) for value in seen]
    assert kinds == [np.ndarray, list, list, list, tuple]
    assert seen[0].dtype == int


def test_has(asking):
    ask = asking(iou=lambda a, b: np.zeros((1, 1), np.float32))
    answer = ask("iou", *SQUARES)
    answer.has(shape=(1, 1), dtype=np.float32).has(dtype=np.floating)
    message = complaint(answer.has, shape=(1, 1), dtype=np.float64, hint="Keep the type.")
    assert "expected  an array with shape (1, 1) and dtype float64\n" in message
    assert "came      an array with shape (1, 1) and dtype float32\nKeep the type." in message
    assert "came      None" in complaint(asking(iou=lambda a, b: None)("iou", 1, 2).has, shape=(1,))


def test_has_names_the_mistake(mistaken):
    answer = mistaken("iou", 0)("iou", *SQUARES)
    assert answer.has(dtype=np.float64) is answer
    assert "counted twice" in complaint(answer.has, shape=(2, 1))


def test_satisfies(mistaken):
    answer = mistaken("iou", 1)("iou", [[0.0, 0.0, 1.0, 1.0]], [[0.0, 2.0, 1.0, 3.0]])
    message = complaint(answer.satisfies, lambda iou: (iou >= 0).all(), "an IoU of at least 0")
    assert "expected  an IoU of at least 0\ncame      [[-0.33333333]]\n" in message
    assert "negative widths and heights are not cut off at 0" in message


def test_a_demand_on_a_value_of_another_type_fails(asking):
    answer = asking(iou=lambda a, b: None)("iou", *SQUARES)
    assert "came      None" in complaint(answer.satisfies, lambda iou: (iou >= 0).all(), "at least 0")


def test_parts_and_items(asking):
    answer = asking(iou=lambda a, b: {"boxes": (1, 2)})("iou", 1, 2)
    answer["boxes"][1].equals(2)
    assert "iou(1, 2)['boxes'][0]" in complaint(answer["boxes"][0].equals, 2)
    assert "expected  3 values: return them as a tuple" in complaint(answer["boxes"].parts, 3)
    assert "['scores'] is one" in complaint(answer.__getitem__, "scores")
    assert "[5] is one" in complaint(answer["boxes"].__getitem__, 5)
    assert "[0] is one\ncame      1" in complaint(answer["boxes"][0].__getitem__, 0)


def test_changed_arguments(asking):
    def careless(a_xyxy, b_xyxy):
        b_xyxy += 1
        return [[0.0]]

    ask = asking(iou=careless)
    message = complaint(ask, "iou", *SQUARES)
    assert "\niou changed its argument b_xyxy. " in message
    assert message.endswith("work on a copy, b_xyxy.copy().")
    result, first, second = ask.in_place("iou", *SQUARES).parts(3)
    result.equals([[0.0]])
    first.equals(SQUARES[0])
    second.equals([[2.0, 2.0, 4.0, 4.0]])


def test_an_argument_after_the_call_has_its_name(asking):
    def careless(a_xyxy, b_xyxy):
        b_xyxy += 1

    message = complaint(asking(iou=careless).in_place("iou", *SQUARES)[2].equals, SQUARES[1])
    assert "\nb_xyxy after the call:\nexpected " in message and "[2]" not in message


def test_attributes_and_keys_are_written_as_in_python():
    model = SimpleNamespace(params={"weight": [4, 5]})
    assert part_text(model, ("params", "weight", 1)) == ".params['weight'][1]"


def test_arguments_are_noted_as_they_were(mistaken):
    """The check may go on with its arrays after asking; the diagnosis needs what the student got."""
    squares = [np.array(each) for each in SQUARES]
    answer = mistaken("iou", 0)("iou", *squares)
    squares[0] += 5
    assert "counted twice" in complaint(answer.is_close, [[1 / 7]])


def test_an_exception_of_the_student(asking):
    def broken(a_xyxy, b_xyxy):
        return a_xyxy[7]

    with pytest.raises(Wrong) as caught:
        asking(iou=broken)("iou", *SQUARES)
    assert caught.value.kind == "raised"
    assert str(caught.value).startswith("iou(np.array([[0., 0., 2., 2.]]), np.array([[1., 1., 3., 3.]]))\n")
    assert "IndexError" in str(caught.value)


def test_a_missing_function_is_told_without_a_call(sample):
    with pytest.raises(Wrong) as caught:
        Ask(LocalSubmission({}), sample, sample.question("iou"))("iou", *SQUARES)
    assert caught.value.kind == "missing_name"
    assert "np.array" not in str(caught.value)


class Counter:
    """An object with a history."""

    def __init__(self, start):
        self.total = start

    def add(self, number):
        """Return the sum so far."""
        self.total = self.total + number
        return self.total

    def twin(self):
        """Another one, beside a number."""
        return 1, Counter(self.total)

    def __call__(self):
        """Return the sum so far."""
        return self.total


class LateCounter(Counter):
    """Forgets the first number: a mistake."""

    def add(self, number):
        """Return the last number only."""
        self.total = number
        return self.total


@pytest.fixture
def counting(sample, monkeypatch):
    """A function that asks about counters; the one typical mistake is to forget the first number."""
    from minissd.assignments import asking

    def namespace(assignment, wrong=None):
        return {"Counter": LateCounter if wrong else Counter, "value_of": lambda counter: counter.total}

    monkeypatch.setattr(asking, "reference_namespace", namespace)
    question = sample.question("smooth_l1")
    monkeypatch.setattr(type(question), "wrong", property(lambda self: (Forgetful,)), raising=False)
    return lambda **functions: Ask(LocalSubmission(namespace(sample) | functions), sample, question)


class Forgetful:
    mistake, hint = "only the last number counts", ""


def test_objects_live_in_the_submission(counting):
    ask = counting()
    counter = ask.new("Counter", 5)
    assert isinstance(counter, RemoteObject)
    counter.call("add", 2).equals(7)
    counter.get("total").equals(7)
    ask("value_of", counter).equals(7)
    one, twin = counter.call("twin").parts(2)
    one.equals(1)
    twin.value.call("add", 1).equals(8)
    counter.get("total").equals(7)


def test_the_history_of_an_object_is_told_and_tried_again(counting):
    counter = counting(Counter=LateCounter).new("Counter", 5)
    message = complaint(counter.call("add", 2).equals, 7)
    assert message == textwrap.dedent("""\
        counter = Counter(5)
        counter.add(2)
        expected  7
        came      2
        2 instead of 7.
        This is what comes out if only the last number counts.""")
    counter.call("add", 3)
    message = complaint(counter.get("total").equals, 10)
    assert message.startswith("counter = Counter(5)\ncounter.add(2)\ncounter.add(3)\ncounter.total\n")
    assert "only the last number counts" in message


def test_what_an_object_was_made_of_is_told_and_calls_look_like_calls(counting):
    ask = counting(copied=lambda counter: Counter(counter.total))
    copy = ask("copied", ask.new("Counter", 5)).value
    lines = complaint(copy.call("__call__").equals, 7).splitlines()
    assert lines[:3] == ["counter = Counter(5)", "counter_2 = copied(counter)", "counter_2()"]


def test_a_long_history_is_shortened(counting):
    counter = counting().new("Counter", 0)
    for i in range(9):
        counter.call("add", i)
    lines = complaint(counter.get("total").equals, 0).splitlines()
    last = [f"counter.add({i})" for i in (6, 7, 8)]
    assert lines[:6] == ["counter = Counter(0)", "...", *last, "counter.total"]


def test_two_objects_have_two_names(counting):
    ask = counting()
    first, second = ask.new("Counter", 1), ask.new("Counter", 2)
    assert (first.name, second.name) == ("counter", "counter_2")
    assert complaint(second.get("total").equals, 0).startswith("counter_2 = Counter(2)\ncounter_2.total\n")
