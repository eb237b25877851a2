"""Detections and objects for COCO's evaluation: written by hand, and drawn so that all of its cases occur."""

import numpy as np

from minissd.ground_truth import GroundTruth

BIG, FAR = (0, 0, 100, 100), (500, 500, 600, 600)
NUM_CLASSES = 6  # the last one occurs only among detections, the one before it only among objects


def found(*boxes_scores, label=1):
    """Detections of an image from ((x1, y1, x2, y2), score) pairs."""
    boxes = np.array([box for box, _ in boxes_scores], float).reshape(-1, 4)
    scores = np.array([score for _, score in boxes_scores], float)
    return boxes, scores, np.full(len(scores), label)


def wanted(*boxes, label=1, **flags):
    """Objects of an image."""
    return GroundTruth(np.array(boxes, float).reshape(-1, 4), np.full(len(boxes), label), **flags)


def drawn_set(seed, kind):
    """Detections and ground truths of some images, in pixels.

    Corners are whole pixels, so that IoUs of exactly 1/2, 3/5 ... and areas of exactly 32 x 32 occur. All
    kinds have images without objects and, but for "many", images without detections.

    Parameters
    ----------
    seed : int
    kind : str
        ``"plain"``; ``"ties"``: scores have one decimal; ``"crowds"``: a third of the objects; ``"many"``:
        few images, over 100 detections of a class in each; ``"areas"``: objects have areas of their own.

    Returns
    -------
    detections : list of (boxes_xyxy, scores, labels)
    ground_truths : list of GroundTruth
    """
    rng = np.random.default_rng([seed, *kind.encode()])
    detections, truths = [], []
    for image in range(4 if kind == "many" else 20):
        gt_px, labels = _boxes(rng, 0 if image % 7 == 3 else 6), rng.integers(1, 6, 6)
        labels = labels[: len(gt_px)]
        num_found = 0 if image % 7 == 5 else 700 if kind == "many" else 25
        found_px, found_labels = _boxes(rng, num_found), rng.choice([1, 2, 3, 4, 6], num_found)
        if len(gt_px):
            source = rng.integers(0, len(gt_px), num_found)
            moved_px = gt_px[source] + rng.integers(-4, 5, (num_found, 4)) * rng.integers(
                0, 4, (num_found, 1)
            )
            near = (rng.random(num_found) < 0.7) & (moved_px[:, 2:] > moved_px[:, :2]).all(axis=1)
            found_px = np.where(near[:, None], moved_px, found_px)
            found_labels = np.where(near & (labels[source] != 5), labels[source], found_labels)
        scores = rng.integers(0, 1_000_000, num_found) / 1_000_000
        scores = np.round(scores, 1) if kind == "ties" else scores
        crowd = rng.random(len(gt_px)) < (0.35 if kind == "crowds" else 0.05)
        area = (gt_px[:, 2] - gt_px[:, 0]) * (gt_px[:, 3] - gt_px[:, 1]) * 1.0
        if kind == "areas":
            area = rng.choice([0.5, 0.7, 1.0], len(gt_px)) * area
            area[rng.random(len(gt_px)) < 0.3] = rng.choice([32.0**2, 96.0**2])
        detections.append((found_px, scores, found_labels))
        truths.append(GroundTruth(gt_px, labels, crowd=crowd, area_px=area))
    return detections, truths


def _boxes(rng, count):
    left_top = rng.integers(0, 400, (count, 2))
    sides = rng.choice([8, 16, 32, 48, 96, 200], (count, 2)) + rng.integers(0, 3, (count, 2)) * 4
    return np.hstack([left_top, left_top + sides]).astype(np.float64)


def check_number(detections, truths):
    """A number that tells whether another NumPy draws the same set."""
    total = sum(boxes.sum() + 1000 * scores.sum() + 7 * labels.sum() for boxes, scores, labels in detections)
    return float(total + sum(t.gt_xyxy.sum() + t.area_px.sum() + 3 * t.crowd.sum() for t in truths))
