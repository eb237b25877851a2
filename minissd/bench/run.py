"""The whole benchmark: row after row, and the files."""

from __future__ import annotations

import gc
from pathlib import Path

from tqdm import tqdm

from minissd.bench import machine, peers, report, roofs
from minissd.bench.timing import Plan
from minissd.bench.workloads import GROUPS, ON_GPU, Setting
from minissd.errors import InputError
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
        Keys of `minissd.bench.workloads.GROUPS`; by default all that are measured on the device.
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
        If the folder cannot be written, or a group is not measured on the device.
    """
    setting, plan = setting or Setting(), plan or Plan()
    groups = _groups(groups, setting.device)
    output = writable_folder(output)
    peers.set_num_threads(num_threads())
    works = [work for group in groups for work in GROUPS[group](setting)]
    about = machine.describe(setting.device)
    for line in (about, *machine.warnings(), *_missing_peers(), report.HEADER):
        print(line)
    rows, limits, group = [], None, None
    with tqdm(works, disable=None if progress else True, unit="row", leave=False) as bar:
        for work in bar:
            bar.set_description(work.name)
            if work.group != group:
                group = work.group
                limits = roofs.measure(setting.device, limits)
                bar.write(f"{group} ({limits.text()})")
            new = work.measure(work, plan)
            for row in new:
                bar.write(report.table_line(row, limits))
            rows += new
            report.write_csv(output / "bench.csv", rows, about, limits)
            gc.collect()  # a row may have held processes and much memory
            setting.device.free_memory()
    _draw(rows, about, output)
    return rows


def _missing_peers():
    if missing := peers.missing():
        yield f"no ratios against {', '.join(missing)}: not installed ({peers.INSTALL})"


def _groups(asked, device):
    """The groups to measure, in their order."""
    known = ON_GPU if device.on_gpu else tuple(GROUPS)
    if unknown := [group for group in asked or () if group not in known]:
        fix = f"choose some of {', '.join(known)}"
        raise InputError(f"{unknown[0]}: is not measured on {device.name} ({fix})")
    return [group for group in known if group in (asked or known)]


def _draw(rows, about, output):
    from minissd import viz

    layers = [row for row in rows if row.group == "layers"]
    others = [row for row in rows if row.group != "layers"]
    for name, some in (("bench.png", others), ("layers.png", layers)):
        if any(row.ratio for row in some):
            viz.save(viz.draw_ratios(some, about), Path(output) / name)
