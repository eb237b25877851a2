"""Fixtures that every test file may use."""

from pathlib import Path

import hypothesis
import numpy as np
import pytest
from team_tools import team_of

from minissd.nn.fast import team

# The first call of a kernel compiles it, which takes longer than any deadline.
hypothesis.settings.register_profile("minissd", deadline=None)
hypothesis.settings.load_profile("minissd")

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture
def rng():
    """A random generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture
def use_threads(monkeypatch):
    """A function that gives the engine so many threads, whatever the machine has."""
    return lambda count: monkeypatch.setattr(team, "_team", team_of(count))


@pytest.fixture
def shared_numbers():
    """A function that opens a file of ../shared/reference/numbers, or skips the test."""

    def open_numbers(name):
        path = SHARED / "reference" / "numbers" / f"{name}.npz"
        if not path.is_file():
            pytest.skip(f"needs the reference numbers {path.name} in ../shared/reference/numbers")
        return np.load(path, allow_pickle=False)

    return open_numbers


@pytest.fixture
def bccd():
    """The folder of blood cell photographs in ../shared, or skip."""
    path = SHARED / "data" / "bccd"
    if not path.is_dir():
        pytest.skip("needs the photographs in ../shared/data/bccd")
    return path
