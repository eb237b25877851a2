"""Rewriting weight files: any known layout in, any known layout out, as safetensors."""

from __future__ import annotations

from dataclasses import replace

from minissd.choice import chosen
from minissd.config import CONFIGS
from minissd.errors import InputError
from minissd.weights import checkpoint as own
from minissd.weights import safetensors_file
from minissd.weights.layouts import LAYOUTS
from minissd.weights.loading import read
from minissd.weights.translate import to_layout

MINISSD = "minissd"


def convert_file(path, output, layout=MINISSD, class_names=None, config_name=None):
    """Read weights of any known layout and write them as safetensors.

    Parameters
    ----------
    path : str or Path
        As in `minissd.weights.read`.
    output : str or Path
        An existing file is replaced only when the new one is complete.
    layout : str
        ``"minissd"``, or a key of `minissd.weights.layouts.LAYOUTS`: the arrays then have the names, shapes
        and orders of that implementation, so that in PyTorch
        ``model.load_state_dict(safetensors.torch.load_file(output))`` takes them. Class names and rules are
        not part of such a file.
    class_names : sequence of str, optional
        Names of classes 1...C-1; by default those that the file has, or that its number of classes suggests.
    config_name : str, optional
        A key of `minissd.config.CONFIGS`, for default boxes of other sizes than is guessed.

    Returns
    -------
    Checkpoint
        What was read.

    Raises
    ------
    InputError
        If the file cannot be read or written, the layout is unknown, or it has no such network.
    """
    theirs = chosen({MINISSD: None, **LAYOUTS}, layout, "layout", "layout")
    checkpoint = read(path)
    if config_name is not None:
        other = chosen(CONFIGS, config_name, "config", "configuration")
        checkpoint = replace(checkpoint, config=_with_boxes_of(checkpoint.config, other))
    if class_names is not None:
        checkpoint = replace(checkpoint, class_names=tuple(class_names))
        own.require_fitting_names(checkpoint.config, class_names, "--classes")
    if theirs is None:
        own.write(output, checkpoint)
    else:
        arrays = to_layout(checkpoint.arrays, checkpoint.config, theirs, path)
        safetensors_file.write(output, arrays, {"format": "pt"})
    return checkpoint


def _with_boxes_of(config, other):
    if other.feature_maps != config.feature_maps:
        raise InputError(f"config: {other.name} has other feature maps than these weights (leave it out)")
    return replace(config, name=other.name, min_sizes=other.min_sizes, max_sizes=other.max_sizes)
