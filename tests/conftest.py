"""Fixtures that every test file may use."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # before NumPy is imported: each process has one of the cores
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from pathlib import Path

import hypothesis
import numpy as np
import pytest
from backends import BACKENDS, CudaBackend, NumPyBackend, why_no_gpu
from cuda_on_cpu.fixtures import pretend_cuda  # noqa: F401 (a fixture)
from predictions import detect, dtype, precision  # noqa: F401 (fixtures)
from team_tools import team_of

from minissd.nn.fast import team

# The first call of a kernel compiles it, which takes longer than any deadline.
hypothesis.settings.register_profile("minissd", deadline=None)
hypothesis.settings.load_profile("minissd")

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared"


def pytest_configure(config):
    """Explain the project's marks."""
    for mark in (
        "gpu: needs a GPU; -m gpu runs only these",
        "sent(*names): names of the module that the fixture `backend` sends to the backend",
        "large: too large for a GPU that the CPU plays",
    ):
        config.addinivalue_line("markers", mark)


def pytest_collection_modifyitems(config, items):
    """Leave out what is too large, and, where there is no GPU, what needs one: one skip speaks for all."""
    needy = [item for item in items if item.get_closest_marker("gpu")]
    left_out = {item for item in items if item.get_closest_marker("large") and "pretend" in item.name}
    reason = why_no_gpu() if needy else None
    if reason:
        needy[0].add_marker(pytest.mark.skip(reason=f"{reason}; nor do {len(needy) - 1} other tests run"))
        left_out |= set(needy[1:])
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(params=BACKENDS)
def backend(request, monkeypatch):
    """Where to compute: `backends.NumPyBackend` or `backends.CudaBackend`; see `backends.every_backend`."""
    if request.param == "pretend":
        request.getfixturevalue("pretend_cuda")
    backend = NumPyBackend() if request.param == "numpy" else CudaBackend()
    for mark in request.node.iter_markers("sent"):
        for name in mark.args:
            monkeypatch.setattr(request.module, name, backend.of(getattr(request.module, name)))
    return backend


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
