"""Caffe's files are known by their first bytes, and other files given by mistake are told what they are."""

import caffe_writer as write
import pytest
from reference_numbers import REFERENCE

from minissd.errors import InputError
from minissd.weights import caffe_file

BIAS = write.legacy_shape(1, 1, 1, 2) + write.data([5, 6])
PROTOTXT = b'# VGG16\n\nname: "VGG"\nlayer {\n  name: "conv1_1"\n}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (PROTOTXT, "is a .prototxt"),
        (b"\n  layers { name: 'a' }", "is a .prototxt"),
        (b'net: "train.prototxt"', "is a .prototxt"),
        (write.number(1, 80_000) + write.content(2, "vgg_iter_80000.caffemodel"), "is a .solverstate"),
        (write.legacy_shape(1, 3, 8, 8) + write.data(range(192)), "or .binaryproto"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "is an HDF5 file"),
        (b"\n<!DOCTYPE html><html>", "is a web page"),
        (b"PK\x03\x04" + bytes(40), "is damaged"),
    ],
)
def test_another_file_given_by_mistake_is_said_to_be_that(tmp_path, content, message):
    path = tmp_path / "given.file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"given.file: .*{message}.* \\("):
        caffe_file.read(path)


@pytest.mark.parametrize("length", [5, 8, 16, 64])
def test_caffe_files_are_known_by_few_bytes(length):
    files = [(REFERENCE / f"caffe_{version}.caffemodel").read_bytes() for version in ("v1", "v2")]
    nameless = (write.v1_layer("conv1_1", BIAS), write.v2_layer("conv1_1", BIAS * 40))
    for content in (*files, *nameless):
        assert caffe_file.is_caffe_file(content[:length])


def test_caffes_other_files_count_as_caffes():
    assert caffe_file.is_caffe_file(PROTOTXT)
    assert caffe_file.is_caffe_file(write.number(1, 80_000) + write.content(2, "vgg.caffemodel"))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"PK\x03\x04\x14\x00",  # zip: PyTorch, NumPy
        b"\x80\x02}q\x00(X\x06\x00",  # pickle
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",  # PyTorch before zip
        b"\x93NUMPY\x01\x00v\x00{'descr'",
        b"\x0a\x01\x00\x00\x00\x00\x00\x00{",  # safetensors with a header of 266 bytes
        b"\x12\x05\x00\x00\x00\x00\x00\x00{",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"\x89HDF\r\n\x1a\n",
        b'{"a": 1}',
        b"version https://git-lfs.github.com/spec/v1",
        b"<!DOCTYPE html>",
        b"\xff" * 64,
        b"\x0a" + b"\xff" * 63,
        bytes(64),
    ],
)
def test_other_files_are_not_taken_for_caffes(head):
    assert not caffe_file.is_caffe_file(head)
