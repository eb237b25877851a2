"""The boxes of all images in one array, in pixels: what COCO's evaluation walks through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd.errors import input_error
from minissd.ground_truth import as_detections, as_ground_truth, check_same_images


@dataclass(frozen=True)
class BoxesOfImages:
    """Boxes of many images, image after image.

    Attributes
    ----------
    boxes_xywh : ndarray of float64, (B, 4)
        Left, top, width, height in pixels, as COCO's files have them.
    images : ndarray of int64, (B,)
        Number of the image of each box, ascending.
    labels : ndarray of int64, (B,)
    scores : ndarray of float64, (B,)
        Of detections; None for objects.
    area_px : ndarray of float64, (B,)
    crowd : ndarray of bool, (B,)
        Of objects; None for detections.
    """

    boxes_xywh: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    area_px: np.ndarray
    scores: np.ndarray | None = None
    crowd: np.ndarray | None = None

    def select(self, rows):
        """Return the boxes of these rows (indices or a mask)."""
        return BoxesOfImages(*(None if values is None else values[rows] for values in vars(self).values()))


def join_images(detections, ground_truths):
    """Put the boxes of all images together.

    Parameters
    ----------
    detections, ground_truths
        As in `minissd.coco_ap.evaluate_coco`.

    Returns
    -------
    detections, objects : BoxesOfImages

    Raises
    ------
    InputError
        As in `minissd.coco_ap.evaluate_coco`.

    Examples
    --------
    >>> truth = ([[0.5, 0.5, 1.0, 1.0]], [1], None, None, None, (640, 480))
    >>> found, wanted = join_images([([[0.0, 0.0, 0.5, 0.5]], [0.9], [1])], [truth])
    >>> found.boxes_xywh, wanted.boxes_xywh
    (array([[  0.,   0., 320., 240.]]), array([[320., 240., 320., 240.]]))
    """
    check_same_images("evaluate_coco", detections, ground_truths)
    found = [as_detections(d, f"detections[{i}]") for i, d in enumerate(detections)]
    truths = [as_ground_truth(t, f"ground_truths[{i}]") for i, t in enumerate(ground_truths)]
    _check_unit(truths)
    sizes = [truth.image_size or (1, 1) for truth in truths]
    return _join_detections(found, sizes), _join_objects(truths, sizes)


def _join_detections(found, sizes):
    boxes_xywh, images = _in_pixels([boxes_xyxy for boxes_xyxy, _, _ in found], sizes, "detections")
    scores = _joined([scores for _, scores, _ in found], np.float64)
    labels = _joined([labels for _, _, labels in found], np.int64)
    if np.isnan(scores).any():
        where = f"detections[{images[np.isnan(scores).argmax()]}]"
        raise input_error(where, "a score is not a number", "leave such detections out")
    return BoxesOfImages(boxes_xywh, images, labels, _areas(boxes_xywh), scores=scores)


def _join_objects(truths, sizes):
    boxes_xywh, images = _in_pixels([truth.gt_xyxy for truth in truths], sizes, "ground_truths")
    unknown = [np.full(len(t.labels), np.nan) if t.area_px is None else t.area_px for t in truths]
    area_px = _joined(unknown, np.float64)
    area_px = np.where(np.isnan(area_px), _areas(boxes_xywh), area_px)
    labels, crowd = _joined([t.labels for t in truths], np.int64), _joined([t.crowd for t in truths], bool)
    return BoxesOfImages(boxes_xywh, images, labels, area_px, crowd=crowd)


def _in_pixels(boxes_xyxy, sizes, where):
    """Boxes of all images as left, top, width, height in pixels (B, 4), and the image of each (B,)."""
    images = np.repeat(np.arange(len(sizes)), [len(boxes) for boxes in boxes_xyxy])
    corners_px = np.concatenate([np.zeros((0, 4)), *boxes_xyxy])
    corners_px = corners_px * np.tile(np.array(sizes, np.float64).reshape(-1, 2), 2)[images]
    finite = np.isfinite(corners_px).all(axis=1)
    if not finite.all():
        where = f"{where}[{images[finite.argmin()]}]"
        raise input_error(where, "a box is not four finite numbers", "leave it out, or mend it")
    return np.hstack([corners_px[:, :2], corners_px[:, 2:] - corners_px[:, :2]]), images


def _areas(boxes_xywh):
    return boxes_xywh[:, 2] * boxes_xywh[:, 3]


def _joined(arrays, dtype):
    return np.concatenate([np.zeros(0, dtype), *arrays]).astype(dtype)


def _check_unit(truths):
    """Refuse fractions without a size: as pixels they would all be small objects, and no one would notice."""
    ends = [truth.gt_xyxy.max() for truth in truths if truth.image_size is None and truth.gt_xyxy.size]
    if ends and max(ends) <= 1:
        raise input_error(
            "ground_truths",
            "no box ends beyond 1, as if all were fractions of their images, but they have no image_size",
            "give each GroundTruth its image_size: small, medium and large are areas in pixels",
        )
