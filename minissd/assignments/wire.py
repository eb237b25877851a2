"""Values as bytes: how the marker and a worker talk.

Nothing but plain data travels, and it is checked when it arrives, so what a submission sends can be wrong or
nonsense but never does anything. (A pickle would run whatever code its sender likes.)

A message is a tree of lists in JSON, followed by the raw bytes of its arrays. Numbers, strings and None stand
for themselves; everything else is a list that begins with its kind: ``["tuple", 1, ["list", 2, 3]]``.

The worker loads this file by its path, before it loads anything else, so it needs NumPy alone.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import struct
from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

LARGEST = 256 << 20  # bytes of the values of one message
LARGEST_TREE = 64 << 20  # and of the JSON around them
MOST_VALUES = 250_000  # of one message; an array is one
_LENGTH = struct.Struct("<Q")
_FRAME = struct.Struct("<8sQ")
_MARK = b"minissd\n"  # anything else on the pipe was not sent by us
_DTYPE = re.compile(r"[<>|=]?[biufc]\d{1,2}")


class WireError(Exception):
    """A value that cannot travel, or bytes that are no message."""


@dataclass(frozen=True)
class Handle:
    """An object that stays where it is; who asks about it names it by its number.

    Attributes
    ----------
    id : int
    type_name : str
        Its class, for messages.
    """

    id: int
    type_name: str


@dataclass(frozen=True)
class Given:
    """A name of one of the given modules, such as ``Given("minissd.config", "TINY")``."""

    module: str
    name: str


def encode(value, refer=None):
    """Write a value as bytes.

    Parameters
    ----------
    value : object
        None, bool, int, float, str, tuples, named tuples, lists, dictionaries, dataclass instances, NumPy
        scalars and arrays of numbers or bool, `Handle`, `Given`, and any of them within any other.
    refer : callable, optional
        Takes any other object and returns a `Handle` for it. Without it such an object is an error.

    Returns
    -------
    bytes

    Raises
    ------
    WireError
        If it is too large, nested without end, or no such value.

    Examples
    --------
    >>> decode(encode({"side": 2, "boxes": (1.5, None)}))
    {'side': 2, 'boxes': (1.5, None)}
    """
    writer = _Writer(refer)
    try:
        tree = json.dumps(writer.node(value)).encode()
    except RecursionError:
        raise WireError("it is nested too deeply, or contains itself") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise WireError(str(error)) from error
    return b"".join([_LENGTH.pack(len(tree)), tree, *writer.buffers])


def decode(message, revive=None):
    """Read a value that `encode` wrote.

    Parameters
    ----------
    message : bytes
    revive : callable, optional
        Takes each `Handle` and `Given` and returns what shall stand in its place.

    Returns
    -------
    object
        As it was, except that a dataclass instance arrives as a `types.SimpleNamespace` and a named tuple as
        one of a class made here. Arrays are new and may be written to.

    Raises
    ------
    WireError
        If the bytes are no such message.
    """
    try:
        (length,) = _LENGTH.unpack_from(message)
        start = _LENGTH.size + length
        tree = json.loads(bytes(message[_LENGTH.size : start]))
        return _Reader(memoryview(message)[start:], revive).value(tree)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error) as error:
        raise WireError(f"not a message: {error}") from error
    except RecursionError:
        raise WireError("not a message: nested too deeply") from None


def write_frame(stream, message):
    """Write a message to a pipe, preceded by a mark and its length."""
    stream.write(_FRAME.pack(_MARK, len(message)))
    stream.write(message)
    stream.flush()


def read_frame(stream):
    """Read a message from a pipe.

    Raises
    ------
    EOFError
        If the pipe ends.
    WireError
        If something else comes, or it announces more bytes than a message has.
    """
    mark, length = _FRAME.unpack(_exactly(stream, _FRAME.size))
    if mark != _MARK or length > LARGEST + LARGEST_TREE:
        raise WireError("not a message")
    return _exactly(stream, length)


def _exactly(stream, count):
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


class _Writer:
    """Makes the tree of one message and collects the bytes of its arrays."""

    def __init__(self, refer):
        self.buffers = []
        self._refer = refer
        self._room = LARGEST
        self._values = MOST_VALUES
        self._position = 0

    def node(self, value):
        self._count(value)
        for types, write in _WRITERS:
            if isinstance(value, types):
                return write(self, value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self.fields(
                {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            )
        return self.other(value)

    def _count(self, value):
        self._values -= 1
        self._room -= len(value) if isinstance(value, str) else 1
        inside = len(value) if isinstance(value, list | tuple | dict) else 0
        if self._values < inside or self._room < 0:
            raise WireError("it is too large")

    def itself(self, value):
        return value

    def array(self, value):
        array = np.asarray(value)
        if array.dtype.kind not in "biufc":
            return self.other(value)
        self._room -= array.nbytes
        if self._room < 0:
            raise WireError(f"it is too large: an array with shape {array.shape}")
        self.buffers.append(array.tobytes())
        self._position += array.nbytes
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return [kind, array.dtype.str, list(array.shape), self._position - array.nbytes]

    def tuple(self, value):
        nodes = [self.node(item) for item in value]
        names = getattr(value, "_fields", None)
        return ["tuple", *nodes] if names is None else ["named", type(value).__name__, list(names), *nodes]

    def list(self, value):
        return ["list", *(self.node(item) for item in value)]

    def dict(self, value):
        return ["dict", *([self.node(key), self.node(item)] for key, item in value.items())]

    def namespace(self, value):
        return self.fields(vars(value))

    def fields(self, values):
        return ["fields", *([name, self.node(value)] for name, value in values.items())]

    def handle(self, value):
        return ["handle", value.id, value.type_name]

    def given(self, value):
        return ["given", value.module, value.name]

    def other(self, value):
        if self._refer is None:
            raise WireError(f"an object of type {type(value).__name__} cannot travel")
        return self.handle(self._refer(value))


_WRITERS = (  # NumPy's first: np.float64 is a float too
    ((np.ndarray, np.number, np.bool_), _Writer.array),
    ((type(None), bool, int, float, str), _Writer.itself),
    (tuple, _Writer.tuple),
    (list, _Writer.list),
    (dict, _Writer.dict),
    (SimpleNamespace, _Writer.namespace),
    (Handle, _Writer.handle),
    (Given, _Writer.given),
)


class _Reader:
    """Makes the values of one message from its tree; each method reads what one of `_Writer` writes."""

    def __init__(self, buffer, revive):
        self._buffer = buffer
        self._revive = revive or (lambda reference: reference)

    def value(self, node):
        if isinstance(node, dict):
            raise WireError("not a message: an object of JSON")
        if not isinstance(node, list):
            return node
        kind, *content = node
        return _READERS[kind](self, *content)

    def array(self, dtype, shape, position):
        if not _DTYPE.fullmatch(dtype) or any(type(side) is not int or side < 0 for side in shape):
            raise WireError(f"not a message: an array of {dtype!r} with shape {shape}")
        count = math.prod(shape)
        if count == 0:
            return np.empty(shape, dtype)
        return np.frombuffer(self._buffer, dtype, count, position).reshape(shape).copy()

    def scalar(self, *description):
        return self.array(*description)[()]

    def tuple(self, *nodes):
        return tuple(self.value(node) for node in nodes)

    def named(self, type_name, names, *nodes):
        return namedtuple(type_name, names, rename=True)(*self.tuple(*nodes))

    def list(self, *nodes):
        return [self.value(node) for node in nodes]

    def dict(self, *pairs):
        return {self.value(key): self.value(item) for key, item in pairs}

    def fields(self, *pairs):
        return SimpleNamespace(**self.dict(*pairs))

    def handle(self, number, type_name):
        return self._revive(Handle(int(number), str(type_name)))

    def given(self, module, name):
        return self._revive(Given(str(module), str(name)))


_READERS = {
    "array": _Reader.array,
    "scalar": _Reader.scalar,
    "tuple": _Reader.tuple,
    "named": _Reader.named,
    "list": _Reader.list,
    "dict": _Reader.dict,
    "fields": _Reader.fields,
    "handle": _Reader.handle,
    "given": _Reader.given,
}
