"""Slow twins: the steps of the method once more, as plainly as they can be said.

Nothing here is vectorised or clever, and nothing is taken from the package, so that a test which finds
the package and its twin in agreement has found two different ways to the same answer.
"""

from fractions import Fraction

import numpy as np

BACKGROUND = -1


# Boxes -------------------------------------------------------------------------------------------------


def exact_iou(a_xyxy, b_xyxy):
    """IoU of two boxes as an exact fraction."""
    ax1, ay1, ax2, ay2 = (Fraction(float(v)) for v in a_xyxy)
    bx1, by1, bx2, by2 = (Fraction(float(v)) for v in b_xyxy)
    width = max(Fraction(0), min(ax2, bx2) - max(ax1, bx1))
    height = max(Fraction(0), min(ay2, by2) - max(ay1, by1))
    intersection = width * height
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - intersection
    return intersection / union if union else Fraction(0)


def exact_iou_matrix(a_xyxy, b_xyxy):
    """IoU of every box in `a` with every box in `b`; each an exact fraction, rounded once."""
    overlaps = [[float(exact_iou(a, b)) for b in b_xyxy] for a in a_xyxy]
    return np.array(overlaps).reshape(len(a_xyxy), len(b_xyxy))


# Matching, on an IoU matrix (P, G) -----------------------------------------------------------------------


def match_matrix(iou, rule, iou_threshold=0.5):
    """Matching by any rule: the ground truth of every prior, -1 for background."""
    matched_gt = np.full(len(iou), BACKGROUND)
    for prior, overlaps in enumerate(iou):
        if len(overlaps) and overlaps.max() >= iou_threshold and overlaps.max() > 1e-6:
            matched_gt[prior] = overlaps.argmax()
    for gt, prior in forced_pairs(iou, rule):
        matched_gt[prior] = gt
    return matched_gt


def forced_pairs(iou, rule):
    """The (ground truth, prior) pairs that are matched whatever the threshold, in this order."""
    if rule == "bipartite":
        return greedy_pairs(iou)
    if rule in ("argmax", "torchvision"):
        return [(gt, int(iou[:, gt].argmax())) for gt in range(iou.shape[1])]
    return []


def greedy_pairs(iou):
    """Strike out the largest entry's row and column until nothing is left."""
    iou, pairs = iou.copy(), []
    while iou.size and iou.max() > 1e-6:
        prior, gt = np.unravel_index(iou.argmax(), iou.shape)  # first of equals: lowest prior, then lowest gt
        pairs.append((int(gt), int(prior)))
        iou[prior, :] = 0
        iou[:, gt] = 0
    return pairs


# Mining ------------------------------------------------------------------------------------------------


def hard_negatives_of_image(conf_loss, positive, neg_pos_ratio=3, min_negatives=0):
    """The set of mined negatives of one image, by sorting (loss, prior) pairs."""
    negatives = [(-loss, prior) for prior, loss in enumerate(conf_loss) if not positive[prior]]
    wanted = max(int(neg_pos_ratio * sum(bool(p) for p in positive)), min_negatives)
    return {prior for _, prior in sorted(negatives)[:wanted]}


# Non-maximum suppression ---------------------------------------------------------------------------------


def suppress(boxes_xyxy, scores, iou_threshold):
    """The kept boxes, best first, each with the set of the boxes that it suppressed."""
    remaining = sorted(range(len(scores)), key=lambda box: (-scores[box], box))
    suppressed_sets = {}
    while remaining:
        best, *others = remaining
        suppressed_sets[best] = {
            other for other in others if exact_iou(boxes_xyxy[best], boxes_xyxy[other]) > iou_threshold
        }
        remaining = [other for other in others if other not in suppressed_sets[best]]
    return suppressed_sets


# Average precision ---------------------------------------------------------------------------------------


def curve(hits, num_objects):
    """Recall and precision after each detection, as exact fractions. `hits` is 1 where it is right."""
    found = [sum(hits[: n + 1]) for n in range(len(hits))]
    recall = [Fraction(count, num_objects) for count in found]
    precision = [Fraction(count, n + 1) for n, count in enumerate(found)]
    return recall, precision


def eleven_point(hits, num_objects):
    """VOC 2007: the mean of the best precision at recall 0/10, 1/10, ... 10/10 or beyond."""
    recall, precision = curve(hits, num_objects)
    return sum(best_precision(recall, precision, Fraction(j, 10)) for j in range(11)) / 11


def area_under_curve(hits, num_objects):
    """VOC 2010: every object adds a step of recall, at the best precision there or beyond."""
    recall, precision = curve(hits, num_objects)
    steps = [Fraction(k, num_objects) for k in range(1, num_objects + 1)]
    return sum(best_precision(recall, precision, step) for step in steps) / num_objects


def best_precision(recall, precision, at_least):
    """The best precision where the recall is at least so large, 0 if it never is."""
    return max((p for r, p in zip(recall, precision) if r >= at_least), default=0)


def eleven_point_with_arange(recall, precision):
    """What evaluators compute that take the eleven recalls from ``numpy.arange(0, 1.1, 0.1)``."""
    return float(np.mean([best_precision(recall, precision, t) for t in np.arange(0, 1.1, 0.1)]))


def eleven_point_in_float32(recall, precision):
    """What an evaluator computes that holds the recall in float32, but the eleven recalls in float64."""
    recall = recall.astype(np.float32).astype(np.float64)
    return float(np.mean([best_precision(recall, precision, j / 10) for j in range(11)]))


# Gradients -----------------------------------------------------------------------------------------------


def numerical_gradient(function, x, step=1e-5):
    """Gradient of a function of an array, by central differences in every entry."""
    gradient = np.zeros_like(x)
    for position in np.ndindex(x.shape):
        ahead, behind = x.copy(), x.copy()
        ahead[position] += step
        behind[position] -= step
        gradient[position] = (function(ahead) - function(behind)) / (2 * step)
    return gradient


def relative_error(a, b):
    """Largest difference of two arrays beside their largest entry."""
    return np.abs(a - b).max() / max(np.abs(a).max(), np.abs(b).max())
