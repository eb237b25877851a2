"""What every evaluation is given: the objects of an image, and what was found in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd.errors import InputError, input_error

TRUE_POSITIVE, FALSE_POSITIVE, IGNORED = 1, 0, -1  # the verdicts on a detection


@dataclass(frozen=True)
class GroundTruth:
    """The objects of one image; a `minissd.data.Sample` serves as well.

    Attributes
    ----------
    gt_xyxy : ndarray, (G, 4)
        Corners, in the unit of the detections.
    labels : ndarray of int, (G,)
    difficult : ndarray of bool, (G,), optional
        Objects that count neither when found nor when missed, in VOC's evaluation. COCO's does not know
        them and counts them as any other.
    crowd : ndarray of bool, (G,), optional
        Boxes around many objects of the class that nobody told apart. For COCO's evaluation alone, where
        any number of detections may lie in one and none of them counts.
    area_px : ndarray, (G,), optional
        Size of each object in square pixels, by which COCO calls it small, medium or large: the area of its
        outline where that is known. By default the area of its box.
    image_size : (int, int), optional
        Width and height in pixels. Where it is given, the boxes are fractions of the image; where it is
        not, COCO's evaluation takes the boxes to be in pixels. VOC's does not look at it.
    """

    gt_xyxy: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray | None = None
    crowd: np.ndarray | None = None
    area_px: np.ndarray | None = None
    image_size: tuple[int, int] | None = None


def as_ground_truth(truth, where="ground truth"):
    """Bring what an evaluation accepts as the objects of an image into one form.

    Parameters
    ----------
    truth : GroundTruth, tuple, or any object with some of its attributes
        Of a `minissd.data.Sample` the size of the image is its image's.
    where : str
        What messages call it.

    Returns
    -------
    GroundTruth
        Its boxes are (G, 4), also for no box, and its flags are there.

    Raises
    ------
    InputError
        If there are not as many boxes as labels, flags and areas.

    Examples
    --------
    >>> as_ground_truth((np.array([[0, 0, 9, 9]]), np.array([1]))).crowd
    array([False])
    """
    if isinstance(truth, tuple):
        truth = GroundTruth(*truth)
    labels, area_px = np.asarray(truth.labels), getattr(truth, "area_px", None)
    truth = GroundTruth(
        np.asarray(truth.gt_xyxy).reshape(-1, 4),
        labels,
        _flags(truth, "difficult", len(labels)),
        _flags(truth, "crowd", len(labels)),
        None if area_px is None else np.asarray(area_px),
        _image_size(truth),
    )
    rows = {name: value for name, value in vars(truth).items() if name != "image_size" and value is not None}
    _check_lengths(where, rows)
    return truth


def as_detections(found, where="detections"):
    """Bring what an evaluation accepts as detections of an image into one form.

    Parameters
    ----------
    found : Detections, or tuple of (boxes_xyxy, scores, labels)
    where : str
        What messages call them.

    Returns
    -------
    boxes_xyxy : ndarray, (D, 4)
    scores, labels : ndarray, (D,)

    Raises
    ------
    InputError
        If there are not as many boxes as scores and labels.
    """
    if not isinstance(found, tuple):
        found = (found.boxes_xyxy, found.scores, found.labels)
    boxes_xyxy, scores, labels = (np.asarray(a) for a in found)
    boxes_xyxy = boxes_xyxy.reshape(-1, 4)
    _check_lengths(where, {"boxes": boxes_xyxy, "scores": scores, "labels": labels})
    return boxes_xyxy, scores, labels


def check_same_images(where, detections, ground_truths):
    """Raise an `InputError` that names `where`, unless there is one entry per image in both."""
    if len(detections) != len(ground_truths):
        raise InputError(
            f"{where}: detections of {len(detections)} images, ground truths of {len(ground_truths)} "
            "(give both one entry per image, empty where there is nothing)"
        )


def _check_lengths(where, rows):
    lengths = {name: len(values) for name, values in rows.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{count} {name}" for name, count in lengths.items())
        raise input_error(where, counts, "give one of each per box")


def _flags(truth, name, count):
    flags = getattr(truth, name, None)
    return np.zeros(count, bool) if flags is None else np.asarray(flags, bool)


def _image_size(truth):
    size, image = getattr(truth, "image_size", None), getattr(truth, "image", None)
    return image.shape[1::-1] if size is None and image is not None else size
