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

COCO_CLASSES = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog"),
    *("horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella"),
    *("handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite"),
    *("baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle"),
    *("wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange"),
    *("broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant"),
    *("bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    *("microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors"),
    *("teddy bear", "hair drier", "toothbrush"),
)

COCO_UNUSED_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)  # numbers up to 90 that no category of COCO has


def coco_names_by_id():
    """Return 90 names, so that COCO's category id i has entry i - 1; unused ids are called "(unused 12)".

    Networks whose labels are category ids, as torchvision's, have these classes.

    Examples
    --------
    >>> coco_names_by_id()[10:13]
    ('fire hydrant', '(unused 12)', 'stop sign')
    """
    names = iter(COCO_CLASSES)
    return tuple(f"(unused {i})" if i in COCO_UNUSED_IDS else next(names) for i in range(1, 91))


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
