"""What the tests of threads share: teams of any size, and scripts in a process of their own."""

import functools
import os
import subprocess
import sys
from pathlib import Path

from minissd.nn.fast import team as team_module

HERE = Path(__file__).parent

team_of = functools.cache(team_module.Team)
"""A team of so many threads; one of each size, because its threads live as long as the process."""


def use_team_of(count, monkeypatch):
    """Let the engine work with so many threads, whatever the machine has."""
    monkeypatch.setattr(team_module, "_team", team_of(count))


def run_script(code, *arguments, threads=None, seconds=120):
    """Run Python code in a process of its own that can import the helpers; raises where it fails."""
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    if threads is not None:
        environment["NUMBA_NUM_THREADS"] = str(threads)
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not done.stderr, done.stderr
    return done.stdout
