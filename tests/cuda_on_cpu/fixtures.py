"""The fixture that gives a test a GPU which is not there."""

import pytest

from cuda_on_cpu import cupy_stand_in
from cuda_on_cpu.compiler import has_compiler


@pytest.fixture
def pretend_cuda(monkeypatch):
    """CuPy and its kernels played by the CPU: a `cuda_on_cpu.cupy_stand_in.StandIn`, or skip."""
    if not has_compiler():
        pytest.skip("needs g++, which runs the GPU's kernels on the CPU")
    return cupy_stand_in.install(monkeypatch)
