"""Average precision as COCO defines it: twelve numbers from one walk through the detections of each class.

As in VOC's evaluation, the detections of a class are walked through from the most to the least certain, and
each that finds an unclaimed object is a true positive. COCO asks more of this walk:

- **ten thresholds**: it is judged at IoU .50, .55, ... .95. A high threshold wants exact boxes;
- **four ranges of size**: all objects, and small, medium and large ones alone. Objects outside the range are
  ignored, and so are detections outside it that find nothing;
- **three lengths**: with the best 1, 10 or 100 detections of the class in each image;
- **crowds**: a box around many objects is ignored, and any number of detections may lie in it.

What is ignored is neither right nor wrong. Precision is then read at 101 recalls, where VOC of 2007 reads it
at 11, and averaged over them, the classes and the thresholds.
"""

from __future__ import annotations

import numpy as np

from minissd.coco_boxes import join_images
from minissd.coco_result import AREA_RANGES_PX, IOU_THRESHOLDS, MAX_DETECTIONS, RECALL_POINTS, COCOResult
from minissd.compilation import compiled
from minissd.ground_truth import FALSE_POSITIVE, IGNORED, TRUE_POSITIVE

NO_OBJECT = -1


def evaluate_coco(detections, ground_truths):
    """COCO's average precision and recall of what was found in a set of images.

    Parameters
    ----------
    detections : sequence of Detections
        One per image: anything with ``boxes_xyxy``, ``scores``, ``labels``, or a tuple of the three.
    ground_truths : sequence of GroundTruth
        One per image in the same order; a `minissd.data.Sample` serves as well. Where it has an
        ``image_size``, the boxes of the image, found and true, are fractions of it; else they are in pixels.

    Returns
    -------
    COCOResult

    Raises
    ------
    InputError
        If the two sequences differ in length; the arrays of an image do not fit together or hold what is
        not a number; or the boxes look like fractions and no image has a size.

    Notes
    -----
    On equal scores the earlier image comes first, and in one image the earlier detection. COCO's program
    goes through the images by ascending id. The numbers are then the same to the last digit, if boxes are in
    pixels as in the files (`minissd.data.read_instances`, `minissd.data.read_coco_results`). Fractions are
    rounded, which can only matter where an IoU or an area lies exactly at a limit.

    Examples
    --------
    Two objects of 50 x 50 pixels. One is found by a box of 50 x 41, IoU .82: right at .50, .55, ... .80,
    seven of the ten thresholds. So half of the objects are found, and 51 of the 101 recalls are reached.

    >>> from minissd.ground_truth import GroundTruth
    >>> truth = GroundTruth(np.array([[0, 0, 50, 50], [100, 0, 150, 50]]), np.array([1, 1]))
    >>> found = (np.array([[0, 0, 50, 41]]), np.array([0.9]), np.array([1]))
    >>> result = evaluate_coco([found], [truth])
    >>> round(result.ap50, 6), round(51 / 101, 6)
    (0.50495, 0.50495)
    >>> round(result.ap, 6), round(result.ar100, 6)  # 7 / 10 of it
    (0.353465, 0.35)
    """
    found, wanted = join_images(detections, ground_truths)
    labels = np.union1d(found.labels, wanted.labels)
    shape = len(IOU_THRESHOLDS), len(labels), len(AREA_RANGES_PX), len(MAX_DETECTIONS)
    precision = np.empty((shape[0], len(RECALL_POINTS), *shape[1:]))  # (T, R, K, A, M)
    recall = np.empty(shape)  # (T, K, A, M)
    for k, label in enumerate(labels):
        of_class = found.select(found.labels == label), wanted.select(wanted.labels == label)
        precision[:, :, k], recall[:, k] = _tables_of_class(*of_class, len(ground_truths))
    return COCOResult.of_tables(precision, recall, labels)


# One class -----------------------------------------------------------------------------------------------


def _tables_of_class(found, wanted, num_images):
    """Precision (T, R, A, M) and recall (T, A, M) of the detections and objects of one class."""
    found = found.select(np.argsort(-found.scores, kind="stable"))
    ignored = _outside_ranges(wanted.area_px) | wanted.crowd  # (A, G)
    verdicts = judge(
        found.boxes_xywh,
        found.images,
        _outside_ranges(found.area_px),
        wanted.boxes_xywh,
        np.searchsorted(wanted.images, np.arange(num_images + 1)),
        ignored,
        wanted.crowd,
        IOU_THRESHOLDS,
    )  # (A, T, D)
    ranks = ranks_in_images(found.images, num_images)
    num_objects = (~ignored).sum(axis=1)  # (A,)
    return precision_and_recall(verdicts, ranks, num_objects, np.array(MAX_DETECTIONS), RECALL_POINTS)


def _outside_ranges(area_px):
    """Say of each area for each range whether it is outside: (A, N). Both ends belong to a range."""
    low, high = np.array(list(AREA_RANGES_PX.values()), np.float64).T[:, :, None]  # (A, 1) each
    return (area_px < low) | (area_px > high)


# Numba below, because the walk cannot be vectorised: what a detection finds depends on what the better ones
# have claimed. One walk serves all ranges and thresholds, so that an IoU is computed once and not forty
# times, and images without an object of the class cost next to nothing.


@compiled
def ranks_in_images(images, num_images):
    """Number the detections, best first, within the image of each: 0 for the best of its image.

    Examples
    --------
    >>> ranks_in_images(np.array([5, 2, 5, 5]), 6)
    array([0, 0, 1, 2])
    """
    seen = np.zeros(num_images, dtype=np.int64)
    ranks = np.empty(len(images), dtype=np.int64)
    for d in range(len(images)):
        ranks[d] = seen[images[d]]
        seen[images[d]] += 1
    return ranks


@compiled
def judge(boxes_xywh, images, outside, gt_xywh, gt_start, ignored, crowd, iou_thresholds):
    """Decide for the detections of one class, best first, which are right.

    Parameters
    ----------
    boxes_xywh : ndarray of float64, (D, 4)
        Detections in descending score, in pixels: left, top, width, height.
    images : ndarray of int64, (D,)
        Image of each.
    outside : ndarray of bool, (A, D)
        Whether the area of the detection is outside each range.
    gt_xywh : ndarray of float64, (G, 4)
        The objects, image by image.
    gt_start : ndarray of int64, (I + 1,)
        Image i has the objects ``gt_start[i]`` to ``gt_start[i + 1] - 1``.
    ignored : ndarray of bool, (A, G)
        Objects that do not count for a range.
    crowd : ndarray of bool, (G,)
        Objects that may be found any number of times.
    iou_thresholds : ndarray of float64, (T,)

    Returns
    -------
    ndarray of int8, (A, T, D)
        1 true positive, 0 false positive, -1 ignored.
    """
    num_ranges, num_thresholds = len(ignored), len(iou_thresholds)
    verdicts = np.empty((num_ranges, num_thresholds, len(images)), dtype=np.int8)
    claimed = np.zeros((num_ranges, num_thresholds, len(gt_xywh)), dtype=np.bool_)
    overlaps = np.zeros(len(gt_xywh))
    for d in range(len(images)):
        first, end = gt_start[images[d]], gt_start[images[d] + 1]
        largest = 0.0
        for g in range(first, end):
            overlaps[g] = overlap_of_pair(boxes_xywh[d], gt_xywh[g], crowd[g])
            largest = max(largest, overlaps[g])
        for a in range(num_ranges):
            for t in range(num_thresholds):
                verdicts[a, t, d] = IGNORED if outside[a, d] else FALSE_POSITIVE
                if largest < iou_thresholds[t]:
                    continue
                g = best_object(overlaps, first, end, iou_thresholds[t], claimed[a, t], ignored[a], crowd)
                if g != NO_OBJECT:
                    claimed[a, t, g] = True
                    verdicts[a, t, d] = IGNORED if ignored[a, g] else TRUE_POSITIVE
    return verdicts


@compiled
def overlap_of_pair(box_xywh, gt_xywh, crowd):
    """IoU; for a crowd the part of the detection that lies in it, which may be much smaller than the crowd.

    Examples
    --------
    >>> box_xywh, gt_xywh = np.array([0.0, 0.0, 2.0, 1.0]), np.array([1.0, 0.0, 9.0, 1.0])
    >>> overlap_of_pair(box_xywh, gt_xywh, False), overlap_of_pair(box_xywh, gt_xywh, True)
    (0.1, 0.5)
    """
    width = min(box_xywh[0] + box_xywh[2], gt_xywh[0] + gt_xywh[2]) - max(box_xywh[0], gt_xywh[0])
    height = min(box_xywh[1] + box_xywh[3], gt_xywh[1] + gt_xywh[3]) - max(box_xywh[1], gt_xywh[1])
    if width <= 0 or height <= 0:
        return 0.0
    intersection, area = width * height, box_xywh[2] * box_xywh[3]
    if crowd:
        return intersection / area
    return intersection / (area + gt_xywh[2] * gt_xywh[3] - intersection)


@compiled
def best_object(overlaps, first, end, iou_threshold, claimed, ignored, crowd):
    """The free object of largest overlap among those of an image, the last on ties; -1 if all are too small.

    Objects that count come first: only a detection that finds none of them may take an ignored one. And the
    next best object is a match as well, where VOC's evaluation looks at the best alone.
    """
    for among_ignored in (False, True):
        best, best_iou = NO_OBJECT, iou_threshold
        for g in range(first, end):
            free = crowd[g] or not claimed[g]
            if free and ignored[g] == among_ignored and overlaps[g] >= best_iou:
                best, best_iou = g, overlaps[g]
        if best != NO_OBJECT:
            return best
    return NO_OBJECT


@compiled
def precision_and_recall(verdicts, ranks, num_objects, max_detections, recall_points):
    """Read the curves of one class.

    Parameters
    ----------
    verdicts : ndarray of int8, (A, T, D)
        Of `judge`.
    ranks : ndarray of int64, (D,)
        Of `ranks_in_images`.
    num_objects : ndarray of int64, (A,)
        Objects that count.
    max_detections : ndarray of int64, (M,)
    recall_points : ndarray of float64, (R,)

    Returns
    -------
    precision : ndarray, (T, R, A, M)
    recall : ndarray, (T, A, M)
        NaN for a range without objects.
    """
    num_ranges, num_thresholds, _ = verdicts.shape
    precision = np.full((num_thresholds, len(recall_points), num_ranges, len(max_detections)), np.nan)
    recall = np.full((num_thresholds, num_ranges, len(max_detections)), np.nan)
    for a in range(num_ranges):
        if num_objects[a] == 0:
            continue
        for t in range(num_thresholds):
            for m in range(len(max_detections)):
                envelope = precision_envelope(verdicts[a, t], ranks, max_detections[m])
                recall[t, a, m] = len(envelope) / num_objects[a]
                hit = 0
                for r in range(len(recall_points)):
                    while hit < len(envelope) and (hit + 1) / num_objects[a] < recall_points[r]:
                        hit += 1
                    precision[t, r, a, m] = envelope[hit] if hit < len(envelope) else 0.0
    return precision, recall


@compiled
def precision_envelope(verdicts, ranks, max_detections):
    """Precision at each true positive or beyond, whichever is best. Recall rises nowhere else.

    Examples
    --------
    Right, wrong, right, right: precision 1, 2/3, 3/4 at the three that are right.

    >>> verdicts = np.array([1, 0, 1, 1], dtype=np.int8)
    >>> precision_envelope(verdicts, np.array([0, 1, 2, 3]), 100)
    array([1.  , 0.75, 0.75])
    """
    envelope = np.empty(len(verdicts))
    right = counted = 0
    for d in range(len(verdicts)):
        if verdicts[d] == IGNORED or ranks[d] >= max_detections:
            continue
        counted += 1
        if verdicts[d] == TRUE_POSITIVE:
            envelope[right] = (right + 1) / counted
            right += 1
    for hit in range(right - 2, -1, -1):
        envelope[hit] = max(envelope[hit], envelope[hit + 1])
    return envelope[:right]
