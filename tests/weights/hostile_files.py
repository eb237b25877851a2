"""Pickles and PyTorch files put together by hand, so that they can be as wrong as one likes.

A value is the bytes of the instructions that push it: ``call(name("os", "system"), text("ls"))``.
"""

import struct
import zipfile

NONE, TRUE, FALSE = b"N", b"\x88", b"\x89"
LEGACY_HEAD = (
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number
    b"\x80\x02M\xe9\x03."  # 1001
)


def program(value):
    return b"\x80\x02" + value + b"."


def text(value):
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def python2_text(value):
    return b"U" + bytes([len(value)]) + value.encode()


def number(value):
    length = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([length]) + value.to_bytes(length, "little", signed=True)


def name(module, word):
    return f"c{module}\n{word}\n".encode()


def tuple_of(*values):
    return b"(" + b"".join(values) + b"t"


def list_of(*values):
    return b"](" + b"".join(values) + b"e"


def dict_of(entries):
    return b"}(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def numbers(values):
    return tuple_of(*map(number, values))


def call(function, *arguments):
    return function + tuple_of(*arguments) + b"R"


def noted(value, note):
    return value + b"q" + bytes([note])


def recalled(note):
    return b"h" + bytes([note])


def storage(count, key="0", kind="torch FloatStorage", view=b""):
    kind = name(*kind.split())
    return tuple_of(text("storage"), kind, text(key), text("cpu"), number(count), view) + b"Q"


def tensor(storage, shape, strides, offset=0, beside=(FALSE, NONE)):
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    return call(rebuild, storage, number(offset), numbers(shape), numbers(strides), *beside)


def vector(count, key="0"):
    return tensor(storage(count, key), [count], [1])


def ordered_dict(entries):
    """As PyTorch writes a state dict: entries set one by one, and the attribute _metadata."""
    empty = call(name("collections", "OrderedDict"))
    return empty + dict_of(entries)[1:] + dict_of({"_metadata": b"}"}) + b"b"


def write_zip(path, value, storages=None, compression=zipfile.ZIP_STORED, **others):
    """Write a file in the zip format. `others` are further entries of the archive, or other content."""
    entries = {"data.pkl": program(value), "byteorder": b"little"}
    entries |= {f"data/{key}": row for key, row in (storages or {}).items()} | others
    with zipfile.ZipFile(path, "w", compression) as archive:
        for entry, content in entries.items():
            archive.writestr(f"archive/{entry}", content)
    return path


def write_legacy(path, value, storages=None, little_endian=TRUE, counts=None, keys=None):
    """Write a file in the older format: float32 rows, with true counts unless `counts` has others."""
    storages = storages or {}
    content = LEGACY_HEAD + program(dict_of({"little_endian": little_endian})) + program(value)
    content += program(keys if keys is not None else list_of(*map(text, storages)))
    for key, row in storages.items():
        content += struct.pack("<q", (counts or {}).get(key, len(row) // 4)) + row
    path.write_bytes(content)
    return path


def directory_offsets(content):
    """Where the headers of a zip file's central directory begin."""
    start = content.find(b"PK\x01\x02")
    while start >= 0:
        yield start
        start = content.find(b"PK\x01\x02", start + 4)


def patch_directory(path, entry, offset, format, value):
    """Overwrite a field in the header number `entry` of a zip file's central directory."""
    content = bytearray(path.read_bytes())
    struct.pack_into(format, content, list(directory_offsets(content))[entry] + offset, value)
    path.write_bytes(content)
    return path
