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
from pathlib import Path

import numpy as np

from minissd.errors import input_error
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

# Of fc6 and fc7 in VGG16: the side of the map that they see, and the step along each axis of their kernels.
FULLY_CONNECTED = ((7, (4, 1, 3, 3)), (1, (4, 4, 1, 1)))


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
    path = Path(path)
    network = Message(_mapped(path), NETWORK, path, "the network")
    arrays = {}
    for field, numbers in (("layers", V1_LAYER), ("layer", V2_LAYER)):
        for layer in network.messages(field, numbers):
            _add_layer(layer, arrays)
    if not arrays:
        raise input_error(path, "has no layer with weights", "use the .caffemodel of a trained network")
    return arrays


def reduce_fully_connected(arrays, layers=("fc6", "fc7")):
    """Make SSD's convolutions fc6 and fc7 from VGG16's fully connected layers (paper, section 3).

    A fully connected layer is a convolution as large as the map that it sees: 7x7 for fc6, 1x1 for fc7.
    Of fc6 every fourth filter is kept, and in it every third row and column, which dilation spreads out
    again; of fc7 every fourth filter, and in it the inputs that are left of fc6::

        fc6 (4096, 25088) -> (4096, 512, 7, 7) -> [::4, :, ::3, ::3] -> (1024, 512, 3, 3), bias [::4]
        fc7 (4096, 4096) -> (4096, 4096, 1, 1) -> [::4, ::4] -> (1024, 1024, 1, 1), bias [::4]

    ``VGG_ILSVRC_16_layers_fc_reduced.caffemodel``, with which the training of the paper's models began,
    has the result already: fc6 (1024, 512, 3, 3) and fc7 (1024, 1024, 1, 1).

    Parameters
    ----------
    arrays : dict of str to array
        ``<layer>.weight`` and ``<layer>.bias`` of both layers, from any source; others may be there.
    layers : pair of str, optional
        Their names: ``("classifier.0", "classifier.3")`` in torchvision's VGG16.

    Returns
    -------
    dict of str to array
        The same arrays, with those of the two layers replaced by small copies. Nothing is replaced where
        fc6 is missing or has 3x3 kernels already.

    Raises
    ------
    InputError
        If an array of the two layers is missing or has another shape.

    Examples
    --------
    >>> fc6 = {"fc6.weight": np.zeros((8, 2 * 7 * 7)), "fc6.bias": np.arange(8)}
    >>> fc7 = {"fc7.weight": np.zeros((8, 8)), "fc7.bias": np.zeros(8)}
    >>> reduced = reduce_fully_connected(fc6 | fc7)
    >>> reduced["fc6.weight"].shape, reduced["fc6.bias"], reduced["fc7.weight"].shape
    ((2, 2, 3, 3), array([0, 4]), (2, 2, 1, 1))
    """
    reduced = dict(arrays)
    first = f"{layers[0]}.weight"
    if first not in arrays or np.shape(arrays[first])[2:] == (3, 3):
        return reduced
    inputs = None  # of fc6 any number, of fc7 the outputs of fc6
    for layer, (side, steps) in zip(layers, FULLY_CONNECTED, strict=True):
        kernels, bias = _as_convolution(arrays, layer, side, inputs)  # (O, I, side, side), (O,)
        inputs = len(kernels)
        reduced[f"{layer}.weight"] = kernels[tuple(slice(None, None, step) for step in steps)].copy()
        reduced[f"{layer}.bias"] = bias[:: steps[0]].copy()
    return reduced


def _as_convolution(arrays, layer, side, inputs):
    """The kernels and the bias of a fully connected layer that sees maps of side x side; nothing copied."""
    names = (f"{layer}.weight", f"{layer}.bias")
    for name in names:
        if name not in arrays:
            raise input_error(name, "is missing", "use one whole VGG16")
    weight, bias = (np.asarray(arrays[name]) for name in names)
    outputs, values = math.prod(weight.shape[:1]), side * side
    inputs = inputs or math.prod(weight.shape[1:]) // values
    flat, square = (outputs, inputs * values), (outputs, inputs, side, side)
    for name, found, wanted in zip(names, (weight.shape, bias.shape), ((flat, square), ((outputs,),))):
        if found not in wanted:
            raise input_error(name, f"has shape {found} instead of {wanted[0]}", "use one whole VGG16")
    return weight.reshape(square), bias


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


def _mapped(path):
    """The content of a file as a read-only memoryview; of it only the beginning is read."""
    if not path.is_file():
        raise input_error(path, "no such file", "name a .caffemodel file")
    try:
        with path.open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:  # ValueError: an empty file
        reason = getattr(error, "strerror", None) or error
        raise input_error(path, f"cannot be read: {reason}", "check its size and permissions") from error
    for beginning, problem, fix in CAFFE_FILES + OTHER_FILES:
        if re.match(beginning, content[:HEAD]):
            raise input_error(path, problem, fix)
    return content


def _add_layer(layer, arrays):
    """Put the blobs of a layer into `arrays`."""
    if "v0_layer" in layer:
        raise layer.error("is of Caffe's first format, V0", "use Caffe's upgrade_net_proto_binary")
    if "blobs" not in layer:
        return
    name = layer.text("name")
    if not name:
        raise layer.error("has weights but no name", "give it one")
    layer.title = f"layer {name}"
    if f"{name}.weight" in arrays:
        raise layer.error("is there twice", "give each layer a name of its own")
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
