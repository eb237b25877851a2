"""Putting arrays into a model: all of them if they fit, and none if one does not."""

from __future__ import annotations

import numpy as np

from minissd.backend import device_of, to_device
from minissd.errors import input_error

MOST_LISTED = 200  # problems that a message lists; SSD512 has 81 arrays


def shapes_of(model):
    """Return the shape of every parameter and buffer of a model by name."""
    return {name: array.shape for store in (model.params, model.buffers) for name, array in store.items()}


def require_fitting_shapes(wanted, arrays, path):
    """Raise an `InputError` that lists all arrays that are missing, unknown or of another shape.

    Parameters
    ----------
    wanted : dict of str to tuple of int
        Shapes by name.
    arrays : dict of str to ndarray
    path : str or Path
        Of the file, for the message.
    """
    problems = [f"{name} is missing" for name in wanted if name not in arrays]
    problems += [f"{name} is unknown" for name in arrays if name not in wanted]
    problems += [
        f"{name} has shape {arrays[name].shape} instead of {shape}"
        for name, shape in wanted.items()
        if name in arrays and arrays[name].shape != shape
    ]
    if problems:
        listed = "; ".join(problems[:MOST_LISTED]) + ("; ..." if len(problems) > MOST_LISTED else "")
        raise input_error(
            path,
            f"does not fit the model in {len(problems)} arrays: {listed}",
            "use the network that it was trained with; --base takes all but the heads",
        )


def put_arrays(model, arrays, path, copy=True):
    """Put arrays of fitting shapes into the model's parameters and buffers, by name.

    Parameters
    ----------
    model : SSD
    arrays : dict of str to ndarray
    path : str or Path
        Of the file, for the message.
    copy : bool
        False: an array that is of the right dtype and may be written to becomes the model's own.

    Raises
    ------
    InputError
        If a number is NaN, infinite or too large for the model. The model is then unchanged.
    """
    stores = {name: store for store in (model.params, model.buffers) for name in store}
    for name, array in arrays.items():
        most = np.finfo(stores[name][name].dtype).max
        if not -most <= array.min() <= array.max() <= most:  # NaN is the minimum then, and not larger
            problem = f"{name} holds NaN, infinite or too large numbers"
            raise input_error(path, problem, "train again with a lower learning rate")
    for name, array in arrays.items():
        must_copy = copy or not array.flags.writeable
        store = stores[name]
        fitting = array.astype(store[name].dtype, order="C", copy=must_copy)
        store[name] = to_device(fitting, device_of(store[name]))
