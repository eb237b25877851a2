"""One picture and its annotation file, outside any dataset."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from minissd.data.annotation import AnnotationWarning
from minissd.data.image import image_size, read_image
from minissd.data.sample import Sample
from minissd.data.voc_xml import fault_of_box, fractions, read_annotation
from minissd.errors import input_error


def read_annotated(image_path, annotation_path, class_names=None):
    """Read a picture and the objects that a VOC annotation file names in it.

    Parameters
    ----------
    image_path, annotation_path : str or Path
    class_names : sequence of str, optional
        Names of classes 1...C-1; by default the names in the file, sorted.

    Returns
    -------
    sample : Sample
    class_names : tuple of str

    Raises
    ------
    InputError
        If a file cannot be read, the annotation is for a picture of another size, or it names a class that
        is not among `class_names`.

    Warns
    -----
    AnnotationWarning
        If a box is skipped, because it is empty, reversed or not in the picture; and if neither the
        annotation's name nor its ``<filename>`` is that of the picture.
    """
    image_path, annotation_path = Path(image_path), Path(annotation_path)
    upright_size = image_size(image_path)
    raw = read_annotation(annotation_path)
    size = (raw.width, raw.height) if raw.width and raw.height else upright_size
    # As in VOCDetection: some tools annotate the pixels as they are stored, not as the camera was held.
    upright = size == upright_size
    if not upright and size != image_size(image_path, upright=False):
        width, height = upright_size
        raise input_error(
            annotation_path,
            f"<size> is {size[0]} x {size[1]}, but {image_path} is {width} x {height} pixels",
            "give the annotation of this picture",
        )
    _warn_of_other_name(image_path, annotation_path, raw.filename)
    objects = _without_faulty(raw.objects, size, annotation_path)
    names = tuple(sorted({o.name for o in objects}) if class_names is None else class_names)
    sample = Sample(
        image=read_image(image_path, upright),
        gt_xyxy=fractions(np.array([o.corners_px for o in objects]).reshape(-1, 4), *size),
        labels=_labels(objects, names, annotation_path),
        difficult=np.array([o.difficult for o in objects], dtype=bool),
        name=str(image_path),
    )
    return sample, names


def _warn_of_other_name(image_path, annotation_path, filename):
    named = filename.replace("\\", "/").rpartition("/")[2]
    stems = {annotation_path.stem, Path(named).stem}
    if named and image_path.stem not in stems:
        text = f"{annotation_path}: <filename> is {named}, perhaps this is not the annotation of {image_path}"
        warnings.warn(text, AnnotationWarning, stacklevel=3)


def _without_faulty(objects, size, path):
    faults = [fault_of_box(o.corners_px, *size) for o in objects]
    skipped = [
        f"object {i} ({o.name}) is {fault}"
        for i, (o, fault) in enumerate(zip(objects, faults), start=1)
        if fault
    ]
    if skipped:
        warnings.warn(f"{path}: skipped: {', '.join(skipped)}", AnnotationWarning, stacklevel=3)
    return [o for o, fault in zip(objects, faults) if not fault]


def _labels(objects, class_names, path):
    unknown = sorted({o.name for o in objects} - set(class_names))
    if unknown:
        raise input_error(
            path,
            f"<name> is {unknown[0]!r}, which is not a class of the model",
            f"its classes are {', '.join(class_names)}",
        )
    return np.array([class_names.index(o.name) + 1 for o in objects], dtype=np.int64)
