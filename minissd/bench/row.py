"""One row of the table: what was measured, how long it took, and who else was measured."""

from __future__ import annotations

from dataclasses import dataclass, field

from minissd.bench.device import FLOAT32
from minissd.bench.timing import Spread


@dataclass(frozen=True)
class Row:
    """What the table, the CSV file and the picture say of one piece of work.

    Attributes
    ----------
    group, name : str
    ours : Spread, optional
        Of our own program; None where it was not measured because results differ.
    peer : Spread, optional
        Of the best other program.
    peer_name : str
    unit : str
        ``"s"`` or ``"MB"``, of `ours` and `peer`.
    operations : int, optional
        Floating-point operations of the direct method, by the shapes alone.
    traffic : int, optional
        Bytes that must be read and written at least, by the shapes alone.
    precision : str
        Of matrix products, see `minissd.bench.device`.
    largest_error, tolerance : float, optional
        Of the results against those of the peers, see `minissd.bench.agreement`.
    medians : dict of str to float
        Of all contenders.
    note : str
    place : tuple of str, optional
        Where the picture shows it: panel, heading and label, instead of none, `group` and `name`.
    """

    group: str
    name: str
    ours: Spread | None = None
    peer: Spread | None = None
    peer_name: str = ""
    unit: str = "s"
    operations: int | None = None
    traffic: int | None = None
    precision: str = FLOAT32
    largest_error: float | None = None
    tolerance: float | None = None
    medians: dict[str, float] = field(default_factory=dict)
    note: str = ""
    place: tuple[str, str, str] | None = None

    @property
    def differs(self) -> bool:
        """Whether somebody's results are not the same as ours."""
        return self.largest_error is not None and not self.largest_error <= self.tolerance

    @property
    def ratio(self) -> float | None:
        """Median of the best peer over our own, above 1 where ours is better; None without a peer."""
        if self.differs or self.ours is None or self.peer is None or self.ours.median <= 0:
            return None
        return self.peer.median / self.ours.median

    @property
    def gflops(self) -> float | None:
        """Effective speed: 10^9 operations of the direct method per second, however few were really done."""
        return self._per_second(self.operations)

    @property
    def gbytes(self) -> float | None:
        """Effective speed of the memory: 10^9 bytes of the least traffic per second."""
        return self._per_second(self.traffic)

    def _per_second(self, amount):
        if amount is None or self.ours is None or self.ours.median <= 0:
            return None
        return amount / self.ours.median / 1e9
