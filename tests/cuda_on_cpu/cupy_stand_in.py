"""A module that is CuPy to those who import it, and runs on the CPU.

`install` puts it where ``import cupy`` finds it. It has only names that CuPy has too, but far from all of
them: one that is missing has to be added to the tables below. A test asks a real CuPy for all.
"""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np

from cuda_on_cpu import gpu
from cuda_on_cpu.arrays import UPLOADS, WAITS, call, is_array, names, ndarray, spoil, unwrap, wrap
from cuda_on_cpu.memory import POOL
from cuda_on_cpu.refusals import refuse

# Functions with the same arguments as NumPy's.
FUNCTIONS = names("""
    abs absolute add all allclose amax amin any append arange arctan2 argmax argmin argpartition argsort
    array_equal around atleast_1d atleast_2d bincount bitwise_and bitwise_or bitwise_xor broadcast_arrays
    broadcast_to ceil clip concatenate cos cumprod cumsum diag diff digitize divide divmod dot dstack einsum
    equal exp expand_dims expm1 eye flip floor floor_divide fmax fmin full full_like greater greater_equal
    hstack identity invert isclose isfinite isin isinf isnan left_shift less less_equal lexsort linspace log
    log10 log1p log2 logical_and logical_not logical_or logical_xor matmul max maximum mean meshgrid min
    minimum mod moveaxis multiply nan_to_num nansum negative not_equal ones ones_like outer pad partition
    power prod ravel reciprocal remainder repeat reshape right_shift rint roll round searchsorted sign sin
    sort split sqrt square squeeze stack std subtract sum swapaxes take take_along_axis tensordot tile
    count_nonzero transpose tri tril triu true_divide trunc var vstack where zeros zeros_like
""")
WAITING = names("argwhere flatnonzero nonzero unique")  # their result's size is known to the GPU only
CONSTANTS = names("""
    bool_ complex64 dtype e finfo float16 float32 float64 generic iinfo inf int8 int16 int32 int64 integer
    intp issubdtype nan newaxis number pi promote_types result_type uint8 uint16 uint32 uint64
""")


class RawModule:
    """CuPy's, with the kernels of its source compiled for the CPU."""

    def __init__(
        self,
        code=None,
        *,
        path=None,
        options=(),
        backend="nvrtc",
        translate_cucomplex=False,
        enable_cooperative_groups=False,
        name_expressions=None,
        jitify=False,
    ):
        if not isinstance(options, tuple):
            raise TypeError("options: a tuple is wanted")
        self.code, self.options = code, options

    def compile(self, log_stream=None):
        pass

    def get_function(self, name):
        return RawKernel(self.code, name, self.options)


class RawKernel:
    """CuPy's; its arguments' types must be those that the kernel declares."""

    def __init__(self, code, name, options=(), backend="nvrtc"):
        from cuda_on_cpu.compiler import Kernel

        self.name, self._kernel = name, Kernel(code, tuple(options), name)
        self.max_dynamic_shared_size_bytes = 48 << 10

    def __call__(self, grid, block, args, *, shared_mem=0, stream=None):
        if not (isinstance(grid, tuple) and isinstance(block, tuple)):
            raise TypeError("grid and block must be tuples")
        arguments = [a._host if isinstance(a, ndarray) else _refuse_host_array(a) for a in args]
        self._kernel(grid, block, arguments, shared_mem)


def _refuse_host_array(argument):
    if isinstance(argument, np.ndarray):
        raise TypeError("an array in the processor's memory for a kernel")
    return argument


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    """Copy an array, of either kind, or numbers."""
    if isinstance(obj, ndarray):
        return wrap(np.array(obj._host, dtype, copy=copy, order=order, ndmin=ndmin))
    if isinstance(obj, (list, tuple)) and any(map(is_array, obj)):
        if not all(map(is_array, obj)):
            raise TypeError("arrays on the GPU among numbers that are not")
        return wrap(np.array(unwrap(obj), dtype, ndmin=ndmin))
    made = np.array(obj, dtype, order=order, ndmin=ndmin)
    UPLOADS.append(made.shape)
    return wrap(made)


def asarray(a, dtype=None, order=None, *, blocking=False):
    """The array itself where it is on the GPU, else a copy there."""
    if isinstance(a, ndarray):
        return a if dtype in (None, a.dtype) else a.astype(dtype)
    return array(a, dtype, order=order or "K")


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    """A copy in the processor's memory."""
    if isinstance(a, ndarray):
        return a.get(stream, order, out, blocking)
    return np.asarray(a)


def ascontiguousarray(a, dtype=None):
    """The array itself where it is contiguous, else a copy that is."""
    if not is_array(a):
        raise TypeError("ascontiguousarray: only of an array on the GPU")
    a = asarray(a, dtype)
    return a if a.ndim and a.flags.c_contiguous else wrap(np.ascontiguousarray(a._host))


def empty(shape, dtype=float, order="C"):
    """An array full of NaN, which CuPy's may be."""
    return ndarray(shape, dtype, order=order)


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    """`empty` with the shape and type of another."""
    return wrap(spoil_any(np.empty_like(prototype._host, dtype, order, shape=shape)))


def spoil_any(made):
    """`spoil` for arrays in any order of memory."""
    spoiled = spoil(np.empty(1, made.dtype))[0]
    made[...] = spoiled
    return made


def from_numpy(name, waits=False):
    """A function of NumPy's for the arrays of the stand-in."""

    def function(*args, **kwargs):
        if waits or (name == "where" and len(args) == 1):
            WAITS.append(name)
        refuse(name, args, kwargs, is_array)
        return call(getattr(np, name), args, kwargs)

    function.__name__ = name
    return function


def make():
    """The module."""
    cupy = ModuleType("cupy")
    cupy.__version__ = "14.0.0"
    own = (ndarray, RawModule, RawKernel, array, asarray, asnumpy, ascontiguousarray, empty, empty_like)
    for value in own:
        setattr(cupy, value.__name__, value)
    for name in FUNCTIONS + WAITING:
        setattr(cupy, name, from_numpy(name, name in WAITING))
    for name in CONSTANTS:
        setattr(cupy, name, getattr(np, name))
    cupy.fuse = lambda *args, **kwargs: args[0] if args else (lambda function: function)
    cupy.get_array_module = lambda *args: cupy if any(isinstance(a, ndarray) for a in args) else np
    cupy.get_default_memory_pool = lambda: POOL
    cupy.get_default_pinned_memory_pool = lambda: gpu.PINNED_POOL
    cupy.cuda = gpu.make()
    return cupy


def modules():
    """What has to be in sys.modules, by name."""
    cupy = make()
    cublas = ModuleType("cupy_backends.cuda.libs.cublas")
    vars(cublas).update(gpu.CUBLAS)
    found = {"cupy": cupy, "cupy.cuda": cupy.cuda, "cupy_backends.cuda.libs.cublas": cublas}
    for name in ("device", "memory", "runtime", "stream"):
        found[f"cupy.cuda.{name}"] = getattr(cupy.cuda, name)
    for name in ("cupy_backends", "cupy_backends.cuda", "cupy_backends.cuda.libs"):
        found[name] = ModuleType(name)
    found["cupy_backends"].cuda = found["cupy_backends.cuda"]
    found["cupy_backends.cuda"].libs = found["cupy_backends.cuda.libs"]
    found["cupy_backends.cuda.libs"].cublas = cublas
    return found


class StandIn:
    """What the fixture `pretend_cuda` gives to a test.

    Attributes
    ----------
    cupy : module
        The stand-in, which ``import cupy`` finds as long as the test runs.
    synchronisations : int
        How often the processor had to wait for the GPU since `reset`; `reasons` says why.
    uploads : list of tuple
        Shapes of the arrays that were copied to the GPU.
    """

    def __init__(self):
        self.cupy = sys.modules["cupy"]
        self.reset()

    reasons = property(lambda self: list(WAITS))
    synchronisations = property(lambda self: len(WAITS))
    uploads = property(lambda self: list(UPLOADS))

    def reset(self):
        """Begin to count again."""
        WAITS.clear()
        UPLOADS.clear()


def install(monkeypatch):
    """Put the stand-in where ``import cupy`` finds it, for the time of a test."""
    for name, module in modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    POOL.set_limit(size=0)
    return StandIn()
