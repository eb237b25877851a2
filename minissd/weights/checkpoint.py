"""minissd's own weight files: safetensors with the configuration and the class names in the metadata."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from minissd.backend import to_cpu
from minissd.config import SSDConfig
from minissd.errors import input_error
from minissd.weights import safetensors_file
from minissd.weights.opening import shown

METADATA = "minissd"  # one entry, because the order of several in a file is left to chance
STATE_PREFIX = "state/"  # arrays of a training run, beside the model's own


@dataclass(frozen=True)
class Checkpoint:
    """What a weight file holds.

    Attributes
    ----------
    arrays : dict of str to ndarray
        Parameters and running statistics by name, as in ``conv4_3.weight``.
    config : SSDConfig
        Of the model that was saved.
    class_names : tuple of str
        Without the background: class 1 is the first.
    state : dict of str to ndarray
        What a training run needs to go on (see `minissd.train`); empty in a plain weight file.
    details : dict
        Numbers and words beside the arrays, such as the training step.
    """

    arrays: dict[str, np.ndarray]
    config: SSDConfig
    class_names: tuple[str, ...]
    state: dict[str, np.ndarray]
    details: dict


def save(model, path, class_names=(), state=None, details=None):
    """Write a model's weights to a file, the same wherever the model is.

    An existing file is replaced only when the new one is complete.

    Parameters
    ----------
    model : SSD
    path : str or Path
        Usually ends in ``.safetensors``.
    class_names : sequence of str
        Names of classes 1...C-1.
    state : dict of str to ndarray, optional
        Further arrays, kept apart from the model's.
    details : dict, optional
        Anything that JSON can hold.

    Raises
    ------
    InputError
        If the file cannot be written, or the number of names does not fit the model.
    """
    arrays = {**model.params, **model.buffers}
    write(path, Checkpoint(arrays, model.config, tuple(class_names), state or {}, details or {}))


def write(path, checkpoint):
    """Write a checkpoint in minissd's format; errors as `save`."""
    require_fitting_names(checkpoint.config, checkpoint.class_names, path)
    state = {STATE_PREFIX + name: array for name, array in checkpoint.state.items()}
    about = {
        "config": checkpoint.config.to_dict(),
        "class_names": list(checkpoint.class_names),
        "details": checkpoint.details,
    }
    arrays = {name: to_cpu(array) for name, array in (checkpoint.arrays | state).items()}
    safetensors_file.write(path, arrays, {METADATA: json.dumps(about)})


def is_checkpoint(file):
    """Whether a `WeightFile` is in minissd's own format."""
    return METADATA in file.metadata


def from_file(file):
    """Return the checkpoint in a `WeightFile` of minissd's own format; raise InputError if it is damaged."""
    state = {n.removeprefix(STATE_PREFIX): a for n, a in file.arrays.items() if n.startswith(STATE_PREFIX)}
    arrays = {n: a for n, a in file.arrays.items() if not n.startswith(STATE_PREFIX)}
    try:
        about = json.loads(file.metadata[METADATA])
        config = SSDConfig.from_dict(about["config"])
        names, details = tuple(about["class_names"]), about["details"]
        if not all(isinstance(name, str) and name.isprintable() for name in names):
            raise TypeError("class_names must be words")
        if not isinstance(details, dict):
            raise TypeError("details must be a dictionary")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise input_error(file.path, f"damaged metadata: {shown(error)}", "copy or train it again") from error
    require_fitting_names(config, names, file.path)
    return Checkpoint(arrays, config, names, state, details)


def require_fitting_names(config, class_names, where):
    """Raise an `InputError` that names `where`, unless each class of objects has a name, or none has."""
    if class_names and len(class_names) != config.num_classes - 1:
        raise input_error(
            where,
            f"{len(class_names)} class names for {config.num_classes} classes",
            "leave out the background",
        )
