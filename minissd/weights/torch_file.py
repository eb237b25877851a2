"""PyTorch's weight files (``.pth``, ``.pt``), read without PyTorch and without running anything in them.

`read` knows the two formats of ``torch.save``. Both hold a pickle that describes the tensors (see
`torch_tensors`), run by a machine that makes plain values only (see `pickle_machine`), and rows of numbers:

- zip, since PyTorch 1.6: ``NAME/data.pkl`` and a row in each ``NAME/data/KEY``, none of them compressed;
- before that five pickles in one file (a magic number, the protocol, the machine's habits, the object, the
  keys of the rows), then for each key the count as int64 and the row.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import NamedTuple

from minissd.weights.opening import Refused, opened, shown
from minissd.weights.pickle_machine import MAX_BYTES, SAVE_STATE_DICT, run
from minissd.weights.torch_tensors import VOCABULARY, Storages, Tensor

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
TAR_HEAD = b"sys_info\0"  # the name of the first file in the tar archives of 2016
ENCRYPTED = 0x1  # bit of a zip entry's flags
STATE_DICT_ENTRIES = ("state_dict", "model", "model_state_dict", "weights", "net")
BIG_ENDIAN = "was written on a big-endian machine", "load and save it in PyTorch on another one"
PARALLEL_PREFIX = "module."  # which DataParallel puts before every name


class Place(NamedTuple):
    """Where a row of numbers lies in the file, in bytes, and its check sum (0 if it has none)."""

    start: int
    nbytes: int
    crc: int = 0


def is_torch_file(head):
    """Whether a file that begins with these bytes (64 are enough) is for `read`.

    Examples
    --------
    >>> is_torch_file(b"PK\\x03\\x04" + bytes(60)), is_torch_file(b"not weights")
    (True, False)
    """
    return head.startswith((ZIP_MAGIC, TAR_HEAD)) or LEGACY_MAGIC.to_bytes(10, "little") in head[:32]


def read(path):
    """Read the state dict in a file that ``torch.save`` wrote.

    It may be the saved object itself or its entry ``state_dict``, ``model``, ``model_state_dict``,
    ``weights`` or ``net``. What is not a tensor is left out, and so is the prefix ``module.`` if all names
    have it.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of str to ndarray
        In the order of the file; C-contiguous and apart from one another. bfloat16 becomes float32, every
        other dtype stays.

    Raises
    ------
    InputError
        If there is no such file, it is damaged, or it holds anything but plain values and tensors, such as
        a whole model. Nothing of the file is ever run.
    """
    with opened(path) as file:
        found, places = _content(file)
        tensors = _state_dict(found)
        if sum(tensor.nbytes for tensor in tensors.values()) > 2 * file.size:
            raise Refused("its tensors are far larger than the file", "save tensor.clone() of each tensor")
        return _arrays(file, tensors, places)


def _content(file):
    """The object that was saved, and a `Place` for each key of a storage."""
    head = file.read(64)
    if head.startswith(ZIP_MAGIC):
        return _zip_content(file)
    if head.startswith(TAR_HEAD):
        raise Refused("is in PyTorch's tar format of 2016", "load it in PyTorch and save it again")
    if is_torch_file(head):
        return _legacy_content(file)
    raise Refused("is not a PyTorch weight file", "name a file that torch.save wrote")


def _zip_content(file):
    entries = _zip_entries(file)
    programs = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(programs) != 1:
        raise Refused("is a zip archive but not a PyTorch weight file", "name a file that torch.save wrote")
    folder = programs[0].removesuffix("data.pkl")
    if folder + "byteorder" in entries and _bytes(file, entries[folder + "byteorder"]) != b"little":
        raise Refused(*BIG_ENDIAN)
    storages = Storages()
    program = io.BytesIO(_bytes(file, entries[programs[0]]))
    found = run(program, VOCABULARY, storages.mention)
    missing = [key for key in storages.by_key if f"{folder}data/{key}" not in entries]
    if missing:
        raise Refused(f"has no data for the storage {shown(missing[0])}")
    return found, {key: entries[f"{folder}data/{key}"] for key in storages.by_key}


def _zip_entries(file):
    """The `Place` of each entry by name; all lie one behind the other, as they are."""
    with zipfile.ZipFile(file) as archive:
        entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    places, end = {}, 0
    for entry in entries:
        name = entry.filename
        if name.endswith("/constants.pkl"):
            raise Refused(
                "is a TorchScript archive", "torch.jit.load it in PyTorch and save its state_dict()"
            )
        if entry.flag_bits & ENCRYPTED or entry.compress_type != zipfile.ZIP_STORED:
            raise Refused(f"its zip entry {shown(name)} is packed or encrypted", "unzip it, zip it with -0")
        if entry.compress_size != entry.file_size or entry.header_offset < end or name in places:
            raise Refused(f"its zip entry {shown(name)} lies across another one")
        start = _zip_data_start(file, entry.header_offset)
        end = start + entry.file_size
        places[name] = Place(start, entry.file_size, entry.CRC)
    return places


def _zip_data_start(file, offset):
    """Behind the entry's own header: 30 bytes, its name, its padding."""
    file.seek(offset)
    header = file.read(30)
    if len(header) < 30 or not header.startswith(ZIP_MAGIC):
        raise Refused("its zip directory does not fit its entries")
    return offset + 30 + sum(struct.unpack_from("<2H", header, 26))


def _legacy_content(file):
    file.seek(0)
    programs = io.BytesIO(file.read(MAX_BYTES))
    _require_known_format(*(run(programs, {}) for _ in range(3)))
    storages = Storages()
    found = run(programs, VOCABULARY, storages.mention)
    keys = run(programs, {})
    if not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
        raise Refused("its keys of storages are no list of texts")
    if len(set(keys)) != len(keys) or set(keys) != storages.by_key.keys():
        raise Refused("its list of storages is not that of its tensors")
    return found, _legacy_places(file, programs.tell(), [storages.by_key[key] for key in keys])


def _require_known_format(magic, protocol, habits):
    if (magic, protocol) != (LEGACY_MAGIC, LEGACY_PROTOCOL):
        raise Refused("is not of the format that PyTorch wrote from 2017 to 2020", SAVE_STATE_DICT)
    if not (isinstance(habits, dict) and habits.get("little_endian") is True):
        raise Refused(*BIG_ENDIAN)


def _legacy_places(file, start, storages):
    places = {}
    for storage in storages:
        place = Place(start + 8, storage.nbytes)
        if place.start + place.nbytes > file.size:
            raise Refused("is cut off")
        file.seek(start)
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:
            raise Refused(f"has {count} numbers for storage {shown(storage.key)} of {storage.count}")
        places[storage.key] = place
        start = place.start + place.nbytes
    return places


def _state_dict(found):
    """Of everything in a file, the tensors that are a model's, by name."""
    entries = found if isinstance(found, dict) else {}
    for candidate in (*map(entries.get, STATE_DICT_ENTRIES), entries):
        tensors = _tensors(candidate)
        if tensors:
            return tensors
    known = ", ".join(STATE_DICT_ENTRIES)
    fix = f"save model.state_dict() in PyTorch, alone or under one of the names {known}"
    raise Refused(f"holds no state dict but {_described(found)}", fix)


def _tensors(candidate):
    if not isinstance(candidate, dict):
        return {}
    tensors = {name: value for name, value in candidate.items() if isinstance(value, Tensor)}
    strange = [name for name in tensors if not (isinstance(name, str) and name.isprintable())]
    if strange:
        raise Refused(f"has a tensor of the name {shown(strange[0])}", "give it a printable name")
    if all(name.startswith(PARALLEL_PREFIX) for name in tensors):
        tensors = {name.removeprefix(PARALLEL_PREFIX): tensor for name, tensor in tensors.items()}
    return tensors


def _described(found):
    """What stands at the top level, in a line: kinds, and the names of a few entries."""
    if not isinstance(found, dict):
        return f"something of type {type(found).__name__}"
    names = [shown(name, 30) for name in list(found)[:5]]
    return f"a dictionary of {len(found)} entries ({', '.join(names)}{', ...' if len(found) > 5 else ''})"


def _arrays(file, tensors, places):
    """Read each storage once, and make its tensors of it."""
    names_of = {}
    for name, tensor in tensors.items():
        names_of.setdefault(tensor.storage, []).append(name)
    arrays = dict.fromkeys(tensors)  # in the order of the names, which is not that of the storages
    for storage, names in names_of.items():
        place = places[storage.key]
        if place.nbytes != storage.nbytes:
            what = f"{shown(storage.key)} of {storage.count} {storage.dtype}"
            raise Refused(f"has {place.nbytes} bytes for storage {what}")
        row = _row(file, place)
        for name in names:
            arrays[name] = tensors[name].array(row, alone=len(names) == 1)
    return arrays


def _row(file, place):
    """The bytes at a place, read straight into an array of their own."""
    file.seek(place.start)
    row = file.read_row(place.nbytes)
    if place.crc and zlib.crc32(row) != place.crc:
        raise Refused("is damaged: a check sum differs")
    return row


def _bytes(file, place):
    if place.nbytes > MAX_BYTES:
        raise Refused(f"describes its tensors in more than {MAX_BYTES} bytes", SAVE_STATE_DICT)
    return _row(file, place).tobytes()
