"""Values as bytes: what is sent arrives, and nothing else gets in."""

import contextlib
import json
import struct
from collections import namedtuple
from dataclasses import dataclass
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minissd.assignments import wire
from minissd.assignments.wire import Given, Handle, WireError, decode, encode, read_frame, write_frame

Detections = namedtuple("Detections", "boxes_xyxy labels")
DTYPES = ["?", "i1", "u1", "<i2", "<i4", "<i8", ">i4", "<u8", "<f2", "<f4", "<f8", ">f8", "<c16"]

plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0))
)
values = st.recursive(
    plain | arrays,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=12,
)


def same(a, b):
    """Whether two values are equal in kind, dtype, shape and every bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b or a != a


@given(values)
def test_what_is_sent_arrives(value):
    assert same(decode(encode(value)), value)


@pytest.mark.parametrize(
    "value", [np.float32(0.1), np.float64(0.1), np.int8(-3), np.bool_(True), True, 2**70]
)
def test_scalars_keep_their_type(value):
    assert same(decode(encode(value)), value)


def test_arrays_of_every_layout_arrive_and_may_be_written_to():
    x = np.arange(24.0).reshape(2, 3, 4)
    for array in (x.T, x[:, ::2], np.broadcast_to(1.5, (3, 2)), x[:, :0]):
        arrived = decode(encode(array))
        np.testing.assert_array_equal(arrived, array)
        arrived += 1


def test_named_tuples_and_dataclasses_keep_their_fields():
    @dataclass
    class Priors:
        cxcywh: np.ndarray
        size: int = 300

    detections, priors = decode(encode([Detections([[0, 0, 2, 2]], (7,)), Priors(np.ones(4))]))
    assert detections == ([[0, 0, 2, 2]], (7,)) and detections.labels == (7,)
    assert isinstance(priors, SimpleNamespace) and priors.size == 300 and priors.cxcywh.sum() == 4


def test_references_are_revived_where_they_arrive():
    message = encode({"a": Handle(7, "Head"), "b": [Given("minissd.config", "TINY")]})
    assert decode(message) == {"a": Handle(7, "Head"), "b": [Given("minissd.config", "TINY")]}
    assert decode(message, lambda reference: type(reference).__name__) == {"a": "Handle", "b": ["Given"]}


def test_other_objects_become_handles_or_errors():
    things = []

    def refer(thing):
        things.append(thing)
        return Handle(len(things), type(thing).__name__)

    assert decode(encode((len, {1}, np.array([None])), refer)) == (
        Handle(1, "builtin_function_or_method"),
        Handle(2, "set"),
        Handle(3, "ndarray"),
    )
    with pytest.raises(WireError, match="type set"):
        encode([{1}])


def endless():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value, words",
    [
        (np.broadcast_to(0.0, (10**6, 10**6)), "too large"),
        ("x" * 2000, "too large"),
        ([0] * 300_000, "too large"),
        ([np.zeros(100), np.zeros(100)], "too large"),
        (endless(), "contains itself"),
        (10**5000, "digits"),
    ],
    ids=["broadcast array", "text", "list", "arrays together", "cycle", "number"],
)
def test_what_cannot_be_sent_is_refused(value, words, monkeypatch):
    monkeypatch.setattr(wire, "LARGEST", 1000)
    with pytest.raises(WireError, match=words):
        encode(value)


def message_of(tree, rest=b""):
    text = json.dumps(tree).encode()
    return struct.pack("<Q", len(text)) + text + rest


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"short",
        b"\xff" * 40,
        message_of(["eval", "1"]),
        message_of([]),
        message_of([[1]]),
        message_of({"a": 1}),
        message_of(["array", "|O", [1], 0], b"12345678"),
        message_of(["array", "<f8", [9], 0], b"12345678"),
        message_of(["array", "<f8", [-1], 0], b"12345678"),
        message_of(["array", "<f8", [1], -8], b"12345678"),
        message_of(["array", "<f8", [1], 4], b"12345678"),
        message_of(["array", "<f8", [2**40, 2**40], 0], b"12345678"),
        message_of(["array", "<f8", ["1"], 0], b"12345678"),
        message_of(["array", "<f3", [1], 0], b"12345678"),
        message_of(["array"]),
        message_of(["dict", [["list"], 1]]),
        message_of(["fields", [1, 1]]),
        message_of(["named", "no name", ["a"], 1]),
        message_of(["named", "Pair", ["a", "b"], 1]),
        message_of(["handle", "seven", "Head"]),
        struct.pack("<Q", 10**5) + b"[" * 10**5,
    ],
)
def test_nonsense_is_refused_and_does_nothing(message):
    with pytest.raises(WireError, match="not a message"):
        decode(message)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_refused(data):
    with contextlib.suppress(WireError):
        decode(struct.pack("<Q", len(data)) + data)


def test_frames_follow_each_other_in_a_pipe():
    pipe = BytesIO()
    write_frame(pipe, b"one")
    write_frame(pipe, b"")
    pipe.seek(0)
    assert [read_frame(pipe), read_frame(pipe)] == [b"one", b""]
    with pytest.raises(EOFError):
        read_frame(pipe)


def test_what_is_no_frame_is_refused(monkeypatch):
    with pytest.raises(WireError):
        read_frame(BytesIO(b"marks: 10 of 10\n" * 3))
    pipe = BytesIO()
    write_frame(pipe, b"four")
    with pytest.raises(EOFError):
        read_frame(BytesIO(pipe.getvalue()[:-1]))
    monkeypatch.setattr(wire, "LARGEST", 3 - wire.LARGEST_TREE)
    with pytest.raises(WireError):
        read_frame(BytesIO(pipe.getvalue()))
