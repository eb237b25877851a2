"""Writing in the format of COCO: data sets, annotations alone, and detections as results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from minissd.data.classes import class_name_of
from minissd.data.image import check_image
from minissd.data.image_write import check_image_format, write_image
from minissd.errors import input_error
from minissd.files import written_whole
from minissd.ground_truth import GroundTruth, as_detections, as_ground_truth


def write_coco(root, split, samples, class_names, image_format="jpg"):
    """Write samples as one split of a COCO data set; other splits in the folder stay.

    Images are called ``SPLIT/000000.jpg`` and so on. Every file appears whole or not at all, and
    ``annotations/instances_SPLIT.json`` comes last.

    Parameters
    ----------
    root : str or Path
        The folder; made if it is not there.
    split : str
    samples : iterable of Sample
        Taken one at a time, so it may be a generator. What is difficult is written as ``"ignore": 1``.
    class_names : sequence of str
        Without the background; label 1 is the first.
    image_format : str
        ``"jpg"`` (quality 95) or ``"png"``, which keeps every pixel.

    Returns
    -------
    Path
        The root.

    Raises
    ------
    InputError
        If the image format is not known, a label has no class name, or an image is not uint8 (H, W, 3).

    Examples
    --------
    >>> from minissd.data import DrawnScenes
    >>> scenes = DrawnScenes(length=100)
    >>> write_coco("scenes", "train", scenes, scenes.class_names)  # doctest: +SKIP
    """
    check_image_format(image_format)
    root, names, truths = Path(root), [], []
    for i, sample in enumerate(samples):
        name = f"{i:06d}.{image_format}"
        check_image(sample.image, sample.name or name)
        write_image(sample.image, root / split / name)
        size = sample.image.shape[1::-1]  # the sample itself would keep its image in memory
        truths.append(GroundTruth(sample.gt_xyxy, sample.labels, sample.difficult, image_size=size))
        names.append(name)
    write_coco_annotations(root / "annotations" / f"instances_{split}.json", truths, names, class_names)
    return root


def write_coco_annotations(path, ground_truths, file_names, class_names, image_ids=None, category_ids=None):
    """Write ground truths as a COCO annotation file.

    Parameters
    ----------
    path : str or Path
    ground_truths : sequence of GroundTruth
        One per image, with the size of the image; boxes are fractions of it.
    file_names : sequence of str
        Of the images.
    class_names : sequence of str
        Without the background.
    image_ids : sequence of int, optional
        By default 1, 2, ...
    category_ids : dict of int to int, optional
        The category's id of each label; by default the label itself.

    Raises
    ------
    InputError
        If an image has no size, or a label no class name.

    Notes
    -----
    Annotations are numbered from 1: COCO's evaluation takes a match with number 0 for none.
    """
    names = dict(enumerate(class_names, start=1))
    ids_of = category_ids or {label: label for label in names}
    image_ids = image_ids or range(1, len(ground_truths) + 1)
    images, annotations = [], []
    for image_id, file_name, truth in zip(image_ids, file_names, ground_truths, strict=True):
        truth = as_ground_truth(truth, file_name)
        if truth.image_size is None:
            raise input_error(file_name, "the ground truth has no image_size", "give width and height")
        width, height = (int(side) for side in truth.image_size)
        images.append({"id": image_id, "file_name": file_name, "width": width, "height": height})
        for entry in _annotation_entries(truth, file_name, class_names):
            entry["category_id"] = ids_of[entry["category_id"]]
            annotations.append({"id": len(annotations) + 1, "image_id": image_id} | entry)
    categories = [{"id": ids_of[label], "name": name} for label, name in names.items() if label in ids_of]
    _write_json(path, {"images": images, "annotations": annotations, "categories": categories})


def write_coco_results(path, detections, image_ids, image_sizes, category_ids=None):
    """Write detections in COCO's format for results, for its own program or its evaluation server.

    Parameters
    ----------
    path : str or Path
    detections : sequence of Detections
        One per image; boxes are fractions of the image.
    image_ids : sequence of int
    image_sizes : sequence of (int, int)
        Width and height.
    category_ids : dict of int to int, optional
        The category's id of each label; by default the label itself.

    Raises
    ------
    InputError
        If a label has no category.

    Examples
    --------
    >>> val = COCODetection("coco", "val2017")  # doctest: +SKIP
    >>> found = predict(model, [sample.image for sample in val])  # doctest: +SKIP
    >>> write_coco_results("results.json", found, val.image_ids, val.image_sizes,
    ...                    val.category_ids)  # doctest: +SKIP
    """
    entries = []
    for image_id, size, found in zip(image_ids, image_sizes, detections, strict=True):
        boxes_xyxy, scores, labels = as_detections(found, f"detections of image {image_id}")
        for label, box, score in zip(labels.tolist(), _boxes_px(boxes_xyxy, size), scores.tolist()):
            category = label if category_ids is None else category_ids.get(label)
            if category is None:
                raise input_error("category_ids", f"there is none for label {label}", "add it")
            entries.append({"image_id": image_id, "category_id": category, "bbox": box, "score": score})
    _write_json(path, entries)


def _annotation_entries(truth, file_name, class_names):
    boxes_px = _boxes_px(truth.gt_xyxy, truth.image_size)
    areas = [w * h for _, _, w, h in boxes_px] if truth.area_px is None else truth.area_px.tolist()
    columns = truth.labels.tolist(), boxes_px, areas, truth.crowd.tolist(), truth.difficult.tolist()
    for label, box, area, crowd, difficult in zip(*columns):
        class_name_of(label, class_names, file_name)  # raises where there is none
        entry = {"category_id": label, "bbox": box, "area": _rounded(area), "iscrowd": int(crowd)}
        yield entry | ({"ignore": 1} if difficult else {})


def _boxes_px(boxes_xyxy, image_size):
    """Boxes as lists of left, top, width, height in pixels."""
    corners_px = boxes_xyxy * np.tile(np.array(image_size, np.float64), 2)
    corners_px[:, 2:] -= corners_px[:, :2]
    return [[_rounded(value) for value in box] for box in corners_px.tolist()]


def _rounded(value):
    return float(f"{value:.10g}")  # undoes what the division by the size of the image has added


def _write_json(path, content):
    with written_whole(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file)
