"""Weights from Caffe's .caffemodel files, without Caffe.

Such a file is one protocol buffers message (see `minissd.weights.protobuf`): a network of layers, which
hold their weights as "blobs". There are two ways to write a layer, V1 until 2014, as in the VGG16 of its
authors, and V2 since. All these networks expect images in BGR order, with the mean of each channel
subtracted from values up to 255.
"""

from __future__ import annotations

import math
import mmap
import re

from minissd.weights.opening import Refused, opened, shown
from minissd.weights.protobuf import BYTES, FIXED32, FIXED64, LONGEST_VARINT, Message, read_varint

# The wanted fields of each message, by the names and numbers of Caffe's caffe.proto.
NETWORK = {"layers": 2, "layer": 100}
V1_LAYER = {"v0_layer": 1, "name": 4, "type": 5, "blobs": 6}
V2_LAYER = {"name": 1, "type": 2, "blobs": 7}
BLOB = {"num": 1, "channels": 2, "height": 3, "width": 4, "data": 5, "shape": 7, "double_data": 8}
SHAPE = {"dim": 1}

LEGACY_SHAPE = ("num", "channels", "height", "width")
INNER_PRODUCT = (14, b"InnerProduct")  # type of a fully connected layer, V1 and V2
BLOB_NAMES = {0: "weight", 1: "bias"}  # further ones are blob2, blob3, ...
MOST_AXES = 32  # Caffe's own limit
MOST_ARRAYS = 100_000

# With which tags a network may go on, and how the field begins then (a number may be any).
TEXT = rb"[^\x00-\x1f]*\Z"
BEGINNINGS = {
    0x0A: TEXT,  # name
    0x12: rb"[\x0a\x12\x1a\x22\x28]|\Z",  # layers: V0 layer, bottom, top, name, type
    0x1A: TEXT,  # input
    0x20: rb"",  # input_dim
    0x22: rb"",  # input_dim, packed
    0x28: rb"",  # force_backward
    0x32: rb"",  # state
    0x38: rb"",  # debug_info
    0x42: rb"[\x08\x0a]|\Z",  # input_shape: dim
    8 * 100 + BYTES: rb"[\x0a\x12]|\Z",  # layer: name, type
}

# How files begin that are given by mistake: Caffe's own and others, what they are, and what to do.
PRINTABLE = rb"(?=[^\x00-\x08\x0e-\x1f]*\Z)\s*"  # no control characters ahead
FIRST_WORDS = rb"(?:name|input\w*|layers?|force_backward|state|debug_info|net|train_net|base_lr)\s*[:{]"
CAFFE_FILES = (
    (
        rb"\x08[\x01-\x14]\x12[\x00-\x7f][\x20-\x7e]",  # a version, then the name of a program
        "is an ONNX file",
        "save the weights of the model that it was made from",
    ),
    (
        rb"\x08[\x80-\xff]{0,9}[\x00-\x7f][\x10\x12]",  # field 1 is a number, not a name
        "is a .solverstate or .binaryproto, which has no layers",
        "use the .caffemodel beside it",
    ),
    (
        PRINTABLE + rb"(?:#[^\n]*\n\s*)*" + FIRST_WORDS,
        "is a .prototxt, which describes a network without its weights",
        "use its .caffemodel",
    ),
)
OTHER_FILES = (
    (rb"\x89HDF", "is an HDF5 file", "let Caffe write it with snapshot_format: BINARYPROTO"),
    (PRINTABLE + rb"<", "is a web page", "the download went wrong: try again"),
)

HEAD = 4096  # bytes


def is_caffe_file(head):
    """Tell whether a file may be one of Caffe's, from its first bytes.

    The format has no mark of its own: this looks whether the bytes begin as a network does. Also true for
    a .prototxt or .solverstate, of which `read` says what they are.

    Parameters
    ----------
    head : bytes
        The first 64 bytes or so.

    Examples
    --------
    Field 1, the name, is the text ``VGG``:

    >>> is_caffe_file(b"\\x0a\\x03VGG"), is_caffe_file(b"PK\\x03\\x04")
    (True, False)
    """
    return _begins_as_network(head) or any(re.match(beginning, head) for beginning, *_ in CAFFE_FILES)


def read(path):
    """Read the weights of all layers that have any.

    The file is mapped into memory, and the arrays are read-only views of it: a layer that nobody asks for
    is never read. A view may start at any byte, so copy it (``array.astype``) for fast computing. The
    file must not be overwritten as long as views of it are in use.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of str to ndarray
        Float32, or float64 if the file has it so: ``<layer>.weight``, ``<layer>.bias``, and
        ``<layer>.blob2`` and so on for layers that have more. A convolution has (O, I, K, K) and (O,), a
        fully connected layer (O, I) and (O,).

    Raises
    ------
    InputError
        If the file cannot be read, is of another kind (such as a .prototxt), is damaged, has two layers
        of the same name, or a shape does not fit its data.
    """
    arrays = {}
    with opened(path) as file:
        network = Message(_mapped(file), NETWORK, "the network")
        for field, numbers in (("layers", V1_LAYER), ("layer", V2_LAYER)):
            for layer in network.messages(field, numbers):
                _add_layer(layer, arrays)
        if not arrays:
            raise Refused("has no layer with weights", "use the .caffemodel of a trained network")
    return arrays


def _begins_as_network(head):
    start = fields = 0
    try:
        while start < len(head):
            tag, start = read_varint(head, start)
            if tag not in BEGINNINGS:
                return False
            value, start = read_varint(head, start)
            if tag & 7 == BYTES:
                if not re.match(BEGINNINGS[tag], head[start : start + value]):
                    return False
                start += value
            fields += 1
    except ValueError:  # right if the head ends within a number, wrong if that number is too long
        return fields > 0 and len(head) - start < LONGEST_VARINT
    return fields > 0


def _mapped(file):
    """The content of a file as a read-only memoryview; of it only the beginning is read."""
    if not file.size:  # which cannot be mapped
        raise Refused("is empty")
    content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    for beginning, problem, fix in CAFFE_FILES + OTHER_FILES:
        if re.match(beginning, content[:HEAD]):
            raise Refused(problem, fix)
    return content


def _add_layer(layer, arrays):
    """Put the blobs of a layer into `arrays`."""
    if "v0_layer" in layer:
        raise Refused(f"{layer.title} is of Caffe's first format, V0", "use Caffe's upgrade_net_proto_binary")
    if "blobs" not in layer:
        return
    name = layer.text("name")
    if not name:
        raise Refused(f"{layer.title} has weights but no name", "give it one")
    layer.title = f"layer {shown(name)}"
    if f"{name}.weight" in arrays:
        raise Refused(f"{layer.title} is there twice", "give each layer a name of its own")
    is_inner_product = layer.last("type") in INNER_PRODUCT
    for index, blob in enumerate(layer.messages("blobs", BLOB)):
        if len(arrays) == MOST_ARRAYS:
            raise layer.damaged(f"it brings the file to more than {MOST_ARRAYS} blobs")
        arrays[f"{name}.{BLOB_NAMES.get(index, f'blob{index}')}"] = _array(blob, index, is_inner_product)


def _array(blob, index, is_inner_product):
    """The numbers of a blob in their shape."""
    values = blob.floats("double_data", FIXED64)
    if not len(values):
        values = blob.floats("data", FIXED32)
    shape = _shape(blob, index, is_inner_product)
    if min(shape, default=1) < 1:
        raise blob.damaged(f"a shape of {shape}")
    if math.prod(shape) != len(values):
        raise blob.damaged(f"its shape {shape} needs {math.prod(shape)} values, its data has {len(values)}")
    return values.reshape(shape)


def _shape(blob, index, is_inner_product):
    """The shape of a blob. The old form has always four axes: ones in front for whatever has fewer."""
    message = next(blob.messages("shape", SHAPE), None)
    if message is not None:
        return tuple(message.integers("dim", MOST_AXES))
    if not any(name in blob for name in LEGACY_SHAPE):
        return ()
    shape = tuple(sum(blob.integers(name, most=1)) for name in LEGACY_SHAPE)  # a missing one is 0
    ones_in_front = next((axis for axis, size in enumerate(shape[:-1]) if size != 1), 3)
    if index == 0:
        return shape[2:] if is_inner_product and ones_in_front >= 2 else shape
    return shape[ones_in_front:]
