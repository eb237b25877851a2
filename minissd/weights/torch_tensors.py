"""What the pickle in a PyTorch file says about tensors: the words it uses, and what we make of them.

A tensor is a window on a *storage*, a flat row of numbers: an offset, a shape and strides, all counted in
numbers. The pickle holds these descriptions, the rows lie elsewhere in the file. Several tensors may share a
storage (a transposed matrix, tied weights), so nothing is read before all of them are known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minissd.weights.number_types import STORED, finished
from minissd.weights.opening import Refused, shown
from minissd.weights.pickle_machine import Name, key_of

STORAGES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
    "torch.storage.UntypedStorage": "uint8",
}

LARGEST = 1 << 40  # of a size, stride or offset: beyond any file, and safe to multiply with an item's bytes
MAX_DIMENSIONS = 32
MAX_KEY = 100


@dataclass(frozen=True)
class Storage:
    """A row of `count` numbers, which the file has under `key`."""

    key: str
    dtype: str
    count: int

    @property
    def nbytes(self):
        return self.count * STORED[self.dtype].itemsize


@dataclass(frozen=True)
class Window:
    """The part of a storage that tensors may look at: all of it, except in files of about 2017."""

    storage: Storage
    start: int
    count: int


@dataclass(frozen=True)
class Tensor:
    """A tensor that is known but not read. `offset` and `strides` count numbers, not bytes."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def nbytes(self):
        return math.prod(self.shape) * STORED[self.dtype].itemsize

    def array(self, row, alone):
        """The tensor as a C-contiguous array of its own.

        Parameters
        ----------
        row : (storage.nbytes,) uint8 ndarray
            The bytes of the storage.
        alone : bool
            That no other tensor needs `row`, which may then become the array without a copy.

        Returns
        -------
        ndarray

        Examples
        --------
        >>> turned = Tensor(Storage("0", "int8", 6), "int8", offset=0, shape=(3, 2), strides=(1, 3))
        >>> turned.array(np.arange(6, dtype=np.uint8), alone=True)
        array([[0, 3],
               [1, 4],
               [2, 5]], dtype=int8)
        """
        dtype = STORED[self.dtype]
        if 0 in self.shape:
            array = np.empty(self.shape, dtype)
        elif alone and self._covers(row):
            array = row.view(dtype).reshape(self.shape)
        else:
            array = self._view(row).copy()
        return finished(array, self.dtype)

    def _view(self, row):
        dtype = STORED[self.dtype]
        strides = [stride * dtype.itemsize for stride in self.strides]
        return np.ndarray(self.shape, dtype, row, self.offset * dtype.itemsize, strides)

    def _covers(self, row):
        return self.nbytes == row.nbytes and self._view(row).flags.c_contiguous


class Storages:
    """The storages that a pickle has mentioned, by key."""

    def __init__(self):
        self.by_key: dict[str, Storage] = {}

    def mention(self, description):
        """The `Window` for a persistent id: ("storage", type, key, location, count[, view])."""
        match description:
            case ("storage", Name(kind), str(key), _, int(count)):
                view = None
            case ("storage", Name(kind), str(key), _, int(count), view):
                pass
            case _:
                raise Refused("its pickle describes a storage in an unknown way")
        storage = _storage(key, kind, count)
        if self.by_key.setdefault(key, storage) != storage:
            raise Refused(f"its pickle describes the storage {shown(key)} in two ways")
        return _window(storage, view)


def _storage(key, kind, count):
    if kind not in STORAGES or len(key) > MAX_KEY or not 0 <= count <= LARGEST:
        raise Refused(f"its pickle describes storage {shown(key)} as of impossible type or size")
    return Storage(key, STORAGES[kind], count)


def _window(storage, view):
    match view:
        case None:
            return Window(storage, 0, storage.count)
        case (_, int(start), int(count)) if 0 <= start <= start + count <= storage.count and count >= 0:
            return Window(storage, start, count)
    raise Refused(f"its pickle describes a part of storage {shown(storage.key)} that is not in it")


def _tensor_v2(window, offset, shape, strides, requires_grad=False, hooks=None, metadata=None):
    return _tensor_v3(window, offset, shape, strides, requires_grad, hooks, None, metadata)


def _tensor_v3(window, offset, shape, strides, requires_grad, hooks, dtype, metadata=None):
    """What PyTorch's _rebuild_tensor_v3 is called for: a `Tensor`, all of whose numbers are in its window.

    `dtype` is None for that of the storage.
    """
    if not (isinstance(window, Window) and isinstance(dtype, Name | None)):
        raise Refused("its pickle makes a tensor of something that is not a storage")
    if metadata:
        raise Refused("holds a negated or conjugated view", "save tensor.clone() of each tensor")
    dtype = dtype.full.removeprefix("torch.") if dtype else window.storage.dtype
    if dtype not in STORED:
        raise Refused(f"its pickle makes a tensor of {shown(dtype)}, which is no type of numbers")
    _require_plain_numbers(offset, shape, strides)
    _require_inside(window, offset, shape, strides, STORED[dtype].itemsize)
    start = window.start * STORED[window.storage.dtype].itemsize // STORED[dtype].itemsize
    return Tensor(window.storage, dtype, start + offset, tuple(shape), tuple(strides))


def _require_plain_numbers(offset, shape, strides):
    if not (isinstance(shape, tuple | list) and isinstance(strides, tuple | list)):
        raise Refused("holds a tensor whose shape or strides are no list of numbers")
    if not len(shape) == len(strides) <= MAX_DIMENSIONS:
        raise Refused(f"holds a tensor of {len(shape)} dimensions with {len(strides)} strides")
    if not all(isinstance(n, int) and 0 <= n <= LARGEST for n in (offset, *shape, *strides)):
        raise Refused("holds a tensor with a negative or impossible offset, size or stride")


def _require_inside(window, offset, shape, strides, itemsize):
    room = window.count * STORED[window.storage.dtype].itemsize // itemsize
    where = f"holds a tensor of shape {shown(tuple(shape))} in a storage of {room} numbers"
    if 0 in shape:
        if math.prod(size or 1 for size in shape) > LARGEST:
            raise Refused(where)
        return
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
    if math.prod(shape) > room or last >= room:
        raise Refused(f"{where}, at {offset}...{last}", "save tensor.clone() of each tensor")


# What the words stand for. None of them may do work that grows with a value it is given, as a program can
# give the same value a million times.


def _as_given(value, *_):
    """Stand for a word that turns a value into a similar one, a list into a set: the value will do."""
    return value


def _ordered_dict(pairs=()):
    entries = {key_of(key): value for key, value in pairs}  # every dictionary keeps its order by now
    if pairs:
        pairs.clear()  # a list that Python 2 wrote for this call alone; a second call finds no work left
    return entries


def _beside(*_):
    """Stand for what is stored beside weights and is not needed: settings, a best score."""
    return {}


VOCABULARY = {
    "collections.OrderedDict": _ordered_dict,
    "collections.Counter": _as_given,
    "builtins.set": _as_given,
    "builtins.frozenset": _as_given,
    "__builtin__.set": _as_given,  # its name in Python 2, and in protocol 2
    "__builtin__.frozenset": _as_given,
    "_codecs.encode": _as_given,  # bytes in protocol 2
    **dict.fromkeys(STORAGES),
    **dict.fromkeys(f"torch.{name}" for name in STORED),
    "torch._utils._rebuild_tensor": _tensor_v2,
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _as_given,
    "torch._utils._rebuild_parameter_with_state": _as_given,
    "torch.Size": _as_given,
    "torch.device": _as_given,
    "argparse.Namespace": _beside,
    "numpy.dtype": _beside,
    "numpy.ndarray": None,
    "numpy.core.multiarray.scalar": _beside,
    "numpy._core.multiarray.scalar": _beside,
    "numpy.core.multiarray._reconstruct": _beside,
    "numpy._core.multiarray._reconstruct": _beside,
}
