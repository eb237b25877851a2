"""Safetensors: every number that the library writes, and no file that claims more than it has."""

import json
import struct

import numpy as np
import pytest
import safetensors.numpy
from memory_limit import less_memory_than

from minissd.errors import InputError
from minissd.weights import safetensors_file

DTYPES = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


@pytest.fixture
def read(path):
    """A function that reads a file of a header, a dict or bytes, and of data."""

    def read_content(header, data=b""):
        header = header if isinstance(header, bytes) else json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + data)
        return safetensors_file.read(path)

    return read_content


def described(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_every_array_that_the_library_writes_comes_back(path, rng):
    arrays = {dtype: (100 * rng.random((2, 3))).astype(dtype) for dtype in DTYPES}
    arrays |= {"number": np.array(7.0), "empty": np.empty((0, 3), np.float32), "last": np.arange(5)}
    safetensors.numpy.save_file(arrays, path)
    found = safetensors_file.read(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True, err_msg=name)
        assert found[name].flags.writeable and found[name].flags.aligned


def test_what_is_written_is_what_the_library_reads(path):
    arrays = {"number": np.array(3), "turned": np.arange(6.0).reshape(2, 3).T}
    safetensors_file.write(path, arrays, {"words": "ä"})
    for name, array in safetensors.numpy.load_file(path).items():
        np.testing.assert_array_equal(array, arrays[name], strict=True)
    assert safetensors_file.metadata(path) == {"words": "ä"}


def test_arrays_may_stand_in_any_order(read):
    header = {"late": described([1], 8, 12), "early": described([2], 0, 8)}
    arrays = read(header, struct.pack("<3f", 1, 2, 3))
    assert {name: array.tolist() for name, array in arrays.items()} == {"early": [1, 2], "late": [3]}


def test_bfloat16_becomes_float32_and_any_byte_but_0_is_true(read):
    header = {"a": described([2], 0, 4, "BF16"), "b": described([3], 4, 7, "BOOL")}
    arrays = read(header, struct.pack("<2H", 0x3F80, 0xC000) + bytes([0, 1, 2]))
    np.testing.assert_array_equal(arrays["a"], np.array([1, -2], np.float32), strict=True)
    assert arrays["b"].view(np.uint8).tolist() == [0, 1, 1]


def test_reading_takes_no_more_memory_than_the_arrays(path):
    safetensors.numpy.save_file({name: np.ones(1_000_000, np.float32) for name in "ab"}, path)
    with less_memory_than(8_500_000):
        arrays = safetensors_file.read(path)
    assert arrays["b"].all()


INCOMPLETE = "not a complete safetensors file: "
WRONG = {
    "overlapping": ({"a": described([2], 0, 8), "b": described([2], 4, 12)}, 12, INCOMPLETE),
    "with a hole": ({"a": described([2], 4, 12)}, 12, INCOMPLETE),
    "backwards": ({"a": described([2], 8, 0)}, 8, INCOMPLETE),
    "too few bytes": ({"a": described([3], 0, 12)}, 8, INCOMPLETE),
    "too many bytes": ({"a": described([2], 0, 8)}, 9, INCOMPLETE),
    "a shape of other size": ({"a": described([3], 0, 8)}, 8, INCOMPLETE),
    "overflowing": ({"a": described([2**62, 4], 0, 0)}, 0, INCOMPLETE),
    "impossible but empty": ({"a": described([0, 2**62], 0, 0)}, 0, "is damaged"),
    "65 axes": ({"a": described([1] * 65, 0, 4)}, 4, "is damaged"),
    "of 8 bits": ({"a": described([4], 0, 4, "F8_E4M3")}, 4, r"a has numbers of type F8_E4M3 .save it as"),
    "complex": ({"a": described([1], 0, 8, "C64")}, 8, "a has numbers of type C64"),
    "of no type": ({"a": described([1], 0, 4, "F99")}, 4, INCOMPLETE),
    "twice": (b'{"a":%s,"a":%s}' % ((json.dumps(described([1], 4, 8)).encode(),) * 2), 8, INCOMPLETE),
    "deep": (b'{"a":' + b"[" * 100_000, 0, INCOMPLETE),
    "no JSON": (b"{not JSON", 0, INCOMPLETE),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_header_is_refused(case, read, path):
    header, nbytes, message = WRONG[case]
    with pytest.raises(InputError, match=message) as error:
        read(header, bytes(nbytes))
    assert str(error.value).startswith(f"{path}: ")


def test_a_header_that_is_longer_than_any_network_needs_is_not_read(path):
    path.write_bytes(struct.pack("<Q", 99_000_000) + b"{")
    for read in (safetensors_file.read, safetensors_file.metadata):
        with pytest.raises(InputError, match="a header of 99000000 bytes"):
            read(path)
