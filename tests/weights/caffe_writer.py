"""Write .caffemodel files by hand, also wrong ones."""

import struct
from functools import partial


def varint(value):
    """A whole number; a negative one as its 64-bit two's complement."""
    value %= 1 << 64
    content = bytearray()
    while value >= 0x80:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*content, value])


def number(field, value):
    """A field of wire type 0."""
    return varint(8 * field) + varint(value)


def content(field, value):
    """A field of wire type 2: bytes, a text, or a message."""
    value = value.encode() if isinstance(value, str) else bytes(value)
    return varint(8 * field + 2) + varint(len(value)) + value


def packed(field, format, values):
    """Numbers in one field; `format` as in `struct`."""
    return content(field, b"".join(struct.pack("<" + format, value) for value in values))


def unpacked(field, format, values):
    """Numbers in a field each."""
    tag = varint(8 * field + {"f": 5, "d": 1}[format])
    return b"".join(tag + struct.pack("<" + format, value) for value in values)


def shape(*sizes):
    """The shape of a blob, in the new form."""
    return content(7, content(1, b"".join(map(varint, sizes))))


def legacy_shape(*sizes):
    """The shape of a blob, in the old form."""
    return b"".join(number(field, size) for field, size in enumerate(sizes, start=1))


data = partial(packed, 5, "f")


def v2_layer(name, *blobs, type="Convolution"):
    """A layer in the new format, of finished blobs."""
    return content(100, content(1, name) + content(2, type) + b"".join(content(7, blob) for blob in blobs))


def v1_layer(name, *blobs, type=4):
    """A layer in the old format: 4 is a convolution, 14 a fully connected layer."""
    return content(2, content(4, name) + number(5, type) + b"".join(content(6, blob) for blob in blobs))


def network(*layers, name="net"):
    """A whole file."""
    return content(1, name) + b"".join(layers)
