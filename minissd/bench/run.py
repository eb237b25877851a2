"""The whole benchmark: row after row, and the files."""

from __future__ import annotations

import gc
from pathlib import Path

from tqdm import tqdm

from minissd.bench import machine, peers, report
from minissd.bench.timing import Plan
from minissd.bench.workloads import GROUPS, Setting
from minissd.files import writable_folder
from minissd.nn.threads import num_threads

QUICK = Plan(rounds=3, least_rounds=1, seconds=0.3, turn=0.02, pause=0.02)


def run(output, groups=None, setting=None, plan=None, progress=True):
    """Measure, print a line per row, and write ``bench.csv`` and the pictures.

    Parameters
    ----------
    output : str or Path
        Folder for the files; the CSV file is written anew after every row, so that nothing is lost.
    groups : sequence of str, optional
        Keys of `minissd.bench.workloads.GROUPS`; by default all.
    setting : Setting, optional
    plan : Plan, optional
    progress : bool
        Whether to show, on a terminal, how far it is.

    Returns
    -------
    list of minissd.bench.row.Row

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    output, plan = writable_folder(output), plan or Plan()
    peers.set_num_threads(num_threads())
    works = _works(groups or GROUPS, setting or Setting())
    about = machine.describe()
    for line in (about, *machine.warnings(), *_missing_peers(), report.HEADER):
        print(line)
    rows, peak, group = [], 0.0, None
    with tqdm(works, disable=None if progress else True, unit="row", leave=False) as bar:
        for work in bar:
            bar.set_description(work.name)
            if work.group != group:
                group = work.group
                peak = max(peak, machine.product_gflops())  # the machine may have been busy before
                bar.write(f"{group} (matrix product: {peak:.0f} GFLOP/s)")
            new = work.measure(work, plan)
            for row in new:
                bar.write(report.table_line(row, peak))
            rows += new
            report.write_csv(output / "bench.csv", rows, about, peak)
            gc.collect()  # a row may have held processes and much memory
    _draw(rows, about, output)
    return rows


def _missing_peers():
    if missing := peers.missing():
        yield f"no ratios against {', '.join(missing)}: not installed ({peers.INSTALL})"


def _works(groups, setting):
    return [work for group in GROUPS if group in groups for work in GROUPS[group](setting)]


def _draw(rows, about, output):
    from minissd import viz

    layers = [row for row in rows if row.group == "layers"]
    others = [row for row in rows if row.group != "layers"]
    for name, some in (("bench.png", others), ("layers.png", layers)):
        if any(row.ratio for row in some):
            viz.save(viz.draw_ratios(some, about), Path(output) / name)
