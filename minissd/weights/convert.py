"""Rewriting weight files: any known layout in, any known layout out, as safetensors."""

from __future__ import annotations

from dataclasses import replace

from minissd.choice import chosen
from minissd.config import CONFIGS
from minissd.conventions import convention_named
from minissd.errors import InputError
from minissd.weights import checkpoint as own
from minissd.weights import safetensors_file
from minissd.weights.layouts import LAYOUTS
from minissd.weights.loading import read
from minissd.weights.translate import to_layout, usual_config

MINISSD = "minissd"
BOX_FIELDS = ("steps", "min_sizes", "max_sizes", "aspect_ratios", "clip")
KEPT_FIELDS = ("num_classes", "mean_rgb", "pixel_scale", "channel_order", "resize")


def convert_file(path, output, layout=MINISSD, class_names=None, config_name=None, convention=None):
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
        ``model.load_state_dict(safetensors.torch.load_file(output))`` takes them.
    class_names : sequence of str, optional
        Names of classes 1...C-1; by default those that the file has, or that its number of classes suggests.
    config_name : str, optional
        A key of `minissd.config.CONFIGS`, for default boxes of other sizes than is guessed.
    convention : str, optional
        A key of `minissd.conventions.CONVENTIONS`, for other rules than is guessed.

    Returns
    -------
    config : SSDConfig
        Of the network.
    losses : list of str
        What a file in this layout cannot say and its user must know, a sentence each.

    Raises
    ------
    InputError
        If the file cannot be read or written, the layout is unknown, or it has no such network.
    """
    theirs = chosen({MINISSD: None, **LAYOUTS}, layout, "layout", "layout")
    checkpoint = read(path)
    config = _config_by(checkpoint.config, config_name, convention)
    checkpoint = replace(checkpoint, config=config)
    if class_names is not None:
        checkpoint = replace(checkpoint, class_names=tuple(class_names))
        own.require_fitting_names(config, class_names, "--classes")
    if theirs is None:
        own.write(output, checkpoint)
        return config, []
    arrays = to_layout(checkpoint.arrays, config, theirs, path)
    safetensors_file.write(output, arrays, {"format": "pt"})
    return config, losses_in(theirs, config)


def losses_in(layout, config):
    """Say what weights lose in a layout: class names, and whatever its implementation has otherwise.

    Parameters
    ----------
    layout : Layout
    config : SSDConfig
        Of the network that is written.

    Returns
    -------
    list of str
    """
    usual = usual_config(layout, len(config.feature_maps), config.num_classes)
    losses = ["the file does not hold the names of the classes"]
    for field in BOX_FIELDS:
        own_value, theirs = getattr(config, field), getattr(usual, field)
        if own_value != theirs:
            losses.append(
                f"{layout.name} takes {theirs} for {field}: set {own_value} there, or boxes are wrong"
            )
    return losses


def _config_by(config, name, convention):
    """A configuration with another's default boxes and a convention's rules, where these are given."""
    if name is None and convention is None:
        return config
    base = chosen(CONFIGS, name or config.name, "config", "configuration")
    if base.feature_maps != config.feature_maps:
        raise InputError(f"config: {base.name} has other feature maps than these weights (leave it out)")
    kept = {field: getattr(config, field) for field in KEPT_FIELDS}
    return convention_named(convention or config.convention).config(replace(base, **kept))
