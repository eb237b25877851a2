"""A process of its own that does one thing again and again: ``python -m minissd.bench.child``.

Memory can only be measured where nothing else was done before, and the number of threads is fixed when a
process starts. The first line of its input is a `Task` in JSON. It answers with the memory it has after its
imports; then, for every empty line, it does the work once and answers with the result and its peak memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

THREAD_VARIABLES = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Task:
    """What a child does.

    Attributes
    ----------
    engine : str
        ``"minissd"``, or a layout in `minissd.bench.torch_ssd.LAYOUTS`.
    work : str
        ``"forward"`` or ``"training"``.
    config : str
        A name in `minissd.config.CONFIGS`.
    batch_size : int
    blueprint, settings : dict, optional
        For PyTorch: the network (`minissd.bench.blueprint`) and fields of `minissd.settings.TrainSettings`.
    """

    engine: str
    work: str
    config: str
    batch_size: int
    blueprint: dict | None = None
    settings: dict | None = None


class Child:
    """The parent's end of a child process.

    Parameters
    ----------
    task : Task
    threads : int
        How many it may use.

    Attributes
    ----------
    megabytes_at_start : float
        Its memory after its imports.
    """

    def __init__(self, task, threads):
        limits = dict.fromkeys(THREAD_VARIABLES, str(threads))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "minissd.bench.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **limits},
        )
        self.megabytes_at_start = self._ask(json.dumps(asdict(task)))["megabytes"]

    def run(self):
        """Let it do its work once; returns ``{"value": ..., "megabytes": ...}``."""
        return self._ask("")

    def _ask(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that measures ended with code {self._process.wait()}")
        return json.loads(answer)

    def close(self):
        """End it."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def peak_megabytes(status=Path("/proc/self/status")):
    """Largest memory that this process ever held (resident set), in MB of 10^6 bytes.

    Linux's ``ru_maxrss`` begins with what the *parent* held when it started the process; the kernel's
    ``VmHWM`` does not.
    """
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def serve(lines, answer):
    """Do what the lines ask for.

    Parameters
    ----------
    lines : iterator of str
    answer : callable
        Receives a dictionary for every line.
    """
    task = Task(**json.loads(next(lines)))
    prepare = _import_minissd() if task.engine == "minissd" else _import_torch()
    answer({"megabytes": peak_megabytes()})
    run = prepare(task)
    for _ in lines:
        answer({"value": run(), "megabytes": peak_megabytes()})


def _import_minissd():
    from minissd.bench.workloads import network, training
    from minissd.config import CONFIGS
    from minissd.models import SSD

    def prepare(task):
        config = CONFIGS[task.config]
        images = network.random_images(config, task.batch_size)
        if task.work == "forward":
            model = SSD(config).eval()
            return lambda: float(abs(model.forward(images)[1]).mean())
        learner = training.Learner(config)
        targets = training.random_targets(learner.model, task.batch_size)
        return lambda: learner.step(images, *targets)

    return prepare


def _import_torch():
    from minissd.bench import torch_ssd

    return torch_ssd.prepare_step


def main():
    """Serve the parent over standard input and output."""
    serve(sys.stdin, lambda values: print(json.dumps(values), flush=True))


if __name__ == "__main__":
    main()
