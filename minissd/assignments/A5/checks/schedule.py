"""Checks of the learning rate's schedules."""

from minissd.assignments.marking import points

from . import schedule_of


def rates_are(schedule, expected):
    """Demand the learning rates of some steps."""
    for step, rate in expected.items():
        schedule.call("__call__", step).is_close(rate)


@points("schedules", 3)
def test_rate_falls_at_the_milestones(ask):
    """The example of the docstring: the rate falls to a tenth at step 80, and once more at step 100."""
    schedule = schedule_of(ask("step_decay", 1.0, (80, 100)))
    rates_are(schedule, {0: 1, 79: 1, 80: 0.1, 99: 0.1, 100: 0.01, 500: 0.01})


@points("schedules", 1)
def test_another_factor(ask):
    """With the factor 0.5 and three milestones the rate is halved three times."""
    schedule = schedule_of(ask("step_decay", 0.4, (1, 2, 5), 0.5))
    rates_are(schedule, {0: 0.4, 1: 0.2, 4: 0.1, 5: 0.05})


@points("schedules", 3)
def test_rate_grows_to_the_full_rate_and_no_further(ask):
    """The warm-up goes in a line from start_factor at step 0 to the full rate at step 10, and stays there."""
    constant = schedule_of(ask("step_decay", 1.0, ()))
    schedule = schedule_of(ask("warm_up", constant, 10, start_factor=0.5))
    rates_are(schedule, {0: 0.5, 5: 0.75, 9: 0.95, 10: 1, 40: 1})


@points("schedules", 3)
def test_warm_up_before_a_decay(ask):
    """The steps are counted from the beginning of the run: milestones stay where they are."""
    schedule = schedule_of(ask("warm_up", schedule_of(ask("step_decay", 2.0, (6, 12))), 4))
    rates_are(schedule, {0: 0.2, 2: 1.1, 4: 2, 5: 2, 7: 0.2, 13: 0.02})
