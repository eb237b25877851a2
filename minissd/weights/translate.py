"""From the arrays of another implementation's file to minissd's, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from minissd.config import CONFIGS
from minissd.data.classes import COCO_CLASSES, VOC_CLASSES, coco_names_by_id
from minissd.errors import input_error
from minissd.weights.layouts import LAYOUTS, SOURCES, in_order

KNOWN_CLASSES = {  # by the number of classes with the background
    len(names) + 1: names for names in (VOC_CLASSES, COCO_CLASSES, coco_names_by_id())
}
SIDES = {6: 300, 7: 512}  # of the input, by the number of source maps
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
        If no head tells the number of classes.
    """
    side = SIDES[num_maps]
    voc = CONFIGS[f"ssd{side}-voc"]
    for source, per_cell in zip(SOURCES, voc.boxes_per_cell):
        _, logits = layout.arrays(num_maps)[f"{source}_head.bias"]
        if logits in arrays and arrays[logits].ndim == 1 and len(arrays[logits]) >= 2 * per_cell:
            num_classes = len(arrays[logits]) // per_cell
            break
    else:
        raise input_error(path, f"has no {logits}, which tells the number of classes", "is it complete?")
    like_coco = {"81": num_classes == 81, "not 21": num_classes != 21, "all": True}[layout.coco_sizes]
    config = CONFIGS[f"ssd{side}-coco"] if like_coco else voc
    return layout.config(replace(config, num_classes=num_classes))


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
    names = layout.arrays(len(model.config.feature_maps))
    if layout.norm in arrays:
        arrays[layout.norm] = arrays[layout.norm].reshape(-1)  # some keep it as (1, 512, 1, 1)
    require_fitting_shapes(_shapes(names, model), arrays, path)
    translated = {}
    for ours, parts in names.items():
        pieces = [arrays.pop(name) for name in parts]
        if len(pieces) == 2:
            pieces[0] = _reorder_offsets(pieces[0], layout.offset_order)
        translated[ours] = np.concatenate(pieces) if len(pieces) == 2 else pieces[0]
    first = translated["conv1_1.weight"]
    as_rgb = in_order(first, layout.channel_order) / _column(layout.std_rgb, first)
    config = model.config
    as_rgb *= first.dtype.type(config.pixel_scale)
    translated["conv1_1.weight"] = in_order(as_rgb, config.channel_order)
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
    num_maps = len(config.feature_maps)
    if config.base != "vgg16" or num_maps not in layout.num_maps:
        known = " and ".join(f"SSD{SIDES[number]}" for number in layout.num_maps)
        problem = f"is a {config.name}, {layout.name} has only {known}"
        raise input_error(path, problem, "choose another layout")
    translated = {}
    for ours, parts in layout.arrays(num_maps).items():
        pieces = [arrays[ours]]
        if len(parts) == 2:
            pieces = np.split(arrays[ours], [4 * _boxes_per_cell(config, ours)])
            pieces[0] = _reorder_offsets(pieces[0], np.argsort(layout.offset_order))
        translated |= zip(parts, pieces)
    first = translated[layout.arrays(num_maps)["conv1_1.weight"][0]]
    as_rgb = in_order(first, config.channel_order) / first.dtype.type(config.pixel_scale)
    as_rgb = as_rgb * _column(layout.std_rgb, first)
    translated[layout.arrays(num_maps)["conv1_1.weight"][0]] = in_order(as_rgb, layout.channel_order)
    return translated


def require_fitting_shapes(wanted, arrays, path):
    """Raise an `InputError` that lists all arrays that are missing, unknown or of another shape.

    Parameters
    ----------
    wanted : dict of str to tuple of int
        Shapes by name.
    arrays : dict of str to ndarray
    path : Path
    """
    problems = [f"{name} is missing" for name in wanted if name not in arrays]
    problems += [f"{name} is unknown" for name in arrays if name not in wanted]
    problems += [
        f"{name} has shape {arrays[name].shape} instead of {shape}"
        for name, shape in wanted.items()
        if name in arrays and arrays[name].shape != shape
    ]
    if problems:
        raise input_error(
            path,
            f"does not fit the model in {len(problems)} arrays: {'; '.join(problems)}",
            "use the network that it was trained with, or train anew",
        )


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


def _reorder_offsets(array, order):
    """Bring the rows of a head's offsets, four to a box, into another order."""
    return array.reshape(-1, 4, *array.shape[1:])[:, order].reshape(array.shape)


def _column(values, weight):
    """Three numbers, one per input channel, ready to be multiplied with weights (O, 3, K, K)."""
    return np.asarray(values, weight.dtype)[:, None, None]
