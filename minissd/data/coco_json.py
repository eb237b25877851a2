"""Files in the format of COCO: annotations ("instances") and results, read and judged entry by entry.

An annotation file has three lists: images, categories, and annotations that name one of each by its id. Ids
are any whole numbers, with gaps and in any order; the 80 categories of COCO go up to 90. Here they all become
positions: images and categories in the order of their ids, annotations image by image.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from minissd.data.coco_entry import Entry
from minissd.errors import input_error
from minissd.ground_truth import GroundTruth

LARGEST_SIDE = 10**6  # of an image, in pixels; more is a slip


@dataclass(frozen=True)
class ImageEntry:
    """One image as the file has it: its name below the folder of images; width and height, 0 if absent."""

    id: int
    file_name: str
    width: int
    height: int


@dataclass(frozen=True)
class Instances:
    """An annotation file.

    Attributes
    ----------
    images : tuple of ImageEntry
        By ascending id.
    categories : dict of int to str
        Name of each category, by ascending id.
    boxes_xywh : ndarray of float64, (N, 4)
        Left, top, width, height in pixels, as the file has them, image by image.
    labels : ndarray of int64, (N,)
        Position of the category among `categories`, from 1.
    area_px : ndarray of float64, (N,)
        Area of the object's outline; of its box where the file does not tell.
    crowd, difficult : ndarray of bool, (N,)
        ``iscrowd`` and ``ignore``. COCO's own evaluation does not look at ``ignore``.
    entries : ndarray of int64, (N,)
        Position of each annotation in the file, from 0.
    first : ndarray of int64, (I + 1,)
        Image i has the rows ``first[i]`` to ``first[i + 1] - 1``.
    """

    images: tuple[ImageEntry, ...]
    categories: dict[int, str]
    boxes_xywh: np.ndarray
    labels: np.ndarray
    area_px: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray
    entries: np.ndarray
    first: np.ndarray

    def rows(self, index):
        """Return the rows of image `index` as a slice."""
        return slice(self.first[index], self.first[index + 1])

    def ground_truths(self):
        """Return one `GroundTruth` per image, in pixels and with every box, as COCO's evaluation wants it."""
        corners_px = corners_of(self.boxes_xywh)
        rows = [self.rows(i) for i in range(len(self.images))]
        parts = corners_px, self.labels, self.difficult, self.crowd, self.area_px
        return [GroundTruth(*(part[r] for part in parts)) for r in rows]


def read_instances(path):
    """Read an annotation file, such as ``instances_val2017.json``.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Instances

    Raises
    ------
    InputError
        If the file is missing, is not JSON, lacks a list or a field, has an entry of the wrong kind, has an
        id twice, or an annotation names an image or a category that is not there. The message names the
        file, the entry and the field.
    """
    content = _read_json(path)
    if not isinstance(content, dict):
        raise input_error(path, "is not an annotation file of COCO", "it begins with { and has images")
    images, categories = _read_images(path, content), _read_categories(path, content)
    image_rows = {image.id: row for row, image in enumerate(images)}
    labels = {category: label for label, category in enumerate(categories, start=1)}
    annotations = _list_of(path, content, "annotations")
    read = [_read_annotation(Entry(path, "annotations", i, e), image_rows, labels) for i, e in annotations]
    columns = list(zip(*read)) or [()] * 6
    image_of, labels, area_px, crowd, difficult, boxes_xywh = columns
    image_of = np.array(image_of, np.int64)
    by_image = np.argsort(image_of, kind="stable")
    return Instances(
        images=images,
        categories=categories,
        boxes_xywh=np.array(boxes_xywh, np.float64).reshape(-1, 4)[by_image],
        labels=np.array(labels, np.int64)[by_image],
        area_px=np.array(area_px, np.float64)[by_image],
        crowd=np.array(crowd, bool)[by_image],
        difficult=np.array(difficult, bool)[by_image],
        entries=by_image,
        first=np.searchsorted(image_of[by_image], np.arange(len(images) + 1)),
    )


def read_coco_results(path, instances):
    """Read detections that some program wrote in COCO's format for results.

    Parameters
    ----------
    path : str or Path
        A JSON list of ``{"image_id", "category_id", "bbox", "score"}``.
    instances : Instances
        The annotations of the same images.

    Returns
    -------
    list of (boxes_xyxy, scores, labels)
        Per image of `instances`, in pixels and in the order of the file. With
        ``instances.ground_truths()`` it is what `minissd.evaluate.evaluate_coco` takes.

    Raises
    ------
    InputError
        If the file is missing or is not such a list, or names an image or category that `instances` lacks.

    Examples
    --------
    >>> instances = read_instances("instances_val2017.json")  # doctest: +SKIP
    >>> found = read_coco_results("detections.json", instances)  # doctest: +SKIP
    >>> print(evaluate_coco(found, instances.ground_truths()))  # doctest: +SKIP
    """
    content = _read_json(path)
    if not isinstance(content, list):
        raise input_error(path, "is not a list of detections", "it begins with [ and has one entry for each")
    image_rows = {image.id: row for row, image in enumerate(instances.images)}
    labels = {category: label for label, category in enumerate(instances.categories, start=1)}
    per_image = [[] for _ in instances.images]
    for i, raw in enumerate(content):
        entry = Entry(path, "entry", i, raw)
        found = (*entry.box(), entry.number("score"), labels[entry.known("category_id", labels, "category")])
        per_image[image_rows[entry.known("image_id", image_rows, "image")]].append(found)
    tables = [np.array(found, np.float64).reshape(-1, 6) for found in per_image]
    return [(corners_of(table[:, :4]), table[:, 4], table[:, 5].astype(np.int64)) for table in tables]


def corners_of(boxes_xywh):
    """Turn left, top, width, height (N, 4) into corners.

    Examples
    --------
    >>> corners_of(np.array([[1.0, 2.0, 10.0, 20.0]]))
    array([[ 1.,  2., 11., 22.]])
    """
    return np.hstack([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]])


def _read_images(path, content):
    images = [_read_image(Entry(path, "images", i, e)) for i, e in _list_of(path, content, "images")]
    if not images:
        raise input_error(path, "has no images", "name at least one")
    _refuse_twice(path, "image ids", [image.id for image in images])
    return tuple(sorted(images, key=lambda image: image.id))


def _read_image(entry):
    name = entry.text("file_name").replace("\\", "/")
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0] or "\0" in name:
        raise entry.error(f"has file_name {name!r:.80}", "give a name below the folder of images")
    sides = [entry.whole(side, 0) for side in ("width", "height")]
    if not all(0 <= side <= LARGEST_SIDE for side in sides):
        raise entry.error(f"is {sides[0]!r:.20} x {sides[1]!r:.20} pixels", "write its width and height")
    return ImageEntry(entry.whole("id"), name, *sides)


def _read_categories(path, content):
    entries = [Entry(path, "categories", i, e) for i, e in _list_of(path, content, "categories")]
    pairs = sorted((entry.whole("id"), entry.text("name").strip()) for entry in entries)
    _refuse_twice(path, "category ids", [category for category, _ in pairs])
    _refuse_twice(path, "category names", [name for _, name in pairs])
    return dict(pairs)


def _read_annotation(entry, image_rows, labels):
    box = entry.box()
    area_px = entry.number("area", box[2] * box[3])
    image = image_rows[entry.known("image_id", image_rows, "image")]
    label = labels[entry.known("category_id", labels, "category")]
    return image, label, area_px, entry.flag("iscrowd"), entry.flag("ignore"), box


def _list_of(path, content, name):
    """The entries of a list with their positions."""
    if not isinstance(content.get(name), list):
        raise input_error(path, f"has no list {name!r}", "a COCO file has images, annotations and categories")
    return enumerate(content[name])


def _refuse_twice(path, what, values):
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise input_error(path, f"{what}: {twice[0]!r:.40} is there twice", "give each its own")


def _read_json(path):
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file, object_hook=_without_outline)
    except FileNotFoundError:
        raise input_error(path, "there is no such file", "check the name") from None
    except (ValueError, RecursionError) as error:
        problem = f"is cut off or is not JSON: {error!s:.80}"
        raise input_error(path, problem, "export or download it again") from None
    except OSError as error:
        raise input_error(path, f"cannot be read: {error.strerror}", "check the file") from None


def _without_outline(fields):
    fields.pop("segmentation", None)  # most of the file; dropped at once, before the next one is read
    return fields
