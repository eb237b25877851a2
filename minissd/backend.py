"""NumPy or CuPy: on which device an array lies, and how it gets to the other one.

Arrays carry the backend; there is no global switch. ``model.to("cuda")`` sends the parameters to the GPU, and
from there every array that is computed with them is CuPy's. A function that works on both begins with
``xp = get_array_module(x)``. This is the only file that imports CuPy, and only when a GPU is asked for.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from minissd.errors import InputError, input_error

CPU, CUDA = "cpu", "cuda"
DEVICE = re.compile(r"cuda(?::(\d+))?")  # cuda, cuda:1
FULL = re.compile(r"[Oo]ut of memory|ALLOC_FAILED")  # in the messages of CuPy, CUDA and cuBLAS
ASKED = re.compile(r"allocating ([\d,]+) bytes")
GIB = 1 << 30

_tf32 = ContextVar("tf32", default=False)


def get_array_module(array):
    """Return the module (NumPy or CuPy) whose functions work on `array`.

    Examples
    --------
    >>> get_array_module(np.zeros(3)).__name__
    'numpy'
    """
    return sys.modules["cupy"] if is_cuda(array) else np  # an array of CuPy's exists: CuPy is loaded


def is_cuda(array):
    """Whether an array is CuPy's, that is, lies in the memory of a GPU.

    Examples
    --------
    >>> is_cuda(np.zeros(3))
    False
    """
    return type(array).__module__.partition(".")[0] == "cupy"


def device_of(array):
    """Name of the device that an array lies on: ``"cpu"``, ``"cuda:0"``, ``"cuda:1"``...

    Examples
    --------
    >>> device_of(np.zeros(3))
    'cpu'
    """
    return f"{CUDA}:{array.device.id}" if is_cuda(array) else CPU


def cuda():
    """Return CuPy.

    Raises
    ------
    InputError
        If CuPy is not installed or cannot be loaded, or if there is no GPU or no driver for it.
    """
    try:
        import cupy
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError)
        problem = "needs CuPy, which is not installed" if missing else f"CuPy cannot be loaded: {error}"
        fix = "pip install 'minissd[cuda13]' for a driver of CUDA 13, 'minissd[cuda12]' for CUDA 12"
        raise input_error("device cuda", problem, fix) from error
    if not cupy.cuda.is_available():
        raise input_error("device cuda", "no GPU, or no driver, is found", "see nvidia-smi, or use cpu")
    return cupy


def check_device(name):
    """Return the full name of a device that is there.

    Parameters
    ----------
    name : str
        ``"cpu"``, ``"cuda"`` (the first GPU) or ``"cuda:1"`` (the second).

    Returns
    -------
    str
        ``"cpu"`` or ``"cuda:0"``, ``"cuda:1"``...

    Raises
    ------
    InputError
        If the name is no device's, there are fewer GPUs, or as `cuda`.

    Examples
    --------
    >>> check_device("cpu")
    'cpu'
    """
    if name == CPU:
        return CPU
    asked = DEVICE.fullmatch(name)
    if asked is None:
        raise InputError(f"device: {name!r} is unknown (choose one of cpu, cuda, cuda:0, cuda:1, ...)")
    number, known = int(asked[1] or 0), cuda().cuda.runtime.getDeviceCount()
    if number >= known:
        raise InputError(f"device: {name} is not there (known: cpu, {', '.join(_names(known))})")
    return f"{CUDA}:{number}"


def use(device):
    """Make a GPU the current one of the thread, on which CuPy computes; returns CuPy."""
    number = int(check_device(device).partition(":")[2])
    cupy = cuda()
    cupy.cuda.Device(number).use()
    return cupy


def to_device(array, device):
    """Return an array in the memory of a device: the array itself where it is there already.

    The copy to a GPU is only ordered here, not waited for. A GPU that something is sent to becomes the
    current one, see `use`.

    Parameters
    ----------
    array : ndarray
        NumPy's or CuPy's.
    device : str
        As for `check_device`.
    """
    device = check_device(device)
    if device == CPU:
        return to_cpu(array)
    cupy = use(device)
    return array if device_of(array) == device else cupy.array(array)


def to_cpu(array):
    """Return NumPy's copy of an array, once the GPU has computed it; NumPy's own array as it is."""
    return array.get() if is_cuda(array) else array


# -- memory ------------------------------------------------------------------------------------------------


def limit_memory(gib=None):
    """Let CuPy take so much memory (in GiB) of the current GPU and no more; None is no limit."""
    cuda().get_default_memory_pool().set_limit(size=int((gib or 0) * GIB))


def free_memory():
    """Give the memory that CuPy keeps for new arrays back to the GPU, for other programs."""
    cupy = cuda()
    cupy.get_default_memory_pool().free_all_blocks()
    cupy.get_default_pinned_memory_pool().free_all_blocks()


@contextmanager
def out_of_memory(batch_size):
    """Within this block a GPU that is full raises a `MemoryError` that says what to do.

    Parameters
    ----------
    batch_size : int
        Of the work inside, for the message.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not (type(error).__module__.startswith("cupy") and FULL.search(str(error))):
            raise
        asked = ASKED.search(str(error))
        size = f"{int(asked[1].replace(',', '')) / GIB:.2f} GiB" if asked else "memory"
        fix = f"take {batch_size // 2}" if batch_size > 1 else "take a smaller model"
        problem = f"the GPU has no room for {size} more, with {batch_size} pictures in a batch ({fix})"
        raise MemoryError(problem) from error


def _names(count):
    return [f"{CUDA}:{number}" for number in range(count)]


# -- precision ---------------------------------------------------------------------------------------------


@contextmanager
def tf32(allowed=True):
    """Within this block the GPU may round the factors of matrix products to 10 bits (TF32), for speed.

    Examples
    --------
    >>> with tf32():
    ...     tf32_is_allowed()
    True
    >>> tf32_is_allowed()
    False
    """
    token = _tf32.set(allowed)
    try:
        yield
    finally:
        _tf32.reset(token)


def tf32_is_allowed():
    """Whether matrix products on the GPU may be in TF32; see `tf32`."""
    return _tf32.get()
