"""The table: on the console as each row is done, and as a CSV file."""

from __future__ import annotations

import csv

from minissd.files import written_whole

COLUMNS = (
    "group",
    "name",
    "unit",
    "ours",
    "ours_first_quartile",
    "ours_third_quartile",
    "peer_name",
    "peer",
    "peer_first_quartile",
    "peer_third_quartile",
    "rounds",
    "ratio",
    "gflops",
    "share_of_matrix_product",
    "gbytes_per_second",
    "share_of_copy",
    "precision",
    "largest_error",
    "tolerance",
    "medians",
    "note",
    "machine",
)
FIELDS = (  # of a row, which the file holds as they are
    *("group", "name", "unit", "peer_name", "ratio", "gflops", "precision"),
    *("largest_error", "tolerance", "note"),
)
NAME_WIDTH, PEER_WIDTH = 52, 26
HEADER = (
    f"{'':{NAME_WIDTH}} {'minissd':>9} {'':5}  {'best peer':>9} {'':5} {'':{PEER_WIDTH}} "
    f"{'ratio':>6} {'GFLOP/s':>8} {'of sgemm':>8} {'GB/s':>6} {'of copy':>8}"
)
NOTHING = "-"


def table_line(row, roofs):
    """One line of the console's table.

    Parameters
    ----------
    row : minissd.bench.row.Row
    roofs : minissd.bench.roofs.Roofs
        Of the device.

    Returns
    -------
    str
    """
    name = f"  {row.name}"
    if row.differs:
        return f"{name:{NAME_WIDTH}} {row.note}"
    columns = (
        f"{name:{NAME_WIDTH}} {_measured(row.ours, row.unit)}  {_measured(row.peer, row.unit)} "
        f"{row.peer_name:{PEER_WIDTH}} {_number(row.ratio, '.2f'):>6} {_number(row.gflops, '.0f'):>8} "
        f"{_number(_share(row.gflops, roofs.gflops.get(row.precision)), '.0%'):>8} "
        f"{_number(row.gbytes, '.0f'):>6} {_number(_share(row.gbytes, roofs.gbytes), '.0%'):>8}"
    )
    return f"{columns}  {row.note}".rstrip()


def write_csv(path, rows, machine, roofs):
    """Write all rows as a CSV file with the columns `COLUMNS`; what is not known is left empty.

    Parameters
    ----------
    path : str or Path
    rows : sequence of Row
    machine : str
        Repeated in every row, so that rows of several machines can be put together.
    roofs : minissd.bench.roofs.Roofs
    """
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow(_values(row, roofs) | {"machine": machine})


def _values(row, roofs):
    values = {field: getattr(row, field) for field in FIELDS}
    values["share_of_matrix_product"] = _share(row.gflops, roofs.gflops.get(row.precision))
    values["gbytes_per_second"] = row.gbytes
    values["share_of_copy"] = _share(row.gbytes, roofs.gbytes)
    values["medians"] = "; ".join(f"{name} {value:.6g}" for name, value in row.medians.items())
    for side in ("ours", "peer"):
        if spread := getattr(row, side):
            values[side] = spread.median
            values[f"{side}_first_quartile"] = spread.first_quartile
            values[f"{side}_third_quartile"] = spread.third_quartile
    values["rounds"] = row.ours.rounds if row.ours else 0
    return {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in values.items()}


def _measured(spread, unit):
    if spread is None:
        return f"{NOTHING:>9} {'':5}"
    spread_text = f"±{spread.relative:.0%}" if spread.rounds > 1 else ""
    return f"{amount(spread.median, unit):>9} {spread_text:5}"


def amount(value, unit):
    """A number with a unit that makes it easy to read.

    Examples
    --------
    >>> amount(0.01234, "s"), amount(1.5, "s"), amount(2e-5, "s"), amount(1234.5, "MB")
    ('12.3 ms', '1.5 s', '20 µs', '1234 MB')
    """
    if unit != "s":
        return f"{value:.0f} {unit}"
    for factor, name in ((1, "s"), (1e3, "ms")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {name}"
    return f"{value * 1e6:.3g} µs"


def _share(value, roof):
    return None if value is None or roof is None else value / roof


def _number(value, form):
    return NOTHING if value is None else format(value, form)
