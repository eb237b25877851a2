"""PyTorch's files that are not what they seem, cut off or damaged: refused, or read without harm."""

import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from hostile_files import (
    FALSE,
    LEGACY_HEAD,
    dict_of,
    list_of,
    number,
    patch_directory,
    program,
    text,
    vector,
    write_legacy,
    write_zip,
)
from memory_limit import less_memory_than
from torch_files import FILES, ROW

from minissd.errors import InputError
from minissd.weights import torch_file

# Zip files that are not what they seem.


@pytest.fixture
def zipped(path):
    return write_zip(
        path, dict_of({"a": vector(6), "b": vector(6, "1")}), {"0": ROW.tobytes(), "1": ROW.tobytes()}
    )


DIRECTORY = {
    "encrypted": (3, 8, "<H", 1, "packed or encrypted"),
    "another compression": (3, 10, "<H", 8, "packed or encrypted"),
    "two sizes": (3, 20, "<I", 7, "across another"),
    "the place of another entry": (3, 42, "<I", 0, "across another"),
    "a place inside another entry": (3, 42, "<I", 200, "does not fit|across another"),
    "a place beyond the file": (3, 42, "<I", 2**31, "does not fit|cannot be read"),
    "another check sum": (3, 16, "<I", 12345, "check sum"),
    "another check sum of the pickle": (0, 16, "<I", 12345, "check sum"),
}


@pytest.mark.parametrize("case", DIRECTORY)
def test_a_false_zip_directory_is_refused(case, zipped, refuse):
    entry, offset, format, value, reason = DIRECTORY[case]
    patch_directory(zipped, entry, offset, format, value)
    refuse(reason)


def test_an_entry_that_reaches_beyond_the_file_is_refused(zipped, refuse):
    for offset in (20, 24):
        patch_directory(zipped, 0, offset, "<I", 10**6)
    refuse("across another|cut off")


def test_two_entries_of_one_name_are_refused(zipped, refuse):
    zipped.write_bytes(zipped.read_bytes().replace(b"archive/data/1", b"archive/data/0"))
    refuse("archive/data/0 lies across another")


def test_a_check_sum_of_zero_was_not_computed(zipped):
    """As PyTorch writes it after torch.serialization.set_crc32_options(False)."""
    patch_directory(zipped, 3, 16, "<I", 0)
    np.testing.assert_array_equal(torch_file.read(zipped)["b"], ROW)


def test_a_zip_bomb_is_refused_unopened(path, refuse):
    write_zip(path, dict_of({"a": vector(10**7)}), {"0": bytes(4 * 10**7)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**5
    with less_memory_than(10**6):
        refuse("packed or encrypted")


@pytest.mark.parametrize(
    "key", ["../data.pkl", "../../../../etc/hostname", "/etc/hostname", "x\x00", "9", "k" * 101]
)
def test_a_key_is_only_looked_up(key, path, refuse, tmp_path):
    write_zip(path, dict_of({"a": vector(6, key)}), {"0": ROW.tobytes()}, **{"../../evil": "x"})
    refuse("no data for the storage|impossible")
    assert [file.name for file in tmp_path.iterdir()] == ["weights.pth"]


@pytest.mark.parametrize(
    "content, reason",
    [
        ({"readme.txt": b"hello"}, "zip archive but not"),
        ({"a/data.pkl": b"N.", "b/data.pkl": b"N."}, "zip archive but not"),
        ({"a/data.pkl": b"N.", "a/byteorder": b"big"}, "big-endian"),
        ({"a/data.pkl": b""}, "before seeing STOP"),
    ],
)
def test_other_archives_are_refused(content, reason, path, refuse):
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in content.items():
            archive.writestr(entry, data)
    refuse(reason)


# Older files that are not what they seem.


LEGACY = {
    "big-endian": ({"little_endian": FALSE}, "big-endian"),
    "another count": ({"counts": {"0": 5}}, "5 numbers for storage 0 of 6"),
    "a negative count": ({"counts": {"0": -1}}, "-1 numbers"),
    "keys that are no list": ({"keys": text("0")}, "no list of texts"),
    "keys that are no texts": ({"keys": list_of(number(0))}, "no list of texts"),
    "a key twice": ({"keys": list_of(text("0"), text("0"))}, "not that of its tensors"),
    "another key": ({"keys": list_of(text("1"))}, "not that of its tensors"),
    "no key": ({"keys": b"]"}, "not that of its tensors"),
}


@pytest.mark.parametrize("case", LEGACY)
def test_a_false_older_file_is_refused(case, path, refuse):
    wrong, reason = LEGACY[case]
    write_legacy(path, dict_of({"a": vector(6)}), {"0": ROW.tobytes()}, **wrong)
    refuse(reason)


def test_another_protocol_is_refused(path, refuse):
    path.write_bytes(LEGACY_HEAD.replace(b"M\xe9\x03", b"M\xea\x03") + program(b"}"))
    refuse("not of the format that PyTorch wrote from 2017")


def test_the_tar_format_of_2016_is_named(path, refuse):
    with tarfile.open(path, "w") as archive:
        for entry in ("sys_info", "pickle", "tensors", "storages"):
            archive.addfile(tarfile.TarInfo(entry))
    assert torch_file.is_torch_file(path.read_bytes()[:64])
    refuse("tar format of 2016.*save it again")


@pytest.mark.parametrize("content", [b"", b"\x89PNG", pickle.dumps({"a": 1}), struct.pack("<q", 9) * 100])
def test_other_files_are_refused(content, path, refuse):
    path.write_bytes(content)
    refuse("not a PyTorch weight file")


# Damage anywhere.


def places(content):
    """All of the beginning and of the end, where the headers are, and every 9th place between."""
    ends = {*range(150), *range(len(content) - 300, len(content))}
    return sorted(ends | {*range(150, len(content), 9)})


def outcome(path, content):
    """The bytes of all arrays of a file, or None if it is refused. Nothing else may happen."""
    path.write_bytes(content)
    try:
        return {name: array.tobytes() for name, array in torch_file.read(path).items()}
    except InputError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 500 + len(str(path))
        return None


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_cut_off_anywhere_is_refused(kind, path):
    content = FILES[kind].read_bytes()
    assert outcome(path, content) is not None
    assert [end for end in places(content) if outcome(path, content[:end]) is not None] == []


def test_a_cut_is_noticed_in_numbers_that_nobody_wants(path):
    value = dict_of({"model": dict_of({"a": vector(6)}), "momentum": vector(6, "1")})
    content = write_legacy(path, value, {"0": ROW.tobytes(), "1": ROW.tobytes()}).read_bytes()
    assert outcome(path, content) is not None
    assert outcome(path, content[:-1]) is None


@pytest.mark.parametrize("kind", FILES)
def test_any_damaged_byte_is_noticed_or_does_no_harm(kind, path):
    whole = FILES[kind].read_bytes()
    expected = outcome(path, whole)
    unharmed = 0
    for position in places(whole):
        content = bytearray(whole)
        content[position] ^= 0xFF
        found = outcome(path, content)
        assert kind == "legacy" or found in (None, expected), position  # the check sums of zip see it
        unharmed += found == expected
    assert unharmed < len(places(whole)) / 2
