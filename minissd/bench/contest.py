"""One row's contest: first everybody shows that the results agree, then everybody is timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from minissd.bench.agreement import largest_difference
from minissd.bench.row import Row
from minissd.bench.timing import Contender, Plan, Spread, best_of, interleaved


@dataclass(frozen=True)
class Contest:
    """Our program and those of the peers, ready to run.

    Attributes
    ----------
    ours : Contender
    peers : sequence of Contender
        Those that are installed; the best one counts.
    tolerance : float
        How far the results may be apart, see `minissd.bench.agreement`.
    operations : int, optional
        See `minissd.bench.row.Row`.
    calls, pause : optional
        Instead of the plan's, see `minissd.bench.timing.Plan`.
    """

    ours: Contender
    peers: tuple[Contender, ...] | list[Contender] = ()
    tolerance: float = 0.0
    operations: int | None = None
    calls: int | None = None
    pause: float | None = None


@dataclass(frozen=True)
class Work:
    """A piece of work that can be measured.

    Attributes
    ----------
    group, name : str
    measure : callable
        ``measure(work, plan)`` makes what is needed, measures it and returns a list of `Row`.
    place : tuple of str, optional
        See `minissd.bench.row.Row`.
    """

    group: str
    name: str
    measure: Callable[[Work, Plan], list[Row]]
    place: tuple[str, str, str] | None = None


def against_peers(prepare):
    """Make the `measure` of a `Work` from a function that builds its `Contest`.

    Nothing is built before the row's turn comes, and all of it is let go of afterwards.
    """

    def measure(work, plan):
        return [hold(prepare(), work, plan)]

    return measure


def hold(contest, work, plan, clock=time.perf_counter, sleep=time.sleep):
    """Compare the results of a contest's programs, then time them.

    Parameters
    ----------
    contest : Contest
    work : Work
        Which row it is.
    plan : Plan
    clock, sleep
        See `minissd.bench.timing.interleaved`.

    Returns
    -------
    Row
        Without any time if somebody's results differ by more than the tolerance.
    """
    error, culprit = _compare(contest)
    if error is not None and not error <= contest.tolerance:
        problem = f"largest error {error:.2g} against {culprit}, tolerance {contest.tolerance:g}"
        return Row(
            work.group,
            work.name,
            largest_error=error,
            tolerance=contest.tolerance,
            note=f"results differ ({problem})",
        )
    changes = {"calls": contest.calls, "pause": contest.pause}
    plan = replace(plan, **{field: value for field, value in changes.items() if value is not None})
    rivals = [peer.name for peer in contest.peers]
    times = interleaved([contest.ours, *contest.peers], plan, clock, sleep, rivals)
    spreads = {contender: Spread.of(values) for contender, values in times.items()}
    best = best_of({name: times[name] for name in rivals})
    return Row(
        work.group,
        work.name,
        ours=spreads[contest.ours.name],
        peer=spreads.get(best),
        peer_name=best or "",
        operations=contest.operations,
        largest_error=error,
        tolerance=contest.tolerance,
        medians={contender: spread.median for contender, spread in spreads.items()},
        place=work.place,
    )


def _compare(contest):
    """The largest difference and whose it is, None without peers. It is also everybody's first call."""
    expected = contest.ours.arrays(contest.ours.run())
    if contest.ours.without:
        contest.ours.without()
    errors = {}
    for peer in contest.peers:
        errors[peer.name] = largest_difference(expected, peer.arrays(peer.run()))
    culprit = max(errors, key=errors.get, default=None)
    return errors.get(culprit), culprit
