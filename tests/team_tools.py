"""What the tests of threads share: teams of any size, and scripts in a process of their own."""

import functools
import os
import subprocess
import sys

from minissd.nn.fast.team import Team

team_of = functools.cache(Team)
"""A team of so many threads; one of each size, because its threads live as long as the process."""


def run_script(code, *arguments, threads=None, seconds=120):
    """Run Python code in a process of its own that can import what this one can; raises where it fails."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if threads is not None:
        environment["NUMBA_NUM_THREADS"] = str(threads)
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not done.stderr, done.stderr
    return done.stdout
