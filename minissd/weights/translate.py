"""From the arrays of another implementation's file to minissd's, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from minissd.config import CONFIGS
from minissd.data.classes import COCO_CLASSES, VOC_CLASSES, coco_names_by_id
from minissd.errors import InputError, input_error
from minissd.weights.fitting import require_fitting_shapes
from minissd.weights.layouts import LAYOUTS, RGB, SOURCES

KNOWN_CLASSES = {  # by the number of classes with the background
    len(names) + 1: names for names in (VOC_CLASSES, COCO_CLASSES, coco_names_by_id())
}
SIDES = {6: 300, 7: 512}  # of the input, by the number of source maps
FIRST = "conv1_1.weight"  # sees the colours
LEAST_LIKENESS = 0.5  # of the names of a file and of a layout, for the file to be of that layout


def recognize(names):
    """Find the layout whose names these are.

    Parameters
    ----------
    names : collection of str
        Of the arrays in a file.

    Returns
    -------
    layout : Layout or None
        None if fewer than half of the names are those of any layout.
    num_maps : int
        6 for SSD300, 7 for SSD512; 0 without a layout.
    """
    names = set(names)

    def likeness(candidate):
        layout, num_maps = candidate
        known = {name for parts in layout.arrays(num_maps).values() for name in parts}
        return len(names & known) / len(names | known)

    candidates = [(layout, num_maps) for layout in LAYOUTS.values() for num_maps in (6, 7)]
    best = max(candidates, key=likeness)
    return best if likeness(best) >= LEAST_LIKENESS else (None, 0)


def config_of(layout, num_maps, arrays, path):
    """Return the configuration of the network that arrays of a layout are for.

    Parameters
    ----------
    layout : Layout
    num_maps : int
    arrays : dict of str to ndarray
    path : Path
        Of the file, for the message.

    Returns
    -------
    SSDConfig
        The number of classes is that of the heads; the sizes of the default boxes, which no such file holds,
        are those that the layout's implementation has for it.

    Raises
    ------
    InputError
        If no head tells the number of classes, or there are too many.
    """
    num_classes = _num_classes(layout, num_maps, arrays, path)
    try:
        return usual_config(layout, num_maps, num_classes)
    except InputError as error:
        raise input_error(path, str(error)) from error


def usual_config(layout, num_maps, num_classes):
    """Return the configuration that a layout's implementation has for so many maps and classes."""
    like_coco = {"81": num_classes == 81, "not 21": num_classes != 21, "all": True}[layout.coco_sizes]
    config = CONFIGS[f"ssd{SIDES[num_maps]}-{'coco' if like_coco else 'voc'}"]
    return layout.config(replace(config, num_classes=num_classes))


def _num_classes(layout, num_maps, arrays, path):
    boxes_per_cell = CONFIGS[f"ssd{SIDES[num_maps]}-voc"].boxes_per_cell
    for source, per_cell in zip(SOURCES, boxes_per_cell):
        _, logits = layout.arrays(num_maps)[f"{source}_head.bias"]
        if logits in arrays and arrays[logits].ndim == 1 and len(arrays[logits]) >= 2 * per_cell:
            return len(arrays[logits]) // per_cell
    raise input_error(path, f"has no {logits}, which tells the number of classes", "is it complete?")


def class_names_of(config):
    """Return the names of VOC's or COCO's classes if a network has as many, otherwise none."""
    return KNOWN_CLASSES.get(config.num_classes, ())


def from_layout(arrays, layout, model, path):
    """Translate a file's arrays to minissd's names, orders and input.

    Parameters
    ----------
    arrays : dict of str to ndarray
        By the layout's names. What is translated is taken out, so that its memory is free.
    layout : Layout
    model : SSD
        The network that they must fit.
    path : Path
        Of the file, for the message.

    Returns
    -------
    dict of str to ndarray
        By minissd's names.

    Raises
    ------
    InputError
        If they do not fit; the message lists every array that is missing, unknown or of another shape.
    """
    config = model.config
    names = _names(layout, config, path)
    if layout.norm in arrays:
        arrays[layout.norm] = arrays[layout.norm].reshape(-1)  # some keep it as (1, 512, 1, 1)
    require_fitting_shapes(_shapes(names, model), arrays, path)
    translated = {
        ours: _joined([arrays.pop(name) for name in parts], layout.offset_order)
        for ours, parts in names.items()
    }
    their_input = layout.channel_order, layout.std_rgb
    translated[FIRST] = change_input(translated[FIRST], their_input, input_of(config))
    return translated


def to_layout(arrays, config, layout, path):
    """Translate minissd's arrays to a layout; the inverse of `from_layout`.

    Parameters
    ----------
    arrays : dict of str to ndarray
        By minissd's names.
    config : SSDConfig
        Of the network.
    layout : Layout
    path : Path
        Of the file that they are from, for the message.

    Returns
    -------
    dict of str to ndarray
        By the layout's names.

    Raises
    ------
    InputError
        If the layout's implementation has no such network.
    """
    names = _names(layout, config, path)
    their_input = layout.channel_order, layout.std_rgb
    arrays = {**arrays, FIRST: change_input(arrays[FIRST], input_of(config), their_input)}
    translated = {}
    for ours, parts in names.items():
        offsets = 4 * _boxes_per_cell(config, ours) if len(parts) == 2 else None
        translated |= zip(parts, _split(arrays[ours], offsets, np.argsort(layout.offset_order)))
    return translated


def change_input(weight, found, wanted):
    """Bring the weights of a first layer from one network's input to another's.

    Parameters
    ----------
    weight : (O, 3, K, K) float ndarray
    found, wanted : pair of str and three floats
        The order of the colours, ``"rgb"`` or ``"bgr"``, and what they are divided by, in RGB.

    Returns
    -------
    (O, 3, K, K) ndarray
        A new array. What it makes of the wanted input is what `weight` makes of the found one.

    Examples
    --------
    >>> weight = np.array([5.0, 6.0, 7.0]).reshape(1, 3, 1, 1)
    >>> change_input(weight, ("bgr", (1, 1, 1)), ("rgb", (10, 1, 1))).ravel()
    array([70.,  6.,  5.])
    """
    (found_order, found_std), (wanted_order, wanted_std) = found, wanted
    factors = np.divide(wanted_std, found_std).astype(np.result_type(weight, np.float32))
    with np.errstate(over="ignore"):  # `put_arrays` will refuse it
        as_rgb = _turned(weight, found_order) * factors[:, None, None]
    return np.ascontiguousarray(_turned(as_rgb, wanted_order))


def input_of(config):
    """Return the order of the colours, and what they are divided by, of the networks of a configuration."""
    return config.channel_order, (config.pixel_scale,) * 3


def _turned(weight, order):
    """From RGB to an order of the colours, or from there to RGB."""
    return weight if order == RGB else weight[:, ::-1]


def _names(layout, config, path):
    """The layout's names for a network, if its implementation has one like it."""
    num_maps = len(config.feature_maps)
    if config.base != "vgg16" or num_maps not in layout.num_maps:
        known = " and ".join(f"SSD{SIDES[number]}" for number in layout.num_maps)
        problem = f"the model is a {config.name}, {layout.name} has only {known}"
        raise input_error(path, problem, "choose another model or layout")
    return layout.arrays(num_maps)


def _shapes(names, model):
    """The shape that each array of a layout must have, by the layout's names."""
    shapes = {}
    for ours, parts in names.items():
        shape = model.params[ours].shape
        rows = [shape[0]]
        if len(parts) == 2:
            offsets = 4 * _boxes_per_cell(model.config, ours)
            rows = [offsets, shape[0] - offsets]
        shapes |= {name: (count, *shape[1:]) for name, count in zip(parts, rows)}
    return shapes


def _boxes_per_cell(config, head_array):
    return config.boxes_per_cell[SOURCES.index(head_array.split("_head")[0])]


def _joined(parts, order):
    """An array; or a head's, of its rows for the offsets, which come in this order, and for the logits."""
    return np.concatenate([_reordered(parts[0], order), parts[1]]) if len(parts) == 2 else parts[0]


def _split(array, offsets, order):
    """The array alone; or, of a head's, the rows of the offsets, brought into this order, and the rest."""
    return [array] if offsets is None else [_reordered(array[:offsets], order), array[offsets:]]


def _reordered(array, order):
    """Bring the rows of a head's offsets, four to a box, into another order."""
    return array.reshape(-1, 4, *array.shape[1:])[:, order].reshape(array.shape)
