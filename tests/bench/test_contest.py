"""No ratio without equal results."""

import math

import numpy as np
import pytest

from minissd.bench.agreement import largest_difference
from minissd.bench.contest import Contest, Work, hold
from minissd.bench.row import Row
from minissd.bench.timing import Contender, Plan, Spread

PLAN = Plan(rounds=3, seconds=1e9, turn=0.0, pause=0.0)


def clocked(seconds_by_name):
    """A clock, and a function that makes contenders that take their seconds."""
    now = [0.0]

    def contender(name, value):
        def run():
            now[0] += seconds_by_name[name]
            return value

        return Contender(name, run, lambda result: {"y": np.array(result)})

    return (lambda: now[0]), contender


def row_of(seconds, values, tolerance=0.01, **contest):
    clock, contender = clocked(seconds)
    ours, *peers = (contender(name, value) for name, value in values.items())
    work = Work("layers", "a row", None, place=("forward", "net", "conv"))
    return hold(Contest(ours, peers, tolerance, **contest), work, PLAN, clock, lambda seconds: None)


def test_the_ratio_is_that_of_the_better_peer():
    seconds = {"minissd": 2.0, "slow": 9.0, "fast": 6.0}
    row = row_of(seconds, {"minissd": [1.0, 2.0], "slow": [1.0, 2.01], "fast": [1.0, 2.0]})
    assert (row.ratio, row.peer_name, row.differs) == (3.0, "fast", False)
    assert row.medians == seconds
    assert row.largest_error == pytest.approx(0.005)
    assert (row.group, row.name, row.place) == ("layers", "a row", ("forward", "net", "conv"))


@pytest.mark.parametrize("wrong", [[1.0, 2.03], [1.0], [1.0, math.nan]])
def test_a_row_whose_results_differ_has_no_ratio_and_no_time(wrong):
    seconds = dict.fromkeys(("minissd", "right", "wrong"), 1.0)
    row = row_of(seconds, {"minissd": [1.0, 2.0], "right": [1.0, 2.0], "wrong": wrong})
    assert row.differs and row.ratio is None and row.ours is None and row.peer is None
    assert row.note.startswith("results differ (largest error ") and "against wrong" in row.note


def test_without_peers_there_is_our_time_and_no_ratio():
    row = row_of({"minissd": 2.0}, {"minissd": [1.0]}, operations=6_000_000_000)
    assert (row.ratio, row.peer, row.peer_name, row.differs) == (None, None, "", False)
    assert (row.ours.median, row.gflops) == (2.0, 3.0)


def test_speed_counts_our_time_alone():
    row = row_of({"minissd": 2.0, "peer": 9.0}, {"minissd": [1.0], "peer": [1.0]}, operations=10**9)
    assert row.gflops == 0.5


def test_a_difference_of_times_that_is_no_time_gives_no_ratio():
    row = Row("layers", "a", ours=Spread.of([-1e-6]), peer=Spread.of([1.0]), operations=10)
    assert row.ratio is None and row.gflops is None


@pytest.mark.parametrize(
    ("expected", "found", "difference"),
    [
        ([1.0, -8.0], [1.0, -6.0], 0.25),  # of the largest value
        ([0.0, 0.0], [0.0, 0.5], 0.5),
        ([True, False], [True, True], 1),
        ([3, 7], [3, 4], 3),
        ([3, 7], [3, 7], 0),
        ([1.0, 2.0], [1.0], math.inf),
        ([1.0, 2.0], [1.0, math.nan], math.inf),
        ([], [], 0),
    ],
)
def test_largest_difference(expected, found, difference):
    assert largest_difference({"y": np.array(expected)}, {"y": np.array(found)}) == difference


def test_the_same_things_must_be_there_and_the_worst_counts():
    zeros = np.zeros(2)
    assert largest_difference({"a": zeros}, {"b": zeros}) == math.inf
    assert largest_difference({"a": zeros, "b": np.array([2.0])}, {"a": zeros, "b": np.array([3.0])}) == 0.5


def test_a_float_is_not_taken_for_a_whole_number():
    """Of labels no part may differ, of probabilities a small part of the largest."""
    assert largest_difference({"y": np.array([1000])}, {"y": np.array([1001])}) == 1
    assert largest_difference({"y": np.array([1000.0])}, {"y": np.array([1001.0])}) == pytest.approx(1e-3)
