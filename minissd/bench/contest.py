"""One row's contest: first everybody shows that the results agree, then everybody is timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from minissd.bench.agreement import largest_difference
from minissd.bench.device import PROCESSOR, Device
from minissd.bench.row import Row
from minissd.bench.timing import PROVING_ROUNDS, Contender, Plan, Spread, best_of, interleaved


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
    operations, traffic : int, optional
        See `minissd.bench.row.Row`.
    calls, pause : optional
        Instead of the plan's, see `minissd.bench.timing.Plan`.
    device : Device
        Where ours and the peers compute.
    references : dict of Device to Contender
        Our own program elsewhere: its results must agree too, and it is timed shortly, apart from the others.
    """

    ours: Contender
    peers: tuple[Contender, ...] | list[Contender] = ()
    tolerance: float = 0.0
    operations: int | None = None
    traffic: int | None = None
    calls: int | None = None
    pause: float | None = None
    device: Device = PROCESSOR
    references: Mapping[Device, Contender] = field(default_factory=dict)

    @classmethod
    def on(cls, device, ours, peers, tolerance=0.0, **options):
        """Build the contest on a device, where ``ours(device)`` makes our program for any device."""
        return cls(
            ours(device),
            peers,
            device.tolerance(tolerance),
            **options,
            device=device,
            references={other: ours(other) for other in device.references()},
        )


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


def hold(contest, work, plan, clock=None, sleep=time.sleep):
    """Compare the results of a contest's programs, then time them.

    Parameters
    ----------
    contest : Contest
    work : Work
        Which row it is.
    plan : Plan
    clock, sleep : optional
        See `minissd.bench.timing.interleaved`; by default the clock of the contest's device.

    Returns
    -------
    Row
        Without any time if somebody's results differ by more than the tolerance.
    """
    with contest.device.settings():
        error, culprit = _compare(contest)
        row = Row(
            work.group,
            work.name,
            largest_error=error,
            tolerance=contest.tolerance,
            precision=contest.device.precision,
        )
        if row.differs:
            problem = f"largest error {error:.2g} against {culprit}, tolerance {contest.tolerance:g}"
            return replace(row, note=f"results differ ({problem})")
        times = _race(contest, plan, clock or contest.device.clock(), sleep)
    spreads = {name: Spread.of(values) for name, values in times.items()}
    best = best_of({peer.name: times[peer.name] for peer in contest.peers})
    elsewhere = _time_references(contest, plan, sleep)
    return replace(
        row,
        ours=spreads[contest.ours.name],
        peer=spreads.get(best),
        peer_name=best or "",
        operations=contest.operations,
        traffic=contest.traffic,
        medians={name: spread.median for name, spread in (spreads | elsewhere).items()},
        note=", ".join(
            f"{spread.median / spreads[contest.ours.name].median:.3g} x as fast as {name}"
            for name, spread in elsewhere.items()
        ),
        place=work.place,
    )


def _race(contest, plan, clock, sleep):
    changes = {"calls": contest.calls, "pause": contest.pause}
    plan = replace(plan, **{field: value for field, value in changes.items() if value is not None})
    rivals = [peer.name for peer in contest.peers]
    return interleaved([contest.ours, *contest.peers], plan, clock, sleep, rivals)


def _time_references(contest, plan, sleep):
    """Each by the clock of its own device. They may be a hundred times slower: the others shall not wait."""
    plan, found = replace(plan, rounds=PROVING_ROUNDS), {}
    for device, contender in contest.references.items():
        with device.settings():
            (values,) = interleaved([contender], plan, device.clock(), sleep).values()
        found[device.reference_name] = Spread.of(values)
    return found


def _compare(contest):
    """The largest difference and whose it is, None without peers. It is also everybody's first call."""
    expected = contest.ours.arrays(contest.ours.run())
    if contest.ours.without:
        contest.ours.without()
    errors = {peer.name: largest_difference(expected, peer.arrays(peer.run())) for peer in contest.peers}
    for device, contender in contest.references.items():
        with device.settings():
            found = contender.arrays(contender.run())
        errors[device.reference_name] = largest_difference(expected, found)
    culprit = max(errors, key=errors.get, default=None)
    return errors.get(culprit), culprit
