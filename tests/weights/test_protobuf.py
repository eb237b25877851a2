"""The wire format of protocol buffers, byte by byte."""

import struct

import numpy as np
import pytest
from caffe_writer import content, number, packed, unpacked, varint
from hypothesis import given
from hypothesis import strategies as st
from memory_limit import less_memory_than

from minissd.weights import protobuf
from minissd.weights.opening import Refused
from minissd.weights.protobuf import FIXED32, FIXED64, Message, read_varint

FIELDS = {"name": 1, "values": 5, "doubles": 8, "inner": 7}


def message(*fields):
    return Message(memoryview(b"".join(fields)), FIELDS, "the message")


@pytest.mark.parametrize(
    ("content", "value"),
    [  # the first two are the examples of the format's own description
        (b"\x01", 1),
        (b"\x96\x01", 150),
        (b"\x80\x00", 0),  # longer than need be, and allowed
        (b"\xff" * 9 + b"\x01", 2**64 - 1),
    ],
)
def test_varints_worked_by_hand(content, value):
    assert read_varint(content, 0) == (value, len(content))


@given(st.integers(0, 2**64 - 1))
def test_varints_come_back(value):
    assert read_varint(b"\x00" + varint(value) + b"\x05", 1) == (value, 1 + len(varint(value)))


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"\xff" * 9, b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x01"]
)
def test_a_varint_must_end_within_64_bits(content):
    with pytest.raises(ValueError, match="longer than 64 bits"):
        read_varint(content, 0)


def test_negative_numbers_are_twos_complements():
    assert message(number(1, -5), number(1, 7)).integers("name", most=2) == [-5, 7]


def test_of_several_values_the_last_counts_and_unknown_fields_are_skipped():
    found = message(content(1, "old"), number(99, 3), content(98, b"\xff"), content(1, "new"), number(97, 1))
    assert found.text("name") == "new"
    assert found.last("name") == b"new"


def test_a_missing_field_is_empty():
    found = message()
    assert found.text("name") == ""
    assert found.last("name") is None
    assert "name" not in found
    assert list(found.messages("inner", FIELDS)) == found.integers("name", most=1) == []
    assert found.floats("values", FIXED32).shape == (0,)


def test_a_text_that_is_not_utf8_is_still_readable():
    assert message(content(1, b"conv\xff")).text("name") == "conv\\xff"


@pytest.mark.parametrize(("format", "name", "field"), [("f", "values", 5), ("d", "doubles", 8)])
def test_floats_are_the_same_packed_unpacked_or_mixed(format, name, field):
    wire_type, dtype = {"f": (FIXED32, np.float32), "d": (FIXED64, np.float64)}[format]
    numbers = np.random.default_rng(0).standard_normal(5000).astype(dtype)
    first, rest = numbers[:40], numbers[40:]
    for fields in (
        [packed(field, format, numbers)],
        [unpacked(field, format, numbers)],
        [content(1, "x"), unpacked(field, format, first), number(99, 4), unpacked(field, format, rest)],
        [unpacked(field, format, first), packed(field, format, rest)],
    ):
        found = message(*fields).floats(name, wire_type)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, numbers)


@given(st.integers(1, 200), st.integers(0, 40))
def test_a_run_of_unpacked_numbers_ends_where_the_tag_changes(length, others):
    fields = [unpacked(5, "f", range(length)), unpacked(6, "f", range(others)), unpacked(5, "f", [-1])]
    found = message(*fields).floats("values", FIXED32)
    np.testing.assert_array_equal(found, [*range(length), -1])


def test_floats_in_one_piece_are_views():
    plain = memoryview(packed(5, "f", range(100)))
    apart = memoryview(unpacked(5, "f", range(100)))
    for content_ in (plain, apart):
        found = Message(content_, FIELDS, "it").floats("values", FIXED32)
        assert np.shares_memory(found, np.frombuffer(content_, np.uint8))


def test_unpacked_numbers_take_no_memory_of_their_own():
    whole = memoryview(np.tile(np.frombuffer(unpacked(5, "f", [1.5]), np.uint8), 1_000_000).tobytes())
    with less_memory_than(2_000_000):
        found = Message(whole, FIELDS, "it").floats("values", FIXED32)
    assert found.shape == (1_000_000,)
    assert (found == 1.5).all()


@pytest.mark.parametrize(
    ("fields", "message_text"),
    [
        ([number(1, 5), b"\x0b"], "byte 2 begins field 1 of wire type 3, which cannot be"),  # a group
        ([b"\x0c"], "field 1 of wire type 4"),  # its end
        ([b"\x0e"], "field 1 of wire type 6"),
        ([b"\x02\x00"], "field 0 of wire type 2"),
        ([varint(8 << 29) + b"\x00"], f"field {2**29} of wire type 0"),
        ([b"\x0a\x05abcd"], "5 bytes are announced at byte 2, 4 are there"),
        ([b"\x0a" + varint(2**63) + b"abcd"], f"{2**63} bytes are announced"),
        ([b"\x2d\x00\x00\x00"], "the number at byte 1 is cut off"),
        ([b"\x41" + bytes(7)], "the number at byte 1 is cut off"),
        ([number(1, 5) * 100_001], "more than 100000 fields"),
    ],
)
def test_what_is_no_row_of_fields_is_refused(fields, message_text):
    with pytest.raises(Refused, match="the message is damaged: .*" + message_text):
        message(*fields)


@pytest.mark.parametrize(
    ("fields", "ask", "message_text"),
    [
        ([number(1, 5)], lambda m: m.text("name"), "name is a varint instead of bytes"),
        ([number(7, 5)], lambda m: list(m.messages("inner", FIELDS)), "inner is a varint instead of bytes"),
        (
            [unpacked(1, "f", [1])],
            lambda m: m.integers("name", 9),
            "name is 32 bits instead of a varint or bytes",
        ),
        (
            [unpacked(5, "d", [1])],
            lambda m: m.floats("values", FIXED32),
            "values is 64 bits instead of 32 bits",
        ),
        (
            [content(5, b"12345")],
            lambda m: m.floats("values", FIXED32),
            "values has 5 bytes, which are no whole float32",
        ),
        ([content(1, b"\x01\x80")], lambda m: m.integers("name", 9), "name: the number at byte 1 is longer"),
        ([content(1, b"\x01" * 10)], lambda m: m.integers("name", 9), "name has more than 9 values"),
        ([content(1, b"x" * 1001)], lambda m: m.text("name"), "name is a text of 1001 bytes"),
    ],
)
def test_a_field_of_another_kind_is_refused(fields, ask, message_text):
    with pytest.raises(Refused, match="the message is damaged: " + message_text):
        ask(message(*fields))


def test_inner_messages_say_where_they_are():
    whole = message(content(7, content(1, "a")), content(7, b"\x0b"))
    inner = whole.messages("inner", FIELDS)
    assert next(inner).text("name") == "a"
    with pytest.raises(Refused, match=r"the message, inner 1 is damaged"):
        next(inner)


@given(st.binary(max_size=200))
def test_any_bytes_give_fields_or_a_value_error(junk):
    try:
        fields = list(protobuf.scan(memoryview(junk)))
    except ValueError:
        return
    assert all(number > 0 and wire_type in protobuf.KINDS for number, wire_type, _ in fields)


def test_the_helpers_write_what_the_format_says():
    """Field 1 with 150, and field 2 with the text testing, are the examples of the format's description."""
    assert number(1, 150) == bytes.fromhex("089601")
    assert content(2, "testing") == bytes.fromhex("120774657374696e67")
    assert packed(5, "f", [1.0]) == b"\x2a\x04" + struct.pack("<f", 1.0)
