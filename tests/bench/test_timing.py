"""Who is timed when: a clock that only moves when a contender works shows it exactly."""

import pytest

from minissd.bench.timing import Contender, Plan, Spread, best_of, interleaved


class Stage:
    """A clock and contenders that take a known time; `log` holds what happened in order."""

    def __init__(self):
        self.now, self.log = 0.0, []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.log.append("rest")
        self.now += seconds

    def work(self, name, *seconds):
        """A function that takes these seconds, call after call; the last one for good."""
        left = list(seconds)

        def run():
            self.log.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]
            return name

        return run


@pytest.fixture
def stage():
    return Stage()


def measure(stage, contenders, rivals=(), **plan):
    plan = Plan(**{"rounds": 4, "seconds": 1e9, "turn": 0.1, "pause": 0.5} | plan)
    return interleaved(contenders, plan, stage.clock, stage.sleep, rivals)


def test_contenders_take_turns_with_a_rest_before_each(stage):
    contenders = [Contender("a", stage.work("a", 1.0)), Contender("b", stage.work("b", 2.0))]
    times = measure(stage, contenders)
    assert stage.log == ["a", "b"] + ["rest", "a", "rest", "b"] * 4  # first one call to see how long it takes
    assert times == {"a": [1.0] * 4, "b": [2.0] * 4}  # the rest is nobody's time


def test_what_is_fast_is_called_until_a_turn_is_full(stage):
    times = measure(stage, [Contender("a", stage.work("a", 0.03125))], rounds=1, turn=0.125)
    assert stage.log == ["a", "rest", *"aaaa"]
    assert times == {"a": [0.03125]}


def test_the_number_of_calls_can_be_given(stage):
    measure(stage, [Contender("a", stage.work("a", 1.0))], rounds=2, calls=3)
    assert stage.log == ["rest", *"aaa", "rest", *"aaa"]


def test_calls_that_settle_are_not_timed(stage):
    contender = Contender("a", stage.work("a", 100.0, 100.0, 1.0), settle=2)
    assert measure(stage, [contender], rounds=1, calls=4) == {"a": [1.0]}


def test_time_of_what_is_not_to_be_counted_is_taken_off(stage):
    contender = Contender("a", stage.work("both", 3.0), without=stage.work("one", 1.0))
    assert measure(stage, [contender], rounds=2)["a"] == [2.0, 2.0]


def test_rounds_end_with_the_seconds_but_not_before_the_least(stage):
    a = [Contender("a", stage.work("a", 1.0))]
    assert len(measure(stage, a, rounds=50, seconds=10.0, pause=0.0)["a"]) == 10
    assert len(measure(stage, a, rounds=50, seconds=0.5, least_rounds=3)["a"]) == 3
    assert len(measure(stage, a, rounds=2, seconds=0.5, least_rounds=3)["a"]) == 2


def test_only_hopeless_rivals_leave(stage):
    names = {"ours": 9.0, "best": 1.0, "near": 1.4, "far": 1.6}
    contenders = [Contender(name, stage.work(name, seconds)) for name, seconds in names.items()]
    times = measure(stage, contenders, rivals=("best", "near", "far"))
    rounds = {name: len(values) for name, values in times.items()}
    assert rounds == {"ours": 4, "best": 4, "near": 4, "far": 2}


def test_one_slow_round_makes_nobody_hopeless(stage):
    rivals = [Contender("a", stage.work("a", 1.0)), Contender("b", stage.work("b", 1.0, 50.0, 1.0))]
    assert len(measure(stage, rivals, rivals=("a", "b"))["b"]) == 4


def test_median_and_quartiles():
    spread = Spread.of([9.0, 1.0, 2.0, 3.0, 4.0])  # an outlier moves neither
    assert (spread.median, spread.first_quartile, spread.third_quartile, spread.rounds) == (3.0, 2.0, 4.0, 5)
    assert spread.relative == pytest.approx(1 / 3)
    assert Spread.of([2.0]) == Spread(2.0, 2.0, 2.0, 1)


def test_the_best_is_the_one_of_the_smallest_median():
    assert best_of({"a": [1.0, 8.0, 8.0], "b": [5.0, 5.0, 5.0]}) == "b"
    assert best_of({}) is None
