"""Spoil files in every way that comes to mind, and see that no reader does anything but read or refuse them.

    python tests/fuzz_readers.py --count 20000 --seed 0 --keep failures
    python tests/fuzz_readers.py --replay voc 123

Each file is a valid one with up to three `mutations`. Its reader must return or raise `InputError`. All else
is a failure: another exception, more than 10 seconds, more than 1 GiB of memory, a file that was written, a
process that was started, a connection, the end of the process itself. Reader and number make the same file
again. The reading is done in a process of its own, which is started again where a file has ended it.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path

from fuzz_subjects import READERS

from minissd.data.annotation import AnnotationWarning
from minissd.errors import InputError

SECONDS = 10  # for one file
MEMORY = 1 << 30  # bytes over what the process has before the first file
FORBIDDEN = ("os.", "subprocess.", "socket.connect", "socket.bind", "shutil.", "tempfile.", "ctypes.dlopen")
HARMLESS = ("os.listdir", "os.scandir", "os.walk", "os.fwalk")


def mutant(name, seed):
    """The spoiled file of a number, and the names of the mutations that made it."""
    reader, rng = READERS[name], random.Random(f"{name} {seed}")
    content, steps, wanted = rng.choice(reader.valid_files), [], rng.choice((1, 1, 1, 2, 3))
    while len(steps) < wanted:
        spoil = rng.choice(reader.mutations)
        with suppress(Exception):  # a file that is spoiled already may have no structure left to be spoiled
            content = spoil(content, rng, reader.valid_files)
            steps.append(spoil.__name__)
    return content, steps


# -- in the process that reads -----------------------------------------------------------------------------


class Forbidden(BaseException):
    """A reader did what none may do, or took too long; no reader may catch it."""


class Watch:
    """Tells what happens in a block besides reading: events of the interpreter, and new or changed files."""

    def __init__(self, folder):
        self.folder, self.armed, self.events = folder, False, []
        sys.addaudithook(self._hook)
        signal.signal(signal.SIGALRM, self._too_slow)

    def __enter__(self):
        self.events, self.before = [], self._files()
        self.armed = True
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        faulthandler.dump_traceback_later(SECONDS + 5, exit=True)  # where no Python code runs to be stopped
        return self

    def __exit__(self, *exception):
        self.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        changed = set(self._files().items()) ^ set(self.before.items())
        self.events += [f"file written: {path}" for path in sorted({path for path, _ in changed})]

    def _files(self):
        stats = {path: path.stat() for path in self.folder.rglob("*")}
        return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items() if path.is_file()}

    def _hook(self, event, details):
        if self.armed and _is_forbidden(event, details):
            self._stop(f"{event} {details!r:.100}")

    def _too_slow(self, signal_number, frame):
        if self.armed:
            self._stop(f"took more than {SECONDS} seconds")

    def _stop(self, reason):
        self.events.append(reason)
        raise Forbidden(reason)


def _is_forbidden(event, details):
    if event == "open":
        return bool((details[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
    return event.startswith(FORBIDDEN) and event not in HARMLESS


def judge(reader, content, folder, watch):
    """Give a file to its reader: ("loaded" or "refused" or "failed", why)."""
    path = folder / reader.file
    path.write_bytes(content)
    try:
        with watch:
            verdict = _attempt(reader, path)
    except BaseException:
        verdict = "failed", traceback.format_exc()
    return ("failed", "; ".join(watch.events)) if watch.events else verdict


def _attempt(reader, path):
    try:
        reader.read(path)
    except InputError as error:
        names_it = path.name in str(error)
        return ("refused", str(error)) if names_it else ("failed", f"names no file: {error}")
    return "loaded", ""


def work(names, count, seed, begin):
    """Read all files from number `begin` on, and print one line of JSON for each."""
    sys.dont_write_bytecode = True
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", AnnotationWarning)
    with tempfile.TemporaryDirectory() as temporary:
        folders = {name: Path(temporary) / name for name in names}
        watch = Watch(Path(temporary))
        prepare(folders, watch)
        limit_memory(MEMORY)
        for position in range(begin, len(names) * count):
            name, number = names[position // count], seed + position % count
            content, steps = mutant(name, number)
            verdict, why = judge(READERS[name], content, folders[name], watch)
            print(json.dumps([name, number, verdict, why, steps]), flush=True)


def prepare(folders, watch):
    """Make the readers' folders, go to an empty one, and read the valid files: what is imported on the way is
    then in memory."""
    for name, folder in folders.items():
        READERS[name].prepare(folder)
    (watch.folder / "empty").mkdir()
    os.chdir(watch.folder / "empty")
    for name, folder in folders.items():
        for content in READERS[name].valid_files:
            verdict, why = judge(READERS[name], content, folder, watch)
            assert verdict == "loaded", f"{name}: a valid file was not: {why}"


def limit_memory(more):
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))


# -- in the process that watches ---------------------------------------------------------------------------


def fuzz(names, count, seed=0, program=__file__):
    """Read `count` files for each reader; yield (name, seed, verdict, why, mutations) of each."""
    done, total = 0, len(names) * count
    while done < total:
        command = [sys.executable, program, "--work", *names, "--count", str(count), "--seed", str(seed)]
        command += ["--begin", str(done)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            lines, done_before = iter(process.stdout.readline, ""), done
            for line in lines:
                done += 1
                yield tuple(json.loads(line))
            last_words = process.stderr.read()
        if done < total:
            if done == done_before == 0 or process.returncode == 1:
                raise RuntimeError(f"the reading process could not begin or go on:\n{last_words}")
            name, number = names[done // count], seed + done % count
            yield name, number, "failed", f"ended its process ({process.returncode}):\n{last_words}", []
            done += 1


def keep_file(folder, name, number, why, steps):
    """Write a failure's file, and beside it what happened."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    suffix = Path(READERS[name].file).suffix
    (folder / f"{name}-{number}{suffix}").write_bytes(mutant(name, number)[0])
    (folder / f"{name}-{number}.txt").write_text(f"{', '.join(steps)}\n{why}\n")


def report(results, keep=None):
    """Print failures as they come and counts at the end; return the number of failures."""
    counts = defaultdict(Counter)
    for name, number, verdict, why, steps in results:
        counts[name][verdict] += 1
        if verdict == "failed":
            print(f"{name} {number} ({', '.join(steps)}): {why.strip().splitlines()[-1]}")
            if keep:
                keep_file(keep, name, number, why, steps)
    print(f"{'reader':18}{'loaded':>9}{'refused':>9}{'failed':>9}")
    for name, count in counts.items():
        print(f"{name:18}{count['loaded']:9}{count['refused']:9}{count['failed']:9}")
    return sum(count["failed"] for count in counts.values())


def replay(name, number):
    """Give one file to its reader, without a net."""
    content, steps = mutant(name, number)
    print(f"{name} {number}: {len(content)} bytes, {', '.join(steps)}")
    with tempfile.TemporaryDirectory() as folder:
        READERS[name].prepare(Path(folder))
        path = Path(folder) / READERS[name].file
        path.write_bytes(content)
        READERS[name].read(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="files for each reader")
    parser.add_argument("--seed", type=int, default=0, help="number of the first file")
    parser.add_argument("--readers", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--keep", metavar="FOLDER", help="where to keep the files of failures")
    parser.add_argument("--replay", nargs=2, metavar=("READER", "NUMBER"))
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--begin", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.replay:
        return replay(options.replay[0], int(options.replay[1]))
    if options.work:
        return work(options.work, options.count, options.seed, options.begin)
    return report(fuzz(options.readers, options.count, options.seed), options.keep) > 0


if __name__ == "__main__":
    sys.exit(main())
