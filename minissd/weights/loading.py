"""From a file of any known kind and layout to a model."""

from __future__ import annotations

from minissd.conventions import convention_of
from minissd.errors import InputError, input_error
from minissd.models import SSD
from minissd.nn.initialization import UNDRAWN
from minissd.weights import checkpoint as own
from minissd.weights import translate
from minissd.weights.base_layouts import recognize_base
from minissd.weights.fitting import put_arrays, require_fitting_shapes, shapes_of
from minissd.weights.formats import read_file
from minissd.weights.layouts import LAYOUTS

FEW = 3  # names of a file that a message shows


def read(path, config=None):
    """Read a weight file.

    Parameters
    ----------
    path : str or Path
        A file that minissd wrote; or the weights of an SSD300 or SSD512 by torchvision, amdegroot, lufficc,
        chainercv, sgrvinod or the authors (Caffe), as .pth, .safetensors, .npz or .caffemodel.
    config : SSDConfig, optional
        The network that the weights of another implementation are for. By default it is found out from
        their names and shapes; only the sizes of the default boxes are in no such file, and are assumed to
        be that implementation's.

    Returns
    -------
    Checkpoint
        With arrays by minissd's names. Those of a .caffemodel are views of the file: it must not be
        overwritten as long as they are in use.

    Raises
    ------
    InputError
        If there is no such file, it is cut off or damaged, or it is of no known format or layout; the
        message lists every array that is missing, unknown or of another shape.
    """
    file = read_file(path)
    return own.from_file(file) if own.is_checkpoint(file) else checkpoint_in(file, model_for(file, config))


def load(model, path, class_names=None):
    """Put the weights of a file into a model, in place.

    Parameters
    ----------
    model : SSD
    path : str or Path
        As in `read`. Another implementation's weights are brought to the model's order of colours; the rules
        for default boxes and detection stay the model's own (`load_model` takes them from the file).
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
        list. The model is then unchanged.
    """
    file = read_file(path)
    checkpoint = checkpoint_in(file, model)
    if own.is_checkpoint(file):
        _require_same_model(model.config, checkpoint.config, path)
        _require_same_classes(class_names, checkpoint.class_names, path)
    require_fitting_shapes(shapes_of(model), checkpoint.arrays, path)
    put_arrays(model, checkpoint.arrays, path)
    return checkpoint


def load_model(path, config=None):
    """Build the model that a weight file is for, with its weights.

    Parameters
    ----------
    path : str or Path
    config : SSDConfig, optional
        As in `read`.

    Returns
    -------
    model : SSD
    class_names : tuple of str
        Those of VOC or COCO for another implementation's file with as many classes, otherwise none.

    Raises
    ------
    InputError
        As `load`.
    """
    file = read_file(path)
    model = model_for(file, config)
    checkpoint = checkpoint_in(file, model)
    require_fitting_shapes(shapes_of(model), checkpoint.arrays, path)
    put_arrays(model, checkpoint.arrays, path, copy=False)
    return model, checkpoint.class_names


def undrawn_model(config):
    """Return a model whose weights are all zero, and take no memory until they are replaced."""
    return SSD(config, UNDRAWN)


def model_for(file, config=None):
    """Build the model that a `WeightFile` is for, undrawn.

    Parameters
    ----------
    file : WeightFile
    config : SSDConfig, optional
        As in `read`.

    Returns
    -------
    SSD
    """
    if own.is_checkpoint(file):
        return _model_of(own.from_file(file), file.path)
    layout, num_maps = _recognized(file)
    return undrawn_model(config or translate.config_of(layout, num_maps, file.arrays, file.path))


def _model_of(checkpoint, path):
    """The undrawn model of a checkpoint, if its arrays are as many as its configuration says."""
    config = checkpoint.config
    heads = [len(a) for n, a in checkpoint.arrays.items() if n.endswith("_head.bias") and a.ndim == 1]
    if sorted(heads) != sorted(k * (4 + config.num_classes) for k in config.boxes_per_cell):
        problem = f"heads of {heads} rows are not those of {config.name} with {config.num_classes} classes"
        raise input_error(path, problem, "copy or train it again")
    try:
        convention_of(config)
        return undrawn_model(config)
    except InputError as error:
        fix = "add it first if it is of your own, else copy the file again"
        raise input_error(path, f"its network cannot be built: {error}", fix) from error


def checkpoint_in(file, model):
    """Return the checkpoint in a `WeightFile`.

    Parameters
    ----------
    file : WeightFile
        The arrays of another implementation are taken out of it as they are translated.
    model : SSD
        That another implementation's weights must fit. minissd's own files know theirs.

    Returns
    -------
    Checkpoint
    """
    if own.is_checkpoint(file):
        return own.from_file(file)
    layout, _ = _recognized(file)
    arrays = translate.from_layout(file.arrays, layout, model, file.path)
    class_names = translate.class_names_of(model.config)
    return own.Checkpoint(arrays, model.config, class_names, {}, {"layout": layout.name})


def _recognized(file):
    """The layout of another implementation's file, and its number of maps."""
    layout, num_maps = translate.recognize(file.arrays)
    if layout is None:
        raise _unrecognized(file)
    return layout, num_maps


def _unrecognized(file):
    if recognize_base(file.arrays):
        return input_error(
            file.path,
            "holds a VGG16 without SSD's own layers",
            f"start a training from it: minissd train --base {file.path.name}, or weights.load_base",
        )
    names = sorted(file.arrays)
    shown = ", ".join(names[:FEW]) + (", ..." if len(names) > FEW else "")
    return input_error(
        file.path,
        f"its arrays ({len(names)}: {shown}) are not those of an SSD that is known here",
        f"minissd reads its own files, and SSD300 and SSD512 with VGG16 by {', '.join(LAYOUTS)}",
    )


def _require_same_classes(wanted, found, path):
    if wanted is not None and tuple(wanted) != found:
        raise input_error(
            path,
            f"was trained for the classes {', '.join(found) or '(without names)'}, not {', '.join(wanted)}",
            "use data with the same classes, or train anew",
        )


def _require_same_model(wanted, found, path):
    for field, meaning in (
        ("num_classes", "classes (with the background)"),
        ("image_size", "pixels of input"),
        ("base", "as base network"),
    ):
        if getattr(wanted, field) != getattr(found, field):
            raise input_error(
                path,
                f"was trained with {getattr(found, field)} {meaning}, the model has {getattr(wanted, field)}",
                "use the model and classes of these weights, or do without",
            )
    if wanted != found:
        differing = [f for f in wanted.to_dict() if getattr(wanted, f) != getattr(found, f)]
        raise input_error(
            path,
            f"is of another configuration, with other values of {', '.join(differing)}",
            "use the model of these weights, or train without them",
        )
