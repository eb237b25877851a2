"""Compile CUDA kernels for the CPU, with g++ and emulation.h, and call them."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

HEADER = Path(__file__).with_name("emulation.h")
FLAGS = ["-std=c++17", "-O1", "-g1", "-fPIC", "-shared", "-Wno-unknown-pragmas"]
FLAGS += ["-march=native", "-ffp-contract=fast", "-fexpensive-optimizations"]  # fuse products with sums
SANITIZER = ["-fsanitize=address", "-fno-omit-frame-pointer"]
KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\s*\([^;{]*?\)\s+)?(\w+)\s*\(")
DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+)?([\w ]+?)\s+(\w+)\s*\[\s*\]\s*;")
ROOM = 4096  # bytes of a message


def has_compiler():
    """Whether kernels can be run on the CPU here."""
    return shutil.which("g++") is not None


def is_sanitized():
    """Whether kernels are compiled with AddressSanitizer, which must then be loaded before Python:

    ``CUDA_ON_CPU_ASAN=1 ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$(g++ -print-file-name=libasan.so) pytest``
    """
    return os.environ.get("CUDA_ON_CPU_ASAN") == "1"


def for_cpu(source):
    """The text of a .cu file as emulation.h needs it."""
    text = DYNAMIC.sub(r"DYNAMIC_SHARED(\1, \2);", source)
    return text + "\n" + "\n".join(f"EMULATE({name})" for name in KERNEL.findall(source)) + "\n"


@functools.cache
def library(source, options):
    """The compiled kernels of a source, kept in the folder for temporary files from run to run."""
    flags = FLAGS + (SANITIZER if is_sanitized() else [])
    flags += [option for option in options if option.startswith(("-D", "-U", "-I"))]
    text = for_cpu(source)
    key = hashlib.sha256("\0".join([text, HEADER.read_text(), *flags]).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"minissd-cuda-on-cpu-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{key}.so"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / "kernels.so"
            compile_text(text, made, flags)
            os.replace(made, path)  # at once, because another process may look for it now
    return ctypes.CDLL(str(path))


def compile_text(text, target, flags):
    """Run the compiler on a text; raises RuntimeError with what it says."""
    source = target.with_suffix(".cpp")
    source.write_text(text)
    command = ["g++", *flags, "-DCUDA_ON_CPU", "-include", str(HEADER), str(source), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)


class Kernel:
    """A kernel that runs on the CPU: ``kernel(grid, block, arguments, shared_bytes)``."""

    def __init__(self, source, options, name):
        compiled = library(source, options)
        if not hasattr(compiled, f"launch_{name}"):
            raise RuntimeError(f"there is no kernel {name!r} in this source")
        self.name = name
        self._launch = getattr(compiled, f"launch_{name}")
        self._launch.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_size_t] + [ctypes.c_void_p] * 2
        self._launch.argtypes += [ctypes.c_size_t]
        text = ctypes.create_string_buffer(ROOM)
        getattr(compiled, f"describe_{name}")(text, ctypes.c_size_t(ROOM))
        self.parameters = text.value.decode().split()

    def __call__(self, grid, block, arguments, shared_bytes=0):
        """Run all blocks with NumPy scalars, and arrays or addresses for the pointers."""
        if len(arguments) != len(self.parameters):
            raise TypeError(f"{self.name} takes {len(self.parameters)} arguments, not {len(arguments)}")
        packed = [
            _packed(argument, parameter, f"{self.name}, argument {i}")
            for i, (argument, parameter) in enumerate(zip(arguments, self.parameters))
        ]
        addresses = (ctypes.c_void_p * len(packed))(*(p.ctypes.data for p in packed))
        sizes = [np.array([*side, 1, 1][:3], np.uint32) for side in (grid, block)]
        _check_launch(self.name, *sizes, shared_bytes)
        message = ctypes.create_string_buffer(ROOM)
        where = [size.ctypes.data for size in sizes]
        if self._launch(*where, shared_bytes, addresses, ctypes.addressof(message), ROOM):
            raise RuntimeError(f"{self.name}: {message.value.decode()}")


def _packed(argument, parameter, where):
    """A NumPy array of one element whose bytes are what the kernel receives."""
    kind = parameter.replace("*", "")
    if isinstance(argument, np.ndarray):
        given = f"*{argument.dtype.kind.replace('b', '?')}{argument.itemsize}"
        if parameter not in (given, "*v1") and not kind.startswith("V"):
            raise TypeError(f"{where}: an array of {argument.dtype} for a parameter of kind {parameter}")
        if not argument.flags.c_contiguous:
            raise TypeError(f"{where}: an array of shape {argument.shape} that is not contiguous")
        return np.array([argument.ctypes.data], np.uint64)
    if not isinstance(argument, np.generic):
        raise TypeError(f"{where}: {type(argument).__name__} (give NumPy scalars, whose size is known)")
    given = f"{argument.dtype.kind.replace('b', '?')}{argument.itemsize}"
    is_address = parameter.startswith("*") and given in ("i8", "u8")
    if given != parameter and not is_address and given != f"V{argument.itemsize}":
        raise TypeError(f"{where}: {argument.dtype} for a parameter of kind {parameter}")
    return np.array([argument])


def _check_launch(name, grid, block, shared_bytes):
    """The limits of every GPU since 2016."""
    if block.prod() > 1024 or block[2] > 64:
        raise RuntimeError(f"{name}: {block} threads in a block (1024 at most, 64 of them along z)")
    if min(grid.min(), block.min()) < 1 or grid[1:].max() > 65535:
        raise RuntimeError(f"{name}: a grid of {grid} (1 to 2^31 - 1 blocks along x, to 65535 along y and z)")
    if shared_bytes > 48 << 10:
        raise RuntimeError(f"{name}: {shared_bytes} bytes of shared memory (48 kB without asking for more)")
