"""minissd's own weight files: safetensors with the configuration and the class names in the metadata."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from minissd.config import SSDConfig
from minissd.errors import InputError, input_error
from minissd.files import written_whole

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
    """Write a model's weights to a file; an existing one is replaced only when the new one is complete.

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
    require_fitting_names(model.config, class_names, path)
    arrays = {**model.params, **model.buffers}
    arrays |= {STATE_PREFIX + name: array for name, array in (state or {}).items()}
    about = {
        "config": model.config.to_dict(),
        "class_names": list(class_names),
        "details": details or {},
    }
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with written_whole(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(contiguous, {METADATA: json.dumps(about)}))


def read(path):
    """Read a weight file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Checkpoint

    Raises
    ------
    InputError
        If there is no such file, it is cut off or damaged, or it is not one of minissd's.
    """
    path = Path(path)
    if path.is_dir():
        raise input_error(path, "is a folder, not a weight file", "name the .safetensors file in it")
    if not path.is_file():
        raise input_error(path, "no such file", "train a model first: minissd train --help")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (safetensors.SafetensorError, OSError) as error:
        raise input_error(
            path, f"not a complete safetensors file: {error}", "copy or train it again"
        ) from error
    if METADATA not in metadata:
        raise input_error(
            path, "holds arrays but no minissd configuration", "use a file that minissd train or save wrote"
        )
    state = {n.removeprefix(STATE_PREFIX): a for n, a in arrays.items() if n.startswith(STATE_PREFIX)}
    arrays = {n: a for n, a in arrays.items() if not n.startswith(STATE_PREFIX)}
    try:
        about = json.loads(metadata[METADATA])
        config = SSDConfig.from_dict(about["config"])
        return Checkpoint(arrays, config, tuple(about["class_names"]), state, about["details"])
    except (KeyError, TypeError, ValueError) as error:
        raise input_error(path, f"damaged metadata: {error}", "copy or train it again") from error


def load(model, path, class_names=None):
    """Put the weights of a file into a model, in place.

    Parameters
    ----------
    model : SSD
    path : str or Path
    class_names : sequence of str, optional
        The names that the file must be for, in order; not checked by default.

    Returns
    -------
    Checkpoint
        The file's content.

    Raises
    ------
    InputError
        As `read`, and if the file is of another configuration, number of classes, image size or class
        list; the message lists every array that is missing, unknown or of another shape. The model is
        then unchanged.
    """
    checkpoint = read(path)
    _require_same_model(model.config, checkpoint.config, path)
    if class_names is not None and tuple(class_names) != checkpoint.class_names:
        found = ", ".join(checkpoint.class_names) or "(without names)"
        raise input_error(
            path,
            f"was trained for the classes {found}, not {', '.join(class_names)}",
            "use data with the same classes, or train anew",
        )
    put_arrays(model, checkpoint.arrays, path)
    return checkpoint


def load_model(path):
    """Build the model that a weight file is for, with its weights.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    model : SSD
    class_names : tuple of str

    Raises
    ------
    InputError
        As `load`.
    """
    from minissd.models import SSD

    checkpoint = read(path)
    model = SSD(checkpoint.config)
    put_arrays(model, checkpoint.arrays, path)
    return model, checkpoint.class_names


def put_arrays(model, arrays, path):
    """Copy arrays into the model's parameters and buffers by name, or say everything that does not fit."""
    stores = {**dict.fromkeys(model.params, model.params), **dict.fromkeys(model.buffers, model.buffers)}
    problems = [f"{name} is missing" for name in stores if name not in arrays]
    problems += [f"{name} is unknown" for name in arrays if name not in stores]
    for name in sorted(stores.keys() & arrays.keys()):
        if stores[name][name].shape != arrays[name].shape:
            problems.append(f"{name} has shape {arrays[name].shape} instead of {stores[name][name].shape}")
    if problems:
        raise input_error(
            path,
            f"does not fit the model in {len(problems)} arrays: {'; '.join(problems)}",
            "use the network that it was trained with, or train anew",
        )
    for name, store in stores.items():
        store[name] = arrays[name].astype(store[name].dtype)


def require_fitting_names(config, class_names, where):
    """Raise an `InputError` that names `where`, unless each class of objects has a name, or none has."""
    if class_names and len(class_names) != config.num_classes - 1:
        raise input_error(
            where,
            f"{len(class_names)} class names for {config.num_classes} classes",
            "leave out the background",
        )


def _require_same_model(wanted, found, path):
    for field, meaning in (
        ("num_classes", "classes (with the background)"),
        ("image_size", "pixels of input"),
        ("base", "as base network"),
    ):
        if getattr(wanted, field) != getattr(found, field):
            raise InputError(
                f"{path}: was trained with {getattr(found, field)} {meaning}, the model has "
                f"{getattr(wanted, field)} (use the model and classes of these weights, or do without)"
            )
    if wanted != found:
        differing = [f for f in wanted.to_dict() if getattr(wanted, f) != getattr(found, f)]
        raise input_error(
            path,
            f"is of another configuration: {', '.join(differing)} differ",
            "use the model of these weights, or train without them",
        )
