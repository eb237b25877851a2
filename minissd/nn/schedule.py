"""Learning-rate schedules: functions of the step alone, so that a resumed run goes on where it was."""

from __future__ import annotations

import math


def constant(rate):
    """The same rate at every step."""
    return lambda step: rate


def step_decay(rate, milestones, factor=0.1):
    """`rate`, multiplied with `factor` at each milestone (the paper's schedule).

    Examples
    --------
    >>> schedule = step_decay(1.0, (80, 100))
    >>> schedule(79), schedule(80), round(schedule(100), 6)
    (1.0, 0.1, 0.01)
    """
    return lambda step: rate * factor ** sum(step >= milestone for milestone in milestones)


def cosine(rate, total_steps, final=0.0):
    """From `rate` to `final` along half a cosine.

    Examples
    --------
    >>> schedule = cosine(1.0, 100)
    >>> schedule(0), round(schedule(50), 6), round(schedule(100), 6)
    (1.0, 0.5, 0.0)
    """
    return lambda step: (
        final + (rate - final) * (1 + math.cos(math.pi * min(step / max(total_steps, 1), 1))) / 2
    )


def warm_up(schedule, steps, start_factor=0.1):
    """A schedule whose first steps grow linearly from `start_factor` times to the full rate.

    Examples
    --------
    >>> schedule = warm_up(constant(1.0), steps=10, start_factor=0.5)
    >>> schedule(0), schedule(5), schedule(10)
    (0.5, 0.75, 1.0)
    """
    return lambda step: (
        schedule(step) * (start_factor + (1 - start_factor) * (min(step / steps, 1) if steps else 1))
    )


def one_cycle(peak, total_steps, warm_up_fraction=0.2, start_factor=0.1, final_factor=0.001):
    """Up to `peak` in the first part of the run, then down along half a cosine (Smith's one-cycle policy).

    Examples
    --------
    >>> schedule = one_cycle(1.0, 100)
    >>> schedule(0), schedule(20), round(schedule(100), 6)
    (0.1, 1.0, 0.001)
    """
    rise = max(1, round(total_steps * warm_up_fraction))
    fall = cosine(peak, max(1, total_steps - rise), peak * final_factor)

    def rate(step):
        if step < rise:
            return peak * (start_factor + (1 - start_factor) * step / rise)
        return fall(step - rise)

    return rate
