"""Caffe's .caffemodel files: read as Google's library wrote them, and refused where they are wrong."""

import functools
import re

import caffe_writer as write
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_limit import less_memory_than
from reference_numbers import REFERENCE

from minissd.errors import InputError
from minissd.weights import caffe_file

BIAS = write.legacy_shape(1, 1, 1, 2) + write.data([5, 6])


@pytest.fixture
def read(tmp_path):
    """A function that reads a file of the bytes that it is given."""

    def read_bytes(*content):
        path = tmp_path / "net.caffemodel"
        path.write_bytes(b"".join(content))
        return caffe_file.read(path)

    return read_bytes


@functools.cache
def reference(version):
    """The bytes of a file that Google's library wrote, and the arrays in it."""
    with np.load(REFERENCE / "caffe.npz") as file:
        expected = {name[3:]: file[name] for name in file if name.startswith(version)}
    return (REFERENCE / f"caffe_{version}.caffemodel").read_bytes(), expected


def assert_same(arrays, expected):
    assert arrays.keys() == expected.keys()
    for name in arrays:
        assert arrays[name].dtype == expected[name].dtype
        np.testing.assert_array_equal(arrays[name], expected[name], err_msg=name)


# What Google's library wrote.


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_file_written_by_googles_library_is_read_bit_by_bit(version):
    assert_same(caffe_file.read(REFERENCE / f"caffe_{version}.caffemodel"), reference(version)[1])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_file_cut_off_anywhere_gives_an_error_or_its_first_layers(version, read):
    content, expected = reference(version)
    whole = 0
    for length in range(0, len(content), 2):
        try:
            arrays = read(content[:length])
        except InputError:
            continue
        assert_same(arrays, {name: expected[name] for name in arrays})
        whole += 1
    assert 0 < whole < 10  # it can only be seen inside of a layer


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_changed_byte_gives_an_error_or_arrays(version, read):
    content, _ = reference(version)
    for place in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[place] ^= (0xFF, 0x01)[place % 2]
        try:
            arrays = read(damaged)
        except InputError as error:
            assert "net.caffemodel" in str(error)
        else:
            assert all(isinstance(array, np.ndarray) for array in arrays.values())


@given(st.binary(max_size=300))
def test_any_bytes_give_an_error_or_arrays(tmp_path_factory, junk):
    path = tmp_path_factory.getbasetemp() / "junk.caffemodel"
    for content in (junk, write.content(100, junk), write.v1_layer("a", junk), write.v2_layer("a", junk)):
        path.write_bytes(content)
        assert caffe_file.is_caffe_file(content[:64]) in (True, False)
        try:
            caffe_file.read(path)
        except InputError as error:
            assert "junk.caffemodel" in str(error)


# Names and shapes.


def test_blobs_have_the_names_weight_and_bias_and_then_numbers(read):
    blob = write.shape(1) + write.data([3])
    arrays = read(write.network(write.v2_layer("bn/1", blob, blob, blob, blob), write.v2_layer("relu")))
    assert list(arrays) == ["bn/1.weight", "bn/1.bias", "bn/1.blob2", "bn/1.blob3"]


@pytest.mark.parametrize(
    ("old", "index", "type", "new"),
    [
        ((4, 3, 2, 2), 0, 4, (4, 3, 2, 2)),
        ((1, 1, 2, 3), 0, 4, (1, 1, 2, 3)),  # one filter of one channel: these ones are meant
        ((1, 1, 2, 3), 0, 14, (2, 3)),
        ((1, 1, 1, 3), 0, 14, (1, 3)),  # one output
        ((2, 3, 1, 1), 0, 14, (2, 3, 1, 1)),  # not as Caffe writes it: left alone
        ((1, 1, 1, 3), 1, 4, (3,)),
        ((1, 1, 1, 1), 1, 4, (1,)),
        ((1, 1, 1, 3), 1, 14, (3,)),
    ],
)
def test_ones_that_the_old_format_puts_in_front_are_taken_away(read, old, index, type, new):
    blob = write.legacy_shape(*old) + write.data(range(np.prod(old)))
    layer = write.v1_layer("a", *[BIAS] * index, blob, type=type)
    array = list(read(layer).values())[index]
    np.testing.assert_array_equal(array, np.arange(np.prod(old)).reshape(new))


def test_the_new_form_of_a_shape_is_taken_as_it_is(read):
    blob = write.shape(1, 1, 2, 1) + write.data([1, 2])
    assert read(write.v2_layer("a", blob, type="InnerProduct"))["a.weight"].shape == (1, 1, 2, 1)
    blob = write.content(7, write.number(1, 2) + write.number(1, 3)) + write.data(range(6))  # not packed
    assert read(write.v2_layer("a", blob))["a.weight"].shape == (2, 3)
    assert read(write.v2_layer("a", write.data([7])))["a.weight"].shape == ()


def test_the_old_form_of_a_shape_fits_the_new_format_too(read):
    blob = write.legacy_shape(1, 1, 2, 3) + write.data(range(6))
    assert read(write.v2_layer("a", blob, type="InnerProduct"))["a.weight"].shape == (2, 3)


def test_unpacked_floats_and_doubles_are_read(read):
    numbers = [1.5, -2.0, 3.25]
    arrays = read(
        write.v2_layer(
            "a",
            write.unpacked(5, "f", numbers) + write.shape(3),
            write.shape(3) + write.packed(8, "d", numbers),
            write.unpacked(8, "d", numbers) + write.shape(3),
        )
    )
    for array, dtype in zip(arrays.values(), ("f4", "f8", "f8"), strict=True):
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, numbers)


def test_fields_may_come_in_any_order(read):
    blob = write.data([1, 2]) + write.content(6, b"gradient") + write.shape(2) + write.number(99, 1)
    layer = write.content(100, write.content(7, blob) + write.content(2, "Bias") + write.content(1, "late"))
    np.testing.assert_array_equal(read(layer, write.content(1, "net"))["late.weight"], [1, 2])


# Memory.


def test_a_big_blob_is_not_even_read(tmp_path):
    """The 411 MB of fc6 in VGG16, in a file with a hole: its zeros take no place on the disk either."""
    count = 4096 * 25088
    blob = write.legacy_shape(1, 1, 4096, 25088) + b"\x2a" + write.varint(4 * count)
    layer = (
        write.content(4, "fc6") + write.number(5, 14) + b"\x32" + write.varint(len(blob) + 4 * count) + blob
    )
    path = tmp_path / "vgg.caffemodel"
    with path.open("wb") as file:
        file.write(write.content(1, "VGG") + b"\x12" + write.varint(len(layer) + 4 * count) + layer)
        size = file.tell() + 4 * count
        file.truncate(size)
    with less_memory_than(200_000):
        arrays = caffe_file.read(path)
    weight = arrays["fc6.weight"]
    assert weight.shape == (4096, 25088)
    assert weight[17].sum() == 0


def test_arrays_are_read_only_views_that_outlive_the_reading(read):
    arrays = read(write.network(write.v2_layer("a", write.shape(3) + write.data([1, 2, 3]), BIAS)))
    for array in arrays.values():
        assert not array.flags.owndata
        assert not array.flags.writeable
    copy = arrays["a.weight"].astype(np.float32)
    assert copy.flags.aligned
    assert copy.flags.writeable
    np.testing.assert_array_equal(copy, [1, 2, 3])


# What is refused.

HUGE = write.shape(2**62, 2**62)
WRONG_BLOBS = {
    "too few": (write.shape(2, 3) + write.data(range(5)), r"shape \(2, 3\) needs 6 values, its data has 5"),
    "too many": (write.shape(2, 3) + write.data(range(7)), r"shape \(2, 3\) needs 6 values, its data has 7"),
    "legacy": (write.legacy_shape(2, 1, 1, 3) + write.data([0]), "needs 6 values, its data has 1"),
    "nothing": (write.shape(2), "needs 2 values, its data has 0"),
    "negative": (write.shape(-2, -3) + write.data(range(6)), r"a shape of \(-2, -3\)"),
    "zero": (write.shape(0), r"a shape of \(0,\)"),
    "huge": (HUGE + write.data([1]), f"needs {2**124} values, its data has 1"),
    "overflow": (HUGE, "needs"),  # the product is 0 in 64 bits, as is the data
    "axes": (write.shape(*[1] * 33) + write.data([1]), "dim has more than 32 values"),
    "half a float": (write.shape(1) + write.content(5, b"12345"), "data has 5 bytes"),
    "double as float": (write.shape(1) + write.unpacked(5, "d", [1]), "data is 64 bits instead of 32 bits"),
    "shape as number": (write.number(7, 2) + write.data([1, 2]), "shape is a varint instead of bytes"),
    "beyond the end": (write.shape(2) + b"\x2a\x08abcd", "8 bytes are announced .* 4 are there"),
    "far beyond": (b"\x2a" + write.varint(2**63) + b"abcd", "bytes are announced"),
    "overlong": (b"\x08" + b"\x80" * 10 + b"\x01", "longer than 64 bits"),
    "group": (b"\x0b\x0c", "field 1 of wire type 3"),
}


@pytest.mark.parametrize("wrong", WRONG_BLOBS)
def test_a_wrong_blob_is_refused_by_file_layer_and_number(read, wrong):
    blob, message = WRONG_BLOBS[wrong]
    good = write.shape(1) + write.data([1])
    with pytest.raises(InputError, match=message) as error:
        read(write.network(write.v2_layer("first", good), write.v2_layer("conv9", good, blob)))
    assert re.search(r"net.caffemodel: layer conv9, blob 1(, shape 0)? is damaged: ", str(error.value))
    assert str(error.value).endswith("(copy or download the file again)")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([write.v2_layer("a", BIAS), write.v2_layer("a", BIAS)], "layer a is there twice"),
        ([write.v2_layer("a", BIAS), write.v1_layer("a", BIAS)], "layer a is there twice"),
        ([write.v2_layer("", BIAS)], "the network, layer 0 has weights but no name"),
        ([write.v2_layer("x" * 1001, BIAS)], "name is a text of 1001 bytes"),
        ([write.content(2, write.content(1, write.content(1, "a")))], r"first format, V0"),
        (
            [
                write.content(
                    100, write.content(1, "a") + write.unpacked(2, "f", [1, 2]) + write.content(7, BIAS)
                )
            ],
            "layer a is damaged: type is 32 bits instead of a varint or bytes",
        ),
        ([write.number(100, 5)], "layer is a varint instead of bytes"),
        ([write.v2_layer("relu")], "net.caffemodel: has no layer with weights"),
        ([], "net.caffemodel: has no layer with weights"),
        (
            [functools.reduce(lambda inner, _: write.content(100, inner), range(2000), b"")],
            "net.caffemodel: ",
        ),
    ],
)
def test_a_wrong_network_is_refused(read, layers, message):
    with pytest.raises(InputError, match=message):
        read(write.network(*layers))


def test_layers_without_weights_may_share_a_name(read):
    layers = [write.v2_layer("data"), write.v2_layer("data"), write.v2_layer("a", BIAS), write.v2_layer("a")]
    assert list(read(write.network(*layers))) == ["a.weight"]


def test_very_many_blobs_are_refused_before_they_fill_the_memory(read, monkeypatch):
    monkeypatch.setattr(caffe_file, "MOST_ARRAYS", 3)
    with pytest.raises(InputError, match="more than 3 blobs"):
        read(write.v2_layer("a", *[BIAS] * 4))
