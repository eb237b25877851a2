"""NumPy's .npz files: all that numpy.savez writes of numbers, and nothing else."""

import functools
import io
import struct
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_limit import less_memory_than

from minissd.errors import InputError
from minissd.weights import npz_file

ARRAYS = {
    "extractor/conv1_1/W": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "extractor/conv1_1/b": np.array([0.5, -1], np.float32),
    "half": np.arange(4, dtype=np.float16),
    "double": np.array([[np.pi]]),
    "epoch": np.array(7, np.int64),
    "flags": np.array([True, False]),
    "bytes": np.arange(3, dtype=np.uint8),
    "empty": np.empty((0, 3), np.float32),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big_endian": np.arange(3, dtype=">f4"),
}


@functools.cache
def saved(compressed):
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **ARRAYS)
    return buffer.getvalue()


@pytest.fixture
def file(tmp_path):
    """A function that writes a file of the bytes that it is given, and returns its path."""

    def write(content):
        path = tmp_path / "weights.npz"
        path.write_bytes(content)
        return path

    return write


def npy(array):
    """The content of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npy_with_header(header, data=b"", version=1):
    """The content of a .npy file whose header is a text of one's own."""
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode("latin-1") + data


def zipped(*entries, method=zipfile.ZIP_STORED):
    """A zip archive of (name, content) pairs."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names that are there twice
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, content in entries:
                archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_all_that_numpy_saves_of_numbers_is_read(file, compressed):
    path = file(saved(compressed))
    assert npz_file.is_npz_file(path.read_bytes()[:64])
    arrays = npz_file.read(path)
    assert list(arrays) == list(ARRAYS)
    for name, array in arrays.items():
        assert array.dtype == ARRAYS[name].dtype.newbyteorder("=")
        assert array.dtype.isnative
        assert array.flags.c_contiguous
        assert array.shape == ARRAYS[name].shape
        np.testing.assert_array_equal(array, ARRAYS[name], err_msg=name)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 2L), }",  # Python 2
        "{'shape':(1,2),'fortran_order':True,'descr':'<f4'}  \n",
        '{"descr": "<f4", "fortran_order": False, "shape": (1, 2)}',
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_headers_of_other_writers_are_read(file, header, version):
    content = npy_with_header(header, struct.pack("<2f", 1.5, 2.5), version)
    array = npz_file.read(file(zipped(("a.npy", content))))["a"]
    np.testing.assert_array_equal(array, np.array([[1.5, 2.5]], np.float32))


def test_names_are_nothing_but_keys(file, tmp_path):
    names = ["../../up", "/etc/passwd", "C:\\x", "a b", "ä"]
    path = file(zipped(*[(f"{name}.npy", npy(np.ones(1))) for name in names]))
    assert list(npz_file.read(path)) == names
    assert list(tmp_path.iterdir()) == [path]


def test_a_large_array_takes_little_more_than_its_own_memory(file):
    array = np.random.default_rng(0).standard_normal(2_000_000)  # 16 MB
    path = file(zipped(("a.npy", npy(array)), method=zipfile.ZIP_DEFLATED))
    with less_memory_than(21_000_000):
        found = npz_file.read(path)["a"]
    np.testing.assert_array_equal(found, array)


def test_a_file_is_known_by_its_first_entry():
    for name in ("a.npy", "x" * 900 + ".npy"):
        assert npz_file.is_npz_file(zipped((name, npy(np.ones(1))), ("a.txt", b"y"))[:4096])
    others = (
        zipped(("archive/data.pkl", b"x"), ("a.npy", b"y")),
        zipped(),
        npy(np.ones(1)),
        b"",
        b"PK\x03\x04",
    )
    assert not any(map(npz_file.is_npz_file, others))


GOOD = npy(np.arange(3.0))
HEADER = "{{'descr': '{}', 'fortran_order': False, 'shape': {}}}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy_with_header(HEADER.format("|O", "(1,)"), b"\x80\x04N."), "array a holds Python objects"),
        (npy(np.array(["text"])), "is of the type <U4"),
        (npy(np.array([1j])), "is of the type <c16"),
        (npy(np.zeros(1, [("x", "f4")])), "is not of a plain type of numbers"),
        (npy_with_header(HEADER.format("f4,O", "(1,)")), "holds Python objects"),
        (npy_with_header(HEADER.format("<f4", "(3,)"), bytes(8)), "needs 12 bytes, 8 are there"),
        (npy_with_header(HEADER.format("<f4", "(1,)"), bytes(8)), "needs 4 bytes, 8 are there"),
        (npy_with_header(HEADER.format("<f4", f"({2**62}, {2**62})"), b""), "bytes, 0 are there"),
        (npy_with_header(HEADER.format("<f4", f"(0, {2**62}, {2**62})"), b""), "array a is damaged"),
        (npy_with_header(HEADER.format("<f4", "(" + "9" * 5000 + ",)"), b""), "array a is damaged"),
        (npy_with_header(HEADER.format("<f4", "(" + "1," * 65 + ")"), bytes(4)), "array a is damaged"),
        (npy_with_header(HEADER.format("<f4", "(-1,)"), bytes(4)), "its header is"),
        (npy_with_header("{'descr': '<f4'}", bytes(4)), "its header is"),
        (npy_with_header(" " * 10_001, b"", version=2), "a header of 10001 bytes"),
        (npy_with_header("", b"", version=9), "no .npy file"),
        (GOOD[:5], "array a is damaged"),
        (GOOD[:9], "array a is damaged"),
        (b"", "array a is damaged"),
        (b"#!/bin/sh " * 9, "no .npy file"),
    ],
)
def test_a_wrong_array_is_refused_by_name(file, content, message):
    with pytest.raises(InputError, match=r"weights.npz: array a.*\(") as error:
        npz_file.read(file(zipped(("good.npy", GOOD), ("a.npy", content))))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(), "has no arrays"),
        (zipped(("a.npy", GOOD), ("a.npy", GOOD)), "has two arrays a "),
        (zipped(("a.npy", GOOD), ("readme.txt", b"")), "has readme.txt, which is no .npy file"),
        (zipped(("a.npy", GOOD), method=zipfile.ZIP_BZIP2), "array a is damaged: it is packed by method 12"),
        (b"", "is damaged: BadZipFile"),
        (GOOD, "is damaged: BadZipFile"),
    ],
)
def test_a_wrong_archive_is_refused(file, content, message):
    with pytest.raises(InputError, match=f"weights.npz: {message}"):
        npz_file.read(file(content))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(file):
    bomb = npy(np.zeros(1 << 24))  # 128 MB, packed to 130 kB
    path = file(zipped(("a.npy", bomb), method=zipfile.ZIP_DEFLATED))
    refused = pytest.raises(InputError, match=r"would unpack from 13.... to 1342178.. bytes")
    with less_memory_than(1_000_000), refused:
        npz_file.read(path)


def test_a_few_zeros_are_no_bomb(file):
    path = file(zipped(("a.npy", npy(np.zeros(100_000))), method=zipfile.ZIP_DEFLATED))
    assert not npz_file.read(path)["a"].any()


def test_an_array_that_unpacks_to_another_size_than_said_is_refused(file):
    """The directory says less, or more, than the stream holds."""
    content = zipped(("a.npy", npy(np.zeros(1000))), method=zipfile.ZIP_DEFLATED)
    size = len(npy(np.zeros(1000)))
    for said in (size - 8, size + 8, 2**31):
        with pytest.raises(InputError, match=r"weights\.npz: "):
            npz_file.read(file(content.replace(struct.pack("<I", size), struct.pack("<I", said))))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_file_gives_an_error_or_the_right_arrays(file, compressed):
    """Cut off anywhere, and each byte changed: every 11th place in turn. A checksum guards the numbers."""
    content = saved(compressed)
    for place in range(0, len(content), 11):
        changed = bytearray(content)
        changed[place] ^= 0xFF
        for damaged in (content[:place], changed):
            try:
                arrays = npz_file.read(file(damaged))
            except InputError as error:
                assert "weights.npz" in str(error)
            else:
                for name in arrays.keys() & ARRAYS.keys():
                    np.testing.assert_array_equal(arrays[name], ARRAYS[name])


@given(st.binary(max_size=200))
def test_any_bytes_give_an_error_or_arrays(tmp_path_factory, junk):
    path = tmp_path_factory.getbasetemp() / "junk.npz"
    for content in (junk, zipped(("a.npy", junk)), zipped(("a.npy", b"\x93NUMPY\x01\x00" + junk))):
        path.write_bytes(content)
        try:
            npz_file.read(path)
        except InputError as error:
            assert "junk.npz" in str(error)
