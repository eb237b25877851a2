"""Base networks: a VGG16 that has learned to classify images, from which SSD starts to learn detection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd.errors import input_error
from minissd.weights import translate
from minissd.weights.caffe_file import reduce_fully_connected
from minissd.weights.layouts import BGR, PLACES, RGB, VGG_LAYERS, in_order, in_sequence

UNIT_STD = (1.0, 1.0, 1.0)
IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)  # of pixel values 0...255
NUM_CONVOLUTIONS = 13  # the layers before fc6


@dataclass(frozen=True)
class BaseLayout:
    """How one implementation names the layers of VGG16.

    Attributes
    ----------
    name : str
    layers : tuple of str
        Names of the layers in `VGG_LAYERS`; fc6 and fc7 may be fully connected.
    channel_order, std_rgb
        As in `minissd.weights.layouts.Layout`.
    """

    name: str
    layers: tuple[str, ...]
    channel_order: str = RGB
    std_rgb: tuple[float, float, float] = UNIT_STD


BASE_LAYOUTS = (
    BaseLayout("amdegroot's vgg16_reducedfc", in_sequence("")),
    BaseLayout(
        "torchvision's vgg16",
        (*in_sequence("features.", PLACES[:NUM_CONVOLUTIONS]), "classifier.0", "classifier.3"),
        std_rgb=IMAGENET_STD,
    ),
    BaseLayout("Caffe's VGG16", VGG_LAYERS, channel_order=BGR),
)


def recognize(names):
    """Return the base layout whose convolutions are all among these names of arrays, or None."""
    for layout in BASE_LAYOUTS:
        if all(f"{layer}.weight" in names for layer in layout.layers[:NUM_CONVOLUTIONS]):
            return layout
    return None


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
    of the first layer. Means that differ by less than one grey value are left alone.
    """
    from minissd.weights.formats import read_file
    from minissd.weights.loading import checkpoint_in, model_for

    file = read_file(path)
    layout = recognize(file.arrays)
    if layout and translate.recognize(file.arrays)[0] is None:
        arrays = _from_classifier(file, layout, model.config)
    else:
        checkpoint = checkpoint_in(file, model_for(file))
        arrays = {n: a for n, a in checkpoint.arrays.items() if not n.split(".")[0].endswith("_head")}
        _match_input(arrays, checkpoint.config, model.config)
    _put(model, arrays, file.path)
    return list(arrays)


def _from_classifier(file, layout, config):
    """Arrays by minissd's names, for a network with the input of this configuration."""
    fully_connected = layout.layers[NUM_CONVOLUTIONS:]
    weights = {name: a for name, a in file.arrays.items() if name.rsplit(".", 1)[0] in layout.layers}
    std_rgb = layout.std_rgb
    if any(np.isnan(weights.get(f"{layer}.weight", 0)).any() for layer in fully_connected):
        weights = {n: a for n, a in weights.items() if n.rsplit(".", 1)[0] not in fully_connected}
        std_rgb = UNIT_STD  # such files were made for SSD's input, not for the classifier's
    weights = reduce_fully_connected(weights, fully_connected)
    ours = dict(zip(layout.layers, VGG_LAYERS))
    arrays = {f"{ours[n.rsplit('.', 1)[0]]}.{n.rsplit('.', 1)[1]}": a for n, a in weights.items()}
    first = arrays["conv1_1.weight"]
    first = in_order(first, layout.channel_order) / np.asarray(std_rgb, first.dtype)[:, None, None]
    arrays["conv1_1.weight"] = in_order(first * first.dtype.type(config.pixel_scale), config.channel_order)
    return arrays


def _match_input(arrays, found, wanted):
    """Bring the first layer of VGG16 from one configuration's input to another's."""
    if found.base == "vgg16":
        first = in_order(arrays["conv1_1.weight"], found.channel_order)
        scale = first.dtype.type(wanted.pixel_scale / found.pixel_scale)
        arrays["conv1_1.weight"] = in_order(first * scale, wanted.channel_order)


def _put(model, arrays, path):
    stores = {**dict.fromkeys(model.params, model.params), **dict.fromkeys(model.buffers, model.buffers)}
    for name in arrays:
        if name not in stores:
            problem = f"{name} is not in a {model.config.name}"
            raise input_error(path, problem, "choose the model that these weights are for")
    translate.require_fitting_shapes({name: stores[name][name].shape for name in arrays}, arrays, path)
    for name, array in arrays.items():
        stores[name][name] = array.astype(stores[name][name].dtype, order="C")
