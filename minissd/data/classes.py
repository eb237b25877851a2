"""Class lists of well-known datasets, in their official order and without the background; names of labels."""

from __future__ import annotations

from minissd.errors import input_error

VOC_CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)


def class_name_of(label, class_names, where):
    """Return the name of a label; raise an `InputError` that names `where`, if it has none.

    Examples
    --------
    >>> class_name_of(2, ("cat", "dog"), "pet.jpg")
    'dog'
    """
    if not 1 <= label <= len(class_names):
        raise input_error(
            where,
            f"label {label} has no class name",
            f"labels go from 1 to {len(class_names)}, 0 is background",
        )
    return class_names[label - 1]
