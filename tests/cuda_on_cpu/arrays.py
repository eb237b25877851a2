"""Arrays that behave as CuPy's, with their numbers in NumPy's memory.

To the rest of the world they are not NumPy arrays: mixing them with one raises TypeError, and so does
``np.asarray`` of one. Whatever makes the processor wait for the GPU is counted in `WAITS`.
"""

from __future__ import annotations

import operator

import numpy as np

from cuda_on_cpu.memory import POOL
from cuda_on_cpu.refusals import refuse

WAITS = []  # what made the processor wait for the GPU, in order
UPLOADS = []  # shapes of the arrays that came from the processor's memory


def names(text):
    """The words of a table."""
    return text.split()


METHODS = names("""
    all any argmax argmin argpartition argsort choose clip conj copy cumprod cumsum diagonal dot flatten max
    mean min partition prod put ravel repeat reshape round sort squeeze std sum swapaxes take trace transpose
    var
""")
OPERATORS = names("add sub mul truediv floordiv mod pow matmul and or xor lshift rshift")
COMPARISONS = names("eq ne lt le gt ge")


class ndarray:
    """CuPy's array. `_host` is the NumPy array that holds the numbers."""

    __hash__ = None

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        array = np.empty(shape, dtype, order)
        spoil(array)
        self._hold(array)

    def _hold(self, array):
        if array.base is None:
            POOL.take(array)
        self._host = array

    # What it is made of
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    strides = property(lambda self: self._host.strides)
    T = property(lambda self: wrap(self._host.T))
    real = property(lambda self: wrap(self._host.real))
    base = property(lambda self: None if self._host.base is None else self)
    flags = property(lambda self: Flags(self._host))
    data = property(lambda self: MemoryPointer(self._host))
    device = property(lambda self: _device())

    @property
    def shape(self):
        return self._host.shape

    @shape.setter
    def shape(self, shape):
        self._host.shape = shape

    # Changing the type; to and from the processor's memory
    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        if casting is not None or subok is not None:
            raise TypeError("astype: casting and subok are not supported")
        result = self._host.astype(dtype, order=order, copy=copy)
        return self if result is self._host else wrap(result)

    def view(self, dtype=None):
        return wrap(self._host.view() if dtype is None else self._host.view(dtype))

    def fill(self, value):
        self._host.fill(unwrap(value))

    def get(self, stream=None, order="C", out=None, blocking=True):
        if blocking:
            WAITS.append("get")
        if out is None:
            return np.array(self._host, order=order)
        out[...] = self._host
        return out

    def set(self, arr, stream=None):
        if not isinstance(arr, np.ndarray) or arr.dtype != self.dtype:
            raise TypeError(f"only an array of NumPy's, of {self.dtype}, can be set")
        if arr.shape != self.shape or not self.flags.forc:
            raise ValueError(f"{arr.shape} cannot be set to {self.shape}, or not in one piece of memory")
        UPLOADS.append(arr.shape)
        self._host[...] = arr

    def item(self):
        WAITS.append("item")
        return self._host.item()

    def tolist(self):
        WAITS.append("tolist")
        return self._host.tolist()

    def nonzero(self):
        WAITS.append("nonzero")
        return wrap(self._host.nonzero())

    # Places
    def __getitem__(self, index):
        if _has_mask(index):
            WAITS.append("a mask as index")
        return wrap(self._host[_unwrap_index(index)])

    def __setitem__(self, index, value):
        if isinstance(value, (list, tuple)):
            raise TypeError("only an array on the GPU or a number can be put there")
        if _has_mask(index) and getattr(value, "ndim", 0):
            WAITS.append("a mask as index")
        self._host[_unwrap_index(index)] = unwrap(value)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    # What NumPy asks of others
    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def __array_function__(self, function, types, args, kwargs):
        raise TypeError(f"numpy.{function.__name__} of an array on the GPU (use the array's own module)")

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if method != "__call__":
            return NotImplemented
        return call(ufunc, inputs, kwargs)

    def __repr__(self):
        WAITS.append("repr")
        return repr(self._host)

    def __str__(self):
        WAITS.append("str")
        return str(self._host)

    def __format__(self, how):
        WAITS.append("format")
        return format(self._host, how)


ndarray.__module__ = "cupy"


class Flags:
    """Those of the array's flags that CuPy knows."""

    def __init__(self, array):
        self.c_contiguous, self.f_contiguous = array.flags.c_contiguous, array.flags.f_contiguous
        self.owndata, self.fnc, self.forc = array.flags.owndata, array.flags.fnc, array.flags.forc

    def __getitem__(self, name):
        return getattr(self, name.lower())


class MemoryPointer:
    """Where an array begins."""

    def __init__(self, array):
        self.ptr, self.mem, self.device_id = array.ctypes.data, array, 0

    def __int__(self):
        return self.ptr


def wrap(result):
    """NumPy's result as it would come from the GPU: scalars become arrays without axes."""
    if isinstance(result, (tuple, list)):
        return type(result)(wrap(r) for r in result)
    if isinstance(result, (np.ndarray, np.generic)):
        array = object.__new__(ndarray)
        array._hold(np.asarray(result))
        return array
    return result


def is_array(value):
    """Whether it is an array of the stand-in's."""
    return isinstance(value, ndarray)


def unwrap(value):
    """What NumPy needs in place of an argument; raises TypeError for an array of NumPy's."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: an array of NumPy's among those on the GPU")
    if isinstance(value, (tuple, list)):
        return type(value)(unwrap(v) for v in value)
    return value


def spoil(array):
    """Fill memory so that nobody takes it for zeros: NaN, or a large number."""
    array.reshape(-1).view(np.uint8)[...] = 0xFF if array.dtype.kind in "fc" else 0x55
    return array


def call(function, args, kwargs):
    """Call a function of NumPy's with what the arrays hold."""
    out = kwargs.get("out")
    out = out[0] if isinstance(out, tuple) else out
    kwargs = {name: unwrap(value) for name, value in kwargs.items()}
    result = function(*unwrap(tuple(args)), **kwargs)
    result = np.bool_(result) if isinstance(result, bool) else result  # of allclose: nobody has waited
    return wrap(result) if out is None else out


def _unwrap_index(index):
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(part, (np.ndarray, list)) for part in parts):
        raise TypeError("an index in the processor's memory for an array on the GPU")
    return unwrap(index)


def _has_mask(index):
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, ndarray) and part.dtype == bool for part in parts)


def _device():
    from cuda_on_cpu.gpu import Device

    return Device(0)


def _add_methods():
    def method(name):
        def called(self, *args, **kwargs):
            refuse(name, args, kwargs, is_array, is_method=True)
            return call(getattr(np.ndarray, name), (self, *args), kwargs)

        return called

    def converter(name, convert):
        def converted(self):
            WAITS.append(name)
            return convert(self._host)

        return converted

    def in_place(function):
        def changed(self, other):
            self._host = function(self._host, unwrap(other))
            return self

        return changed

    for name in METHODS:
        setattr(ndarray, name, method(name))
    for name in OPERATORS + [f"r{name}" for name in OPERATORS] + COMPARISONS:
        setattr(ndarray, f"__{name}__", method(f"__{name}__"))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(ndarray, f"__{name}__", method(f"__{name}__"))
    for name in OPERATORS:
        setattr(ndarray, f"__i{name}__", in_place(getattr(operator, f"i{name}")))
    for name, convert in (("float", float), ("int", int), ("bool", bool), ("index", operator.index)):
        setattr(ndarray, f"__{name}__", converter(name, convert))


_add_methods()
