"""Learning-rate schedules, at the steps where they turn."""

import itertools
import math

import pytest

from minissd.nn.schedule import constant, cosine, one_cycle, step_decay, warm_up


def test_constant():
    assert {constant(0.5)(step) for step in (0, 7, 10**6)} == {0.5}


def test_step_decay_is_the_papers():
    rate = step_decay(1e-3, (80_000, 100_000))
    for step, expected in ((0, 1e-3), (79_999, 1e-3), (80_000, 1e-4), (99_999, 1e-4), (100_000, 1e-5)):
        assert rate(step) == pytest.approx(expected)
    assert step_decay(1.0, (1,), factor=0.5)(1) == 0.5


def test_cosine_at_its_quarters_and_after_its_end():
    rate = cosine(1.0, 100, final=0.2)
    for step, turn in ((0, 0), (25, math.pi / 4), (50, math.pi / 2), (100, math.pi), (500, math.pi)):
        assert rate(step) == pytest.approx(0.2 + 0.8 * (1 + math.cos(turn)) / 2)


def test_warm_up_reaches_the_full_rate_and_then_follows_its_schedule():
    rate = warm_up(step_decay(1.0, (20,)), 10, start_factor=0.5)
    for step, expected in ((0, 0.5), (5, 0.75), (10, 1.0), (19, 1.0), (20, 0.1)):
        assert rate(step) == pytest.approx(expected)


def test_one_cycle_rises_to_its_peak_and_falls():
    rate = one_cycle(1.0, 100)
    rates = [rate(step) for step in range(100)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(1.0)
    assert 0 < top < 50
    assert all(a <= b for a, b in itertools.pairwise(rates[: top + 1]))
    assert all(a >= b for a, b in itertools.pairwise(rates[top:]))
    assert 0 < rates[0] < 0.5
    assert rates[-1] < 0.05
    assert rate(100) > 0


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_very_short_runs_have_positive_rates(steps):
    assert all(one_cycle(1.0, steps)(step) > 0 for step in range(steps))


def test_nothing_to_warm_up_and_nothing_to_anneal():
    assert warm_up(constant(1.0), 0)(0) == 1.0
    assert cosine(1.0, 0)(0) == 1.0


def test_one_cycle_by_hand():
    """Rising from 0.1 over 20 of 100 steps, then half a cosine of 80 steps down to a thousandth."""
    rate = one_cycle(2.0, 100)
    for step, expected in ((0, 0.2), (10, 2 * 0.55), (20, 2.0), (60, (2 + 0.002) / 2), (100, 0.002)):
        assert rate(step) == pytest.approx(expected), step
    assert rate(10_000) == pytest.approx(0.002)


def test_a_step_is_all_that_a_schedule_knows():
    """Asked in any order it gives the same, so that a resumed run goes on where it was."""
    for make in (
        lambda: step_decay(1.0, (10, 30)),
        lambda: cosine(1.0, 40),
        lambda: warm_up(cosine(1.0, 40), 5),
        lambda: one_cycle(1.0, 40),
    ):
        used = make()
        forwards = [used(step) for step in range(40)]
        assert [used(step) for step in reversed(range(40))] == forwards[::-1]
        assert make()(17) == forwards[17]


def test_milestones_need_no_order():
    assert [step_decay(1.0, (20, 10), 0.5)(step) for step in (9, 10, 20)] == [1.0, 0.5, 0.25]
