"""Average precision as PASCAL VOC defines it; COCO's, `evaluate_coco`, is in `minissd.coco_ap`.

All detections of a class, from all images, are walked through from the most to the least certain. Each is
a true positive if it overlaps an object that no better detection has claimed, else a false positive.
Precision and recall after each step make a curve; average precision is the area under it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from minissd import boxes
from minissd.average_precision import (
    METRICS,
    area_ap,
    eleven_point_ap,
    eleven_point_arange_ap,
    eleven_point_float32_ap,
    integral_ap,
)
from minissd.choice import chosen
from minissd.coco_ap import COCOResult, evaluate_coco
from minissd.ground_truth import (
    FALSE_POSITIVE,
    IGNORED,
    TRUE_POSITIVE,
    GroundTruth,
    as_detections,
    as_ground_truth,
    check_same_images,
)

__all__ = [
    "METRICS",
    "COCOResult",
    "GroundTruth",
    "PrecisionRecall",
    "VOCResult",
    "area_ap",
    "eleven_point_ap",
    "eleven_point_arange_ap",
    "eleven_point_float32_ap",
    "evaluate_coco",
    "evaluate_voc",
    "integral_ap",
    "judge",
    "precision_recall",
]


@dataclass(frozen=True)
class PrecisionRecall:
    """The walk through the detections of one class, best first.

    Attributes
    ----------
    recall, precision, scores : ndarray, (D,)
        After each detection that counts, and its score.
    num_objects : int
        Objects of the class that are not difficult.
    """

    recall: np.ndarray
    precision: np.ndarray
    scores: np.ndarray
    num_objects: int


@dataclass(frozen=True)
class VOCResult:
    """Average precision per class and on average.

    Attributes
    ----------
    ap : dict of int to float
        Average precision of each class; NaN for one that is detected but has no object to find.
    mAP : float
        Mean over the classes that have objects; NaN if none has.
    curves : dict of int to PrecisionRecall
    """

    ap: dict[int, float]
    mAP: float
    curves: dict[int, PrecisionRecall]


def evaluate_voc(
    detections, ground_truths, iou_threshold=0.5, metric="11point", inclusive_pixels=False, strict=False
):
    """Average precision of every class that occurs, and their mean.

    Parameters
    ----------
    detections : sequence of Detections
        One per image: anything with ``boxes_xyxy``, ``scores``, ``labels``, or a tuple of the three.
    ground_truths : sequence of GroundTruth
        One per image in the same order: anything with ``gt_xyxy``, ``labels`` and, if it likes,
        ``difficult``, or a tuple of these.
    iou_threshold : float
        A detection finds an object if their IoU is at least this.
    metric : str
        ``"11point"`` (VOC 2007, the paper's) or ``"area"`` (VOC 2010 and later); the rest of `METRICS` are
        what other programs compute instead.
    inclusive_pixels : bool
        Boxes are in whole pixels whose last row and column belong to the box, as in VOC's own program:
        widths and heights are then one more than the difference of the corners.
    strict : bool
        An IoU of exactly the threshold finds nothing, as in py-faster-rcnn's, amdegroot's and sgrvinod's
        programs.

    Returns
    -------
    VOCResult

    Raises
    ------
    InputError
        If the two sequences differ in length, or the metric is unknown.

    Examples
    --------
    Two objects; the better detection is right, the worse one finds the same object again.

    >>> truth = GroundTruth(np.array([[0.0, 0.0, 1.0, 1.0], [2.0, 0.0, 3.0, 1.0]]), np.array([1, 1]))
    >>> found = (np.array([[0.0, 0.0, 1.0, 1.0]] * 2), np.array([0.9, 0.8]), np.array([1, 1]))
    >>> evaluate_voc([found], [truth], metric="area").ap
    {1: 0.5}
    >>> round(evaluate_voc([found], [truth]).mAP, 6)  # recall reaches 0, .1, ... .5: six of eleven
    0.545455
    """
    average_precision = chosen(METRICS, metric, "metric", "metric")
    check_same_images("evaluate_voc", detections, ground_truths)
    detections, ground_truths = _in_one_form(detections, ground_truths, inclusive_pixels)
    labels = np.unique(np.concatenate([d[2] for d in detections] + [t.labels for t in ground_truths] + [[]]))
    curves = {int(c): _walk(detections, ground_truths, c, iou_threshold, strict) for c in labels}
    ap = {
        label: average_precision(curve.recall, curve.precision) if curve.num_objects else float("nan")
        for label, curve in curves.items()
    }
    defined = [value for value in ap.values() if not np.isnan(value)]
    return VOCResult(ap, float(np.mean(defined)) if defined else float("nan"), curves)


def precision_recall(
    detections, ground_truths, label, iou_threshold=0.5, inclusive_pixels=False, strict=False
):
    """Walk through the detections of one class in all images, best first.

    Parameters
    ----------
    detections, ground_truths
        As in `evaluate_voc`.
    label : int
    iou_threshold : float
    inclusive_pixels, strict : bool

    Returns
    -------
    PrecisionRecall
        On equal scores the earlier image comes first.
    """
    return _walk(*_in_one_form(detections, ground_truths, inclusive_pixels), label, iou_threshold, strict)


def _walk(detections, ground_truths, label, iou_threshold, strict):
    """The work of `precision_recall`, on what `_in_one_form` returns."""
    scores, outcomes, num_objects = [np.zeros(0)], [np.zeros(0, int)], 0
    for (boxes_xyxy, image_scores, labels), truth in zip(detections, ground_truths):
        found, wanted = labels == label, truth.labels == label
        best_first = np.argsort(-image_scores[found], kind="stable")
        scores.append(image_scores[found][best_first])
        objects = truth.gt_xyxy[wanted], truth.difficult[wanted]
        outcomes.append(judge(boxes_xyxy[found][best_first], *objects, iou_threshold, strict))
        num_objects += int((wanted & ~truth.difficult).sum())
    scores, outcomes = np.concatenate(scores), np.concatenate(outcomes)
    order = np.argsort(-scores, kind="stable")
    order = order[outcomes[order] != IGNORED]
    true_positives = np.cumsum(outcomes[order] == TRUE_POSITIVE)
    precision = true_positives / np.arange(1, len(order) + 1)
    return PrecisionRecall(true_positives / max(num_objects, 1), precision, scores[order], num_objects)


def judge(boxes_xyxy, gt_xyxy, difficult, iou_threshold=0.5, strict=False):
    """Decide for the detections of one class in one image, best first, which are right.

    Each detection looks at the object that it overlaps best, also if that one is already claimed: a
    second detection of an object is wrong, it is not handed on to the next best object.

    Parameters
    ----------
    boxes_xyxy : ndarray, (D, 4)
        Detections in descending score.
    gt_xyxy : ndarray, (G, 4)
    difficult : ndarray of bool, (G,)
    iou_threshold : float
    strict : bool
        Whether an IoU must be over the threshold; otherwise reaching it is enough.

    Returns
    -------
    ndarray of int, (D,)
        1 true positive, 0 false positive, -1 ignored (the object is difficult).

    Examples
    --------
    The object is found, found again, and missed (IoU 1/3).

    >>> boxes_xyxy = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.75], [0.5, 0.0, 1.5, 1.0]])
    >>> judge(boxes_xyxy, np.array([[0.0, 0.0, 1.0, 1.0]]), np.array([False]))
    array([1, 0, 0])
    """
    outcomes = np.full(len(boxes_xyxy), FALSE_POSITIVE)
    if len(gt_xyxy) == 0:
        return outcomes
    overlaps = boxes.iou(boxes_xyxy, gt_xyxy)  # (D, G)
    enough = overlaps > iou_threshold if strict else overlaps >= iou_threshold
    claimed = np.zeros(len(gt_xyxy), bool)
    for d, g in enumerate(overlaps.argmax(axis=1)):
        if not enough[d, g]:
            continue
        if difficult[g]:
            outcomes[d] = IGNORED
        elif not claimed[g]:
            outcomes[d], claimed[g] = TRUE_POSITIVE, True
    return outcomes


def _in_one_form(detections, ground_truths, inclusive_pixels):
    """Tuples (boxes_xyxy, scores, labels), and `GroundTruth`; no box lacks its last pixel any more."""
    found = [_as_detections(d, inclusive_pixels) for d in detections]
    return found, [_as_ground_truth(t, inclusive_pixels) for t in ground_truths]


def _as_detections(found, inclusive_pixels):
    boxes_xyxy, scores, labels = as_detections(found)
    return _with_last_pixel(boxes_xyxy, inclusive_pixels), scores, labels


def _as_ground_truth(truth, inclusive_pixels):
    truth = as_ground_truth(truth)
    return replace(truth, gt_xyxy=_with_last_pixel(truth.gt_xyxy, inclusive_pixels))


def _with_last_pixel(boxes_xyxy, inclusive_pixels):
    return boxes_xyxy + np.array([0, 0, 1, 1]) if inclusive_pixels else boxes_xyxy
