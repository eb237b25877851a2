"""Base networks: a VGG16 that has learned to classify images, from which SSD starts to learn detection."""

from __future__ import annotations

import math

import numpy as np

from minissd.errors import input_error
from minissd.weights.base_layouts import NUM_CONVOLUTIONS, recognize_base
from minissd.weights.fitting import put_arrays, require_fitting_shapes, shapes_of
from minissd.weights.formats import read_file
from minissd.weights.layouts import UNIT_STD, VGG_LAYERS
from minissd.weights.loading import checkpoint_in, model_for
from minissd.weights.translate import change_input, input_of, recognize

CONVOLUTIONS = VGG_LAYERS[:NUM_CONVOLUTIONS]
# Of fc6 and fc7 in VGG16: the side of the map that they see, and the step along each axis of their kernels.
FULLY_CONNECTED = ((7, (4, 1, 3, 3)), (1, (4, 4, 1, 1)))


def load_base(model, path):
    """Put what a file knows of seeing, but not of detecting, into a model: a start for training.

    From an image classifier these are the convolutions of VGG16, with fc6 and fc7 made of the fully connected
    layers by subsampling (paper, section 3); from a detector all layers but the heads. So a detector can be
    trained further on other classes.

    Parameters
    ----------
    model : SSD
        Changed in place.
    path : str or Path
        A VGG16 by torchvision, Caffe or amdegroot (``vgg16_reducedfc.pth``); or what `minissd.weights.read`
        reads.

    Returns
    -------
    list of str
        Names of the arrays that were loaded. The model keeps its own fc6 and fc7 where the file has none to
        speak of: torchvision's weights for SSD hold NaN there.

    Raises
    ------
    InputError
        If the file cannot be read, or an array is missing or of another shape than in the model. The model is
        then unchanged.

    Notes
    -----
    The order of colours and a standard deviation that the file's network expects are worked into the weights
    of the first layer. The mean is not: those of all these VGG16s differ by less than one grey value.
    """
    file = read_file(path)
    layout = recognize_base(file.arrays)
    if layout and recognize(file.arrays)[0] is None:
        arrays, found = _from_classifier(file, layout)
    else:
        arrays, found = _from_detector(file)
    needed = {*arrays, *(name for name in model.params if name.split(".")[0] in CONVOLUTIONS)}
    shapes = {name: shape for name, shape in shapes_of(model).items() if name in needed}
    require_fitting_shapes(shapes, arrays, path)
    first = next(iter(model.params))
    arrays[first] = change_input(arrays[first], found, input_of(model.config))
    put_arrays(model, arrays, path)
    return list(arrays)


def _from_classifier(file, layout):
    """Arrays by minissd's names, and the input that they are for as `change_input` wants it."""
    source = reduce_fully_connected(file.arrays, layout.layers[NUM_CONVOLUTIONS:], file.path)
    arrays = {
        f"{ours}.{kind}": source[f"{theirs}.{kind}"]
        for ours, theirs in zip(VGG_LAYERS, layout.layers)
        for kind in ("weight", "bias")
        if f"{theirs}.{kind}" in source
    }
    if not np.isnan(arrays.get("fc6.weight", 0)).any():
        return arrays, (layout.channel_order, layout.std_rgb)
    convolutions = {name: array for name, array in arrays.items() if name.split(".")[0] in CONVOLUTIONS}
    return convolutions, (layout.channel_order, UNIT_STD)  # such files were made for SSD's input


def _from_detector(file):
    """As `_from_classifier`, of all layers but the heads."""
    model = model_for(file)
    checkpoint = checkpoint_in(file, model)
    require_fitting_shapes(shapes_of(model), checkpoint.arrays, file.path)
    arrays = {n: a for n, a in checkpoint.arrays.items() if not n.split(".")[0].endswith("_head")}
    return arrays, input_of(checkpoint.config)


def reduce_fully_connected(arrays, layers, path):
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
    layers : pair of str
        Their names: ``("classifier.0", "classifier.3")`` in torchvision's VGG16.
    path : str or Path
        Of the file, for the message.

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
    >>> reduced = reduce_fully_connected(fc6 | fc7, ("fc6", "fc7"), "file")
    >>> reduced["fc6.weight"].shape, reduced["fc6.bias"], reduced["fc7.weight"].shape
    ((2, 2, 3, 3), array([0, 4]), (2, 2, 1, 1))
    """
    reduced = dict(arrays)
    first = f"{layers[0]}.weight"
    if first not in arrays or np.shape(arrays[first])[2:] == (3, 3):
        return reduced
    inputs = None  # of fc6 any number, of fc7 the outputs of fc6
    for layer, (side, steps) in zip(layers, FULLY_CONNECTED, strict=True):
        kernels, bias = _as_convolution(arrays, layer, side, inputs, path)  # (O, I, side, side), (O,)
        inputs = len(kernels)
        reduced[f"{layer}.weight"] = kernels[tuple(slice(None, None, step) for step in steps)].copy()
        reduced[f"{layer}.bias"] = bias[:: steps[0]].copy()
    return reduced


def _as_convolution(arrays, layer, side, inputs, path):
    """The kernels and the bias of a fully connected layer that sees maps of side x side; nothing copied."""
    names = (f"{layer}.weight", f"{layer}.bias")
    for name in names:
        if name not in arrays:
            raise input_error(path, f"{name} is missing", "use one whole VGG16")
    weight, bias = (np.asarray(arrays[name]) for name in names)
    outputs, values = math.prod(weight.shape[:1]), side * side  # a lone number has one output
    inputs = inputs or math.prod(weight.shape[1:]) // values
    flat, square = (outputs, inputs * values), (outputs, inputs, side, side)
    for name, found, wanted in zip(names, (weight.shape, bias.shape), ((flat, square), ((outputs,),))):
        if found not in wanted:
            problem = f"{name} has shape {found} instead of {wanted[0]}"
            raise input_error(path, problem, "use one whole VGG16")
    return weight.reshape(square), bias
