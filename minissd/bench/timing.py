"""Timing several programs that do the same, so that whatever disturbs one disturbs all of them.

The contenders take turns, round after round, in one process: a machine that grows warm or is busy with
something else for a while is so for everyone. What counts is the median of the rounds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

import numpy as np

MOST_CALLS = 10_000  # in one turn
PROVING_ROUNDS = 2
HOPELESS = 1.5  # whoever takes so many times as long as the best of its kind stops after the proving rounds


@dataclass(frozen=True)
class Contender:
    """One program in a contest.

    Attributes
    ----------
    name : str
    run : callable
        One call of it is timed; returns its result.
    arrays : callable
        Makes a dictionary of arrays of what `run` returned, for `minissd.bench.agreement`.
    without : callable, optional
        Something that `run` does too, but that is not to be counted: the time of one call of it is taken off.
    settle : int
        Calls at the beginning of each turn that are not timed.
    """

    name: str
    run: Callable[[], object]
    arrays: Callable[[object], dict[str, np.ndarray]] = lambda result: {"result": result}
    without: Callable[[], object] | None = None
    settle: int = 0


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes
    ----------
    rounds, least_rounds : int
        Turns that each contender gets at most, and at least.
    seconds : float
        No further round is begun that would last beyond this, once the least are done.
    turn : float
        Seconds of work in a turn: what is faster is called several times.
    pause : float
        Seconds of rest before every turn. The worker threads of OpenMP and of BLAS libraries go on spinning
        for a while after their work is done, in case more comes, and would take a core from whoever is next.
    calls : int, optional
        Calls per turn, instead of as many as fill `turn`.
    """

    rounds: int = 15
    least_rounds: int = 3
    seconds: float = 5.0
    turn: float = 0.1
    pause: float = 0.15
    calls: int | None = None


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of what was measured in several rounds.

    Examples
    --------
    >>> Spread.of([4.0, 1.0, 3.0, 2.0, 5.0])
    Spread(median=3.0, first_quartile=2.0, third_quartile=4.0, rounds=5)
    """

    median: float
    first_quartile: float
    third_quartile: float
    rounds: int

    @classmethod
    def of(cls, values):
        """Summarise the values of all rounds."""
        first, middle, third = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
        return cls(middle, first, third, len(values))

    @property
    def relative(self):
        """Half the distance of the quartiles, as a part of the median."""
        return (self.third_quartile - self.first_quartile) / 2 / self.median if self.median else 0.0


def interleaved(contenders, plan, clock=time.perf_counter, sleep=time.sleep, rivals=()):
    """Time the contenders in turns.

    Parameters
    ----------
    contenders : sequence of Contender
        Each has been called at least once: nothing is compiled any more.
    plan : Plan
    clock, sleep : callable
        Seconds now; rest for so many seconds. A device that works on by itself needs a clock that waits
        for it.
    rivals : sequence of str
        Names of those of whom only the best one will count: who is far from it leaves after the proving
        rounds.

    Returns
    -------
    dict of str to list of float
        Seconds per call in each round.
    """
    calls = {c.name: plan.calls or _calls_per_turn(c, plan.turn, clock) for c in contenders}
    times = {c.name: [] for c in contenders}
    racing = list(contenders)
    begin = clock()
    for done in range(plan.rounds):
        if done >= plan.least_rounds and (clock() - begin) * (done + 1) / done > plan.seconds:
            break
        for contender in racing:
            sleep(plan.pause)
            times[contender.name].append(_turn(contender, calls[contender.name], clock))
        if done + 1 == PROVING_ROUNDS:
            racing = _without_the_hopeless(racing, times, rivals)
    return times


def best_of(times):
    """The name whose median is the smallest, None where there is no name.

    Examples
    --------
    >>> best_of({"a": [1.0, 9.0, 9.0], "b": [2.0, 3.0, 2.0]})
    'b'
    """
    return min(times, key=lambda name: median(times[name]), default=None)


def _turn(contender, calls, clock):
    for _ in range(contender.settle):
        contender.run()
    seconds = _seconds(contender.run, calls, clock)
    return seconds - _seconds(contender.without, calls, clock) if contender.without else seconds


def _seconds(function, calls, clock):
    """Seconds per call. What a call returns is let go of in its own time, as it would be in use."""
    begin = clock()
    for _ in range(calls):
        function()
    return (clock() - begin) / calls


def _calls_per_turn(contender, turn, clock):
    seconds = _seconds(contender.run, 1, clock)
    return min(max(math.ceil(turn / max(seconds, 1e-9)), 1), MOST_CALLS)


def _without_the_hopeless(racing, times, rivals):
    fastest = min((min(times[name]) for name in rivals), default=0.0)
    return [c for c in racing if c.name not in rivals or min(times[c.name]) <= HOPELESS * fastest]
