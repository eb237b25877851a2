"""Everything that needs a GPU, in one go: ``python tests/on_gpu.py --output DIR``.

For a machine with a GPU and CuPy, where minissd need not be installed: it runs in the repository's folder
with ``PYTHONPATH=.``. It runs the suite's GPU tests, the kernels' tests under compute-sanitizer, the checks
of `gpu_checks`, the benchmark and, with ``--train FOLDER``, a training run. Each part is a process of its own
and has a time limit. The report, ``report.md``, is written anew before and after each of them, so it is whole
whatever happens. It ends with 1 if something failed, with 2 if there is no GPU.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from backends import why_no_gpu

REPOSITORY = Path(__file__).parents[1]
NO_GPU = 2
RESERVE = 15  # seconds for the report
LEAST = 20  # seconds that a part is begun with

# What the benchmark must show at least, as ratios to PyTorch.
GOALS = {
    "SSD300 forward, batch 8": 1.3,
    "SSD300 forward, batch 32": 1.3,
    "SSD300 training step, batch 32": 1.2,
    "SSD300 forward, batch 32, TF32": 0.7,
    "decode and NMS, batch 32": 3.0,
}


@dataclass
class Part:
    """One process.

    Attributes
    ----------
    name, title : str
    command : list of str, or None
        None where it cannot be run; `note` says why.
    seconds : float
        At the most.
    summary : callable
        Makes the Markdown of the report from the log and the output folder.
    state : str
        What has become of it.
    """

    name: str
    title: str
    command: list[str] | None
    seconds: float
    summary: Callable[[str, Path], str]
    note: str = ""
    state: str = "not begun"
    took: float = 0.0
    log: str = field(default="", repr=False)

    @property
    def failed(self):
        return self.state not in ("ok", "not begun") and not self.state.startswith("left out")


# -- the parts -----------------------------------------------------------------------------------------------


def all_parts(output, options):
    """The parts in their order: what is quick and tells most comes first."""
    python = [sys.executable, "-u"]
    checks = [*python, "tests/gpu_checks.py"]
    # What warns is told, but fails no test: libraries newer than this program may call some of it old.
    pytest = ["-m", "gpu", "-q", "--tb=short", "-W", "default", "-p", "xdist", "-p", "no:cacheprovider"]
    pytest += ["--continue-on-collection-errors"]

    def check(name, title, seconds):
        command = [*checks, name, "--csv", str(output / f"{name}.csv")]
        return Part(name, title, command, seconds, lambda log, _: table_in(log))

    def bench(name, groups, per_row):
        where = output / name
        command = [*python, "-m", "minissd", "bench", "--device", "cuda", "--only", *groups]
        command += ["--seconds-per-row", per_row, "--output", str(where)]
        return Part(name, f"Benchmark: {', '.join(groups)}", command, 560, speed_tables)

    def tests(name, title, seconds, *paths):
        command = [*python, "-m", "pytest", *pytest, "-n", str(options.processes), *paths]
        return Part(name, title, command, seconds, tail)

    yield check("ragged", "Convolutions of sizes that fill no tile", 120)
    yield tests("kernels", "The tests of the kernels", 300, "tests/cuda")
    yield check("agreement", "The GPU and the CPU compute the same", 400)
    yield bench("speed", ("network", "training", "boxes"), "3")
    yield tests("tests", "The other GPU tests", 560, "tests", "--ignore=tests/cuda")
    yield check("memory", "Out of memory", 120)
    yield check("large", "Arrays over 4 GiB", 300)
    yield from (sanitizer_part(tool, pytest) for tool in ("memcheck", "racecheck"))
    yield bench("layers", ("layers",), "0.6")
    yield training_part(output, options)


def sanitizer_part(tool, pytest):
    """The kernels' tests under a tool of compute-sanitizer; without CuPy's pool, which hides mistakes."""
    program = find_sanitizer()
    code = (
        "import sys, cupy, pytest; cupy.cuda.set_allocator(None); "
        f"sys.exit(pytest.main({[*pytest, '-n', '0', 'tests/cuda']!r}))"
    )
    command = [program, "--tool", tool, "--error-exitcode", "9", sys.executable, "-u", "-c", code]
    note = "" if program else "compute-sanitizer is not found"
    return Part(tool, f"compute-sanitizer {tool}", command if program else None, 560, sanitizer_lines, note)


def find_sanitizer():
    """Where compute-sanitizer is, or None."""
    places = [Path("/usr/local/cuda/bin"), *sorted(Path("/usr/local").glob("cuda-*/bin"), reverse=True)]
    places += [place.with_name("compute-sanitizer") for place in places]
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)])
    return shutil.which("compute-sanitizer", path=path)


def training_part(output, options):
    """A training run on a folder in VOC format."""
    title = f"SSD300 learns from {options.train}" if options.train else "A training run"
    command = [sys.executable, "-u", "-m", "minissd", "train", "--device", "cuda", "--model", "ssd300"]
    command += ["--data", str(options.train), "--output", str(output / "run"), "--quiet"]
    command += ["--steps", str(options.steps), "--batch-size", str(options.batch_size)]
    command += ["--evaluate-every", str(max(1, options.steps // 4)), "--checkpoint-every", "0"]
    command += options.train_options.split()
    note = "" if options.train else "no --train FOLDER was given"
    return Part("train", title, command if options.train else None, 590, tail, note)


# -- running -------------------------------------------------------------------------------------------------


def run_part(part, output, seconds):
    """Run a part for no longer than `seconds`; what it prints goes to its log file."""
    begin, path = time.monotonic(), output / f"{part.name}.log"
    paths = [str(REPOSITORY), str(REPOSITORY / "tests"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the machine may have any
    with path.open("wb") as log:
        process = subprocess.Popen(
            part.command, cwd=REPOSITORY, env=environment, stdout=log, stderr=subprocess.STDOUT, **OWN_GROUP
        )
        try:
            code = process.wait(seconds)
            part.state = "ok" if code == 0 else f"failed with code {code}"
        except subprocess.TimeoutExpired:
            part.state = f"cut off after {seconds:.0f} s"
        finally:
            end(process)
    part.took, part.log = time.monotonic() - begin, path.read_text(encoding="utf-8", errors="replace")


OWN_GROUP = {"start_new_session": True} if os.name == "posix" else {}


def end(process):
    """End a process and those that it started."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):  # a GPU that hangs may hold it for ever
        process.wait(10)


def run_all(parts, output, about, minutes, report=None):
    """Run the parts one after the other as long as there is time; returns whether all went well."""
    deadline = time.monotonic() + 60 * minutes - RESERVE
    report = report or write_report
    for part in parts:
        left = min(part.seconds, deadline - time.monotonic())
        if part.command is None or left < LEAST:
            part.state = f"left out: {part.note or 'no time was left'}"
            continue
        part.state = "running, or ended with the machine"
        report(output, parts, about)
        print(f"{part.title} ...", flush=True)
        try:
            run_part(part, output, left)
        except Exception as error:  # the others may do
            part.state = f"failed: {type(error).__name__}: {error}"
        print(f"  {part.state}, {part.took:.0f} s", flush=True)
        report(output, parts, about)
    report(output, parts, about)
    return not any(part.failed for part in parts)


# -- the report ----------------------------------------------------------------------------------------------


def write_report(output, parts, about):
    """Write ``report.md`` from what there is."""
    lines = ["# minissd on a GPU", "", about, "", attempt(lambda: "\n".join(goals(output / "speed")))]
    lines += ["", "| part | state | seconds |"]
    lines += ["|---|---|---|", *(f"| {p.title} | {p.state} | {p.took:.0f} |" for p in parts)]
    for part in parts:
        if part.log:
            lines += ["", f"## {part.title}", "", f"{part.state}, {part.took:.0f} s", ""]
            lines.append(attempt(lambda part=part: part.summary(part.log, output / part.name)))
            if part.failed and part.summary is not tail:
                lines += ["", "The end of its log:", "", tail(part.log)]
    temporary = output / "report.md.new"
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    temporary.replace(output / "report.md")


def attempt(text_of):
    """A text, or what went wrong: a file that is cut off must not cost the report."""
    try:
        return text_of()
    except Exception as error:
        return f"({type(error).__name__}: {error})"


def goals(folder):
    """The table of what shall be reached."""
    rows = {row["name"]: row for row in rows_of(folder / "bench.csv")}
    yield from ("| work | at least, against PyTorch | measured | reached |", "|---|---|---|---|")
    for name, least in GOALS.items():
        row = rows.get(name, {})
        ratio, note = row.get("ratio"), row.get("note") or "not measured"
        measured = f"{float(ratio):.2f} ({row['peer_name']})" if ratio else note
        reached = ("yes" if float(ratio) >= least else "**no**") if ratio else "**no**"
        yield f"| {name} | {least} | {measured} | {reached} |"


def speed_tables(log, folder):
    """The rows of a benchmark, and the roofs that its log names."""
    roofs = sorted(set(re.findall(r"\((matrix product: .*)\)", log)))
    columns = "ours peer_name peer ratio gflops share_of_matrix_product gbytes_per_second share_of_copy"
    columns = [*columns.split(), "largest_error", "tolerance", "note"]
    lines = [*roofs, "", f"| row | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for row in rows_of(folder / "bench.csv"):
        lines.append(f"| {row['name']} | {' | '.join(row[column] for column in columns)} |")
    return "\n".join(lines)


def rows_of(path):
    """Rows of a CSV file, none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table_in(log):
    """The lines of a Markdown table in a log."""
    return "\n".join(line for line in log.splitlines() if line.startswith("|"))


def sanitizer_lines(log, _):
    """What compute-sanitizer sums up, the first of what it found, and what the tests say."""
    found = [line for line in log.splitlines() if line.startswith("=========")]
    summary = [line for line in found if "SUMMARY" in line]
    return "\n".join(["```", *found[:40], *summary, "```", "", tail(log, lines=15)])


def tail(log, _=None, lines=60):
    """The last lines of a log."""
    return "\n".join(["```", *log.replace("```", "'''").splitlines()[-lines:], "```"])


def describe():
    """The machine and the versions."""
    from minissd.bench import machine
    from minissd.bench.device import Device

    return machine.describe(Device("cuda:0"))


# -- the command ---------------------------------------------------------------------------------------------


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="DIR", help="folder of the report, logs and tables")
    add("--parts", nargs="+", metavar="PART", help="only these, in this order")
    add("--minutes", type=float, default=9.5, help="time for all of it (default: 9.5)")
    add("--processes", type=int, default=8, metavar="N", help="of the suite (default: 8)")
    add("--train", type=Path, metavar="FOLDER", help="folder in VOC format to train SSD300 on")
    add("--steps", type=int, default=1000, help="of the training run (default: 1000)")
    add("--batch-size", type=int, default=16, help="of the training run (default: 16)")
    add("--train-options", default="", metavar="WORDS", help="further options of minissd train, in one word")
    options = parser.parse_args(arguments)
    options.output = options.output.resolve()
    options.train = options.train and options.train.resolve()
    return options


def main(arguments=None):
    options = parse(arguments)
    if reason := why_no_gpu():
        print(reason, file=sys.stderr)
        return NO_GPU
    options.output.mkdir(parents=True, exist_ok=True)
    parts = {part.name: part for part in all_parts(options.output, options)}
    if unknown := set(options.parts or ()) - parts.keys():
        print(f"--parts: {', '.join(sorted(unknown))}: choose some of {', '.join(parts)}", file=sys.stderr)
        return NO_GPU
    chosen = [parts[name] for name in options.parts or parts]
    return 0 if run_all(chosen, options.output, attempt(describe), options.minutes) else 1


if __name__ == "__main__":
    sys.exit(main())
