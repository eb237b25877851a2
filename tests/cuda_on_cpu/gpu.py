"""``cupy.cuda`` and cuBLAS as far as they are used, played by the CPU, which has done everything at once."""

from __future__ import annotations

import ctypes
import itertools
import time
from types import ModuleType, SimpleNamespace

import numpy as np

from cuda_on_cpu.arrays import WAITS
from cuda_on_cpu.memory import POOL, TOTAL_MEMORY, OutOfMemoryError, Pool

PINNED_POOL = Pool()
_counter = itertools.count(1)
_current = []  # streams of the with statements


class Device:
    """A GPU; there is one, with number 0."""

    def __init__(self, device=None):
        self.id = 0 if device is None else int(device)
        if self.id != 0:
            raise runtime.CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    def __repr__(self):
        return f"<CUDA Device {self.id}>"

    def use(self):
        pass

    def synchronize(self):
        WAITS.append("Device.synchronize")

    compute_capability = "90"
    mem_info = property(lambda self: runtime.memGetInfo())
    attributes = property(lambda self: {"MultiProcessorCount": 132, "L2CacheSize": 50 << 20})


class Stream:
    """A queue of work."""

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.ptr = 0 if null else next(_counter)
        self.null = null

    def __enter__(self):
        _current.append(self)
        return self

    def __exit__(self, *error):
        _current.pop()

    def use(self):
        _current[:] = [self]
        return self

    def synchronize(self):
        WAITS.append("Stream.synchronize")

    def record(self, event=None):
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event):
        pass

    done = True


Stream.null = Stream(null=True)


class Event:
    """A mark in a stream."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.ptr, self._time = next(_counter), None

    def record(self, stream=None):
        self._time = time.perf_counter()

    def synchronize(self):
        WAITS.append("Event.synchronize")

    done = True


def alloc_pinned_memory(size):
    """Memory of the processor, to build arrays in with ``np.frombuffer(memory, dtype, count)``."""
    made = (ctypes.c_uint8 * size)()
    ctypes.memset(made, 0x55, size)
    return made


def get_elapsed_time(start_event, end_event):
    """Milliseconds."""
    return (end_event._time - start_event._time) * 1e3


def get_current_stream(device_id=-1):
    """The innermost stream of a with statement."""
    return _current[-1] if _current else Stream.null


class Runtime(ModuleType):
    """``cupy.cuda.runtime``."""

    CUDA_R_32F, CUDA_R_64F, CUDA_R_16F = 0, 1, 2
    memcpyHostToDevice, memcpyDeviceToHost, memcpyDeviceToDevice = 1, 2, 3

    class CUDARuntimeError(RuntimeError):
        """CuPy's."""

    @staticmethod
    def getDeviceCount():
        return 1

    @staticmethod
    def getDevice():
        return 0

    @staticmethod
    def setDevice(device):
        pass

    @staticmethod
    def getDeviceProperties(device):
        return {"name": b"A CPU", "multiProcessorCount": 132, "totalGlobalMem": TOTAL_MEMORY, "major": 9}

    @staticmethod
    def memGetInfo():
        return TOTAL_MEMORY - POOL.used_bytes(), TOTAL_MEMORY

    @staticmethod
    def deviceSynchronize():
        WAITS.append("deviceSynchronize")

    @staticmethod
    def runtimeGetVersion():
        return 13000

    @staticmethod
    def driverGetVersion():
        return 13000

    @staticmethod
    def memcpyAsync(dst, src, size, kind, stream):
        ctypes.memmove(int(dst), int(src), size)

    @staticmethod
    def memsetAsync(ptr, value, size, stream):
        ctypes.memset(int(ptr), value, size)


runtime = Runtime("cupy.cuda.runtime")


def gemmStridedBatchedEx(
    handle,
    transa,
    transb,
    m,
    n,
    k,
    alpha,
    A,
    Atype,
    lda,
    strideA,
    B,
    Btype,
    ldb,
    strideB,
    beta,
    C,
    Ctype,
    ldc,
    strideC,
    batchCount,
    computeType,
    algo,
):
    """``C = alpha op(A) op(B) + beta C`` for matrices whose columns are contiguous."""
    if min(m, n, k, batchCount) < 0 or lda < max(1, (k if transa else m)) or ldb < max(1, n if transb else k):
        raise ValueError("CUBLAS_STATUS_INVALID_VALUE")
    if ldc < max(1, m):
        raise ValueError("CUBLAS_STATUS_INVALID_VALUE")
    rounded = tf32 if computeType == CUBLAS["CUBLAS_COMPUTE_32F_FAST_TF32"] else np.asarray
    factor, keep = (np.ctypeslib.as_array(ctypes.cast(p, _FLOATS), (1,))[0] for p in (alpha, beta))
    for batch in range(batchCount):
        a = _matrix(A + 4 * batch * strideA, *((k, m) if transa else (m, k)), lda)
        b = _matrix(B + 4 * batch * strideB, *((n, k) if transb else (k, n)), ldb)
        c = _matrix(C + 4 * batch * strideC, m, n, ldc)
        if c.size:
            product = factor * (rounded(a.T if transa else a) @ rounded(b.T if transb else b))
            c[...] = product + keep * c if keep else product


def tf32(x):
    """Float32 numbers rounded to 10 bits behind the leading one, as tensor cores take them."""
    bits = np.ascontiguousarray(x).view(np.uint32)
    return ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


_FLOATS = ctypes.POINTER(ctypes.c_float)


def _matrix(address, rows, columns, step):
    """The float32 matrix at an address, `step` numbers from column to column."""
    if rows == 0 or columns == 0:
        return np.zeros((rows, columns), np.float32)
    count = (columns - 1) * step + rows
    numbers = np.ctypeslib.as_array(ctypes.cast(address, _FLOATS), (count,))
    return np.lib.stride_tricks.as_strided(numbers, (rows, columns), (4, 4 * step))


CUBLAS = {
    "gemmStridedBatchedEx": gemmStridedBatchedEx,
    "setMathMode": lambda handle, mode: None,
    "getMathMode": lambda handle: 0,
    "setStream": lambda handle, stream: None,
    "CUBLAS_OP_N": 0,
    "CUBLAS_OP_T": 1,
    "CUBLAS_COMPUTE_32F": 68,
    "CUBLAS_COMPUTE_32F_FAST_TF32": 77,
    "CUBLAS_GEMM_DEFAULT": -1,
}


def make():
    """The module ``cupy.cuda``."""
    cuda = ModuleType("cupy.cuda")
    cuda.device = SimpleNamespace(get_cublas_handle=lambda: 1, Device=Device)
    cuda.memory = SimpleNamespace(OutOfMemoryError=OutOfMemoryError, MemoryPool=Pool)
    cuda.stream = SimpleNamespace(Stream=Stream, Event=Event, get_current_stream=get_current_stream)
    cuda.runtime = runtime
    cuda.is_available = lambda: True
    for value in (Device, Stream, Event, alloc_pinned_memory, get_elapsed_time, get_current_stream):
        setattr(cuda, value.__name__, value)
    return cuda
