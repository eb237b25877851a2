"""One picture and its annotation file, outside any dataset."""

from __future__ import annotations

import warnings

import numpy as np

from minissd.data.image import read_image
from minissd.data.sample import Sample
from minissd.data.voc import AnnotationWarning
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
        If a file cannot be read or names a class that is not among `class_names`.

    Warns
    -----
    AnnotationWarning
        If a box is skipped, because it is empty, reversed or not in the picture.
    """
    image = read_image(image_path)
    raw = read_annotation(annotation_path)
    width, height = raw.width or image.shape[1], raw.height or image.shape[0]
    faults = [fault_of_box(o.corners_px, width, height) for o in raw.objects]
    skipped = [f"object {i} is {fault}" for i, fault in enumerate(faults, start=1) if fault]
    if skipped:
        warnings.warn(f"{annotation_path}: skipped: {', '.join(skipped)}", AnnotationWarning, stacklevel=2)
    objects = [o for o, fault in zip(raw.objects, faults) if not fault]
    if class_names is None:
        class_names = sorted({o.name for o in objects})
    unknown = sorted({o.name for o in objects} - set(class_names))
    if unknown:
        raise input_error(
            annotation_path,
            f"<name> is {unknown[0]!r}, which is not a class of the model",
            f"its classes are {', '.join(class_names)}",
        )
    corners_px = np.array([o.corners_px for o in objects]).reshape(-1, 4)
    labels = np.array([class_names.index(o.name) + 1 for o in objects], dtype=np.int64)
    difficult = np.array([o.difficult for o in objects], dtype=bool)
    sample = Sample(image, fractions(corners_px, width, height), labels, difficult, str(image_path))
    return sample, tuple(class_names)
