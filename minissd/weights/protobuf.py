"""Protocol buffers, as far as weight files need them: a message is a row of numbered fields.

A field is its tag, a varint that holds ``8 * number + wire type``, and then its value:

=========  ========================================================================================
wire type  value
=========  ========================================================================================
0 varint   a whole number, seven bits to a byte, the lowest first; the top bit says that more follow
1 fixed64  eight bytes; here always a float64
2 bytes    a length (varint) and so many bytes: a text, a message, or many numbers at once ("packed")
5 fixed32  four bytes; here always a float32
=========  ========================================================================================

What a number means is not in the file: `Message` is told the names of the fields that its reader wants,
and skips all others. Nothing is decoded or copied before it is asked for, so that a message may be larger
than the memory.
"""

from __future__ import annotations

from itertools import islice

import numpy as np

from minissd.weights.opening import Refused

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
KINDS = {VARINT: "a varint", FIXED64: "64 bits", BYTES: "bytes", FIXED32: "32 bits"}
DTYPES = {FIXED64: np.dtype("<f8"), FIXED32: np.dtype("<f4")}
LONGEST_VARINT = 10  # bytes: enough for 64 bits, seven to a byte
MOST_FIELDS = 100_000  # in one message, where unpacked numbers in a row count as one field
LONGEST_TEXT = 1000


class Message:
    """The fields of one message by name, found but not yet decoded.

    Parameters
    ----------
    content : memoryview of bytes
        The whole message.
    numbers : dict of str to int
        The number of each field that is wanted, by name. All other fields are skipped.
    title : str
        What the message is, as in ``layer conv1_1``; for messages about damage.

    Raises
    ------
    Refused
        If the bytes are not a row of whole fields. All methods raise it if a field is of another kind.

    Examples
    --------
    Field 1 is the bytes ``hi``, field 2 the varint 300 = 0b10_0101100, field 9 is not asked for:

    >>> content = memoryview(bytes([0x0A, 2]) + b"hi" + bytes([0x10, 0b1_0101100, 0b10, 0x48, 0]))
    >>> message = Message(content, {"name": 1, "count": 2}, "the greeting")
    >>> message.text("name"), message.integers("count", most=1)
    ('hi', [300])
    """

    def __init__(self, content, numbers, title):
        self.title = title
        names = {number: name for name, number in numbers.items()}
        self._fields = {name: [] for name in numbers}  # name -> (wire type, value) of each
        try:
            for count, (number, wire_type, value) in enumerate(scan(content)):
                if count == MOST_FIELDS:
                    raise ValueError(f"more than {MOST_FIELDS} fields")
                if number in names:
                    self._fields[names[number]].append((wire_type, value))
        except ValueError as error:
            raise self.damaged(error) from error

    def __contains__(self, name):
        return bool(self._fields.get(name))

    def damaged(self, problem):
        """The `Refused` for bytes that nobody can have meant."""
        return Refused(f"{self.title} is damaged: {problem}")

    def last(self, name):
        """The value of a varint (an int) or of bytes (a memoryview); None if the field is missing.

        Of several the last one counts, as the format wants it.
        """
        if name not in self:
            return None
        wire_type, value = self._fields[name][-1]
        self._require(name, wire_type, (VARINT, BYTES))
        return value

    def text(self, name):
        """The value of a field that is a text; empty if it is missing."""
        content = list(self._values(name, BYTES))[-1:] or [b""]
        if len(content[0]) > LONGEST_TEXT:
            raise self.damaged(f"{name} is a text of {len(content[0])} bytes")
        return bytes(content[0]).decode("utf-8", "backslashreplace")

    def messages(self, name, numbers):
        """Yield each message in a field, as `Message` whose wanted fields are `numbers`."""
        for index, content in enumerate(self._values(name, BYTES)):
            title = f"{self.title}, {name.removesuffix('s')} {index}"
            yield Message(content, numbers, title)

    def integers(self, name, most):
        """List the whole numbers of a field, packed or not.

        Negative ones are written as their 64-bit two's complement. More than `most` are refused.
        """
        found = []
        for wire_type, value in self._fields[name]:
            self._require(name, wire_type, (VARINT, BYTES))
            try:
                found += [value] if wire_type == VARINT else islice(_varints(value), most + 1)
            except ValueError as error:
                raise self.damaged(f"{name}: {error}") from error
            if len(found) > most:
                raise self.damaged(f"{name} has more than {most} values")
        return [value - (1 << 64) if value >> 63 else value for value in found]

    def floats(self, name, wire_type):
        """Give the floats of a field, packed or not, as an array of one axis.

        Where they are in one piece, as in all files of Caffe's, the array is a view of the message:
        nothing is copied or even read.

        Parameters
        ----------
        name : str
        wire_type : int
            `FIXED32` for float32, `FIXED64` for float64.
        """
        pieces = []
        for found, value in self._fields[name]:
            self._require(name, found, (wire_type, BYTES))
            pieces.append(self._packed(name, value, DTYPES[wire_type]) if found == BYTES else value)
        return pieces[0] if len(pieces) == 1 else np.concatenate([np.empty(0, DTYPES[wire_type]), *pieces])

    def _packed(self, name, content, dtype):
        if len(content) % dtype.itemsize:
            raise self.damaged(f"{name} has {len(content)} bytes, which are no whole {dtype.name} values")
        return np.frombuffer(content, dtype)

    def _values(self, name, wanted):
        for wire_type, value in self._fields[name]:
            self._require(name, wire_type, (wanted,))
            yield value

    def _require(self, name, wire_type, wanted):
        if wire_type not in wanted:
            kinds = " or ".join(KINDS[kind] for kind in wanted)
            raise self.damaged(f"{name} is {KINDS[wire_type]} instead of {kinds}")


def scan(content):
    """Yield the number, wire type and value of each field of a message.

    Parameters
    ----------
    content : memoryview of bytes

    Yields
    ------
    number : int
    wire_type : int
    value : int, memoryview or ndarray
        An int for a varint, a part of `content` for bytes. Fixed numbers give an array, which has all
        fields of the same number that follow one another: unpacked numbers are so read at once.

    Raises
    ------
    ValueError
        If the bytes are not a row of whole fields.
    """
    start = 0
    while start < len(content):
        tag, value_start = read_varint(content, start)
        number, wire_type = tag >> 3, tag & 7
        if wire_type not in KINDS or not 0 < number < 1 << 29:
            raise ValueError(f"byte {start} begins field {number} of wire type {wire_type}, which cannot be")
        if wire_type == VARINT:
            value, start = read_varint(content, value_start)
        elif wire_type == BYTES:
            value, start = _read_bytes(content, value_start)
        else:
            value, start = _read_fixed(content, start, value_start, DTYPES[wire_type])
        yield number, wire_type, value


def read_varint(content, start):
    """Read one varint of at most 64 bits; return it and where it ends.

    Examples
    --------
    >>> read_varint(bytes([0b1_0101100, 0b0_0000010]), 0)  # 0b10_0101100
    (300, 2)
    """
    value = 0
    for index, byte in enumerate(content[start : start + LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80 and value < 1 << 64:
            return value, start + index + 1
    raise ValueError(f"the number at byte {start} is longer than 64 bits or than what is there")


def _varints(content):
    """Yield the numbers of a packed field."""
    start = 0
    while start < len(content):
        value, start = read_varint(content, start)
        yield value


def _read_bytes(content, start):
    length, start = read_varint(content, start)
    if length > len(content) - start:
        raise ValueError(f"{length} bytes are announced at byte {start}, {len(content) - start} are there")
    return content[start : start + length], start + length


def _read_fixed(content, start, value_start, dtype):
    """Read the number whose tag is at `start`, and all that follow it with the same tag."""
    tag, step = content[start:value_start], value_start - start + dtype.itemsize
    whole = (len(content) - start) // step
    if not whole:
        raise ValueError(f"the number at byte {value_start} is cut off")
    rows = np.frombuffer(content[start : start + whole * step], np.uint8).reshape(whole, step)
    count = _equal_rows(rows[:, : len(tag)])
    return rows[:count, len(tag) :].view(dtype)[:, 0], start + count * step  # a view with gaps: tags between


def _equal_rows(rows):
    """Count how many of the first rows are equal, in steps that double, so that a short run costs little."""
    count, step = 1, 16
    while count < len(rows):
        same = (rows[count : count + step] == rows[0]).all(axis=1)
        if not same.all():
            return count + int(same.argmin())
        count, step = count + len(same), min(2 * step, 1 << 16)
    return count
