"""What machine the numbers are from, and how fast its matrix product is."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import minissd
from minissd import backend
from minissd.bench import peers
from minissd.nn.threads import num_threads
from minissd.plural import counted

PRODUCT_SIDE = 2048
BUSY = 0.5  # programs that want a core, on average over the last minute
LIBRARIES = {"NumPy": "numpy", "Numba": "numba"}


def describe(device):
    """Say in one line which machine and which versions the numbers are from.

    Parameters
    ----------
    device : minissd.bench.device.Device
    """
    threads = num_threads()
    libraries = [f"{name} {metadata.version(package)}" for name, package in LIBRARIES.items()]
    return ", ".join(
        [
            *(gpu_names(device.name) if device.on_gpu else []),
            f"{cpu_name()} ({counted(threads, 'thread')})",
            platform.system(),
            f"Python {platform.python_version()}",
            *libraries,
            f"minissd {minissd.__version__}",
            *peers.versions(),
        ]
    )


def warnings():
    """Say what will make the numbers rough."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return [f"the machine is busy (load {load:.1f}): the numbers will be rough"] if load > BUSY else []


def gpu_names(name):
    """Name of a GPU, what it has, and the versions of what runs it."""
    cupy = backend.cuda()
    properties = cupy.cuda.runtime.getDeviceProperties(int(name.partition(":")[2]))
    versions = {"CUDA": cupy.cuda.runtime.runtimeGetVersion(), "driver": cupy.cuda.runtime.driverGetVersion()}
    return [
        f"{properties['name'].decode()} ({properties['multiProcessorCount']} multiprocessors, "
        f"{properties['totalGlobalMem'] / backend.GIB:.0f} GiB)",
        *(f"{what} {number // 1000}.{number % 1000 // 10}" for what, number in versions.items()),
        f"CuPy {cupy.__version__}",
    ]


def cpu_name(cpuinfo=Path("/proc/cpuinfo")):
    """Name of the processor; on Linux `platform` knows only its family, the kernel knows the name."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown processor"


def product_gflops(side=PRODUCT_SIDE, rounds=7, clock=time.perf_counter):
    """The machine's peak for comparison: its fastest float32 matrix product, in GFLOP/s.

    Parameters
    ----------
    side : int
        Of the square matrices.
    rounds : int
        The fastest of so many counts: this is what the processor can do.
    clock : callable

    Returns
    -------
    float
    """
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((side, side)).astype(np.float32) for _ in range(2))
    out = np.empty_like(a)
    seconds = []
    with threadpool_limits(num_threads(), user_api="blas"):
        for _ in range(rounds + 1):  # the first one wakes the threads
            begin = clock()
            np.matmul(a, b, out=out)
            seconds.append(clock() - begin)
    return 2 * side**3 / min(seconds[1:]) / 1e9
