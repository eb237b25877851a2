"""Slow twins: the steps of the method once more, as plainly as they can be said.

Nothing here is vectorised or clever, and nothing is taken from the package, so that a test which finds
the package and its twin in agreement has found two different ways to the same answer.
"""

import math
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


def match_matrix(iou, rule, iou_threshold=0.5, strict=False):
    """Matching by any rule: the ground truth of every prior, -1 for background."""
    matched_gt = np.full(len(iou), BACKGROUND)
    for prior, overlaps in enumerate(iou):
        best = overlaps.max(initial=0)
        if best > 1e-6 and (best > iou_threshold or (best == iou_threshold and not strict)):
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
    if rule == "d2l":
        return pairs_for_all(iou)
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


def pairs_for_all(iou):
    """Take the largest entry that is left, be it 0, and strike out its row and column, once per object."""
    iou, pairs = np.where(iou > 1e-6, iou, 0), []
    for _ in range(min(iou.shape)):
        prior, gt = divmod(int(iou.argmax()), iou.shape[1])
        pairs.append((gt, prior))
        iou[prior, :] = iou[:, gt] = -1
    return pairs


# Mining ------------------------------------------------------------------------------------------------


def hard_negatives_of_image(conf_loss, positive, neg_pos_ratio=3, min_negatives=0, overflow=False):
    """The set of mined negatives of one image, by sorting (loss, prior) pairs; positives may come next."""
    ranking = sorted((-loss, prior) for prior, loss in enumerate(conf_loss) if not positive[prior])
    positives = [(None, prior) for prior in range(len(conf_loss)) if positive[prior]]
    wanted = max(int(neg_pos_ratio * len(positives)), min_negatives)
    return {prior for _, prior in (ranking + positives * overflow)[:wanted]}


# Loss --------------------------------------------------------------------------------------------------

ELEMENT_LOSSES = {
    "smooth_l1": lambda x: x * x / 2 if abs(x) < 1 else abs(x) - 0.5,
    "l1": abs,
}


def image_losses(loc, conf, loc_target, conf_target, negative, loc_loss="smooth_l1"):
    """Sums of one image's confidence and localisation losses, and the number of its positives."""
    conf_sum, loc_sum, num_pos = 0.0, 0.0, 0
    for prior, target in enumerate(conf_target.tolist()):
        loss = math.log(sum(math.exp(logit - conf[prior, target]) for logit in conf[prior]))
        conf_sum += loss * ((target > 0) + bool(negative[prior]))
        num_pos += target > 0
        if target > 0:
            loc_sum += sum(map(ELEMENT_LOSSES[loc_loss], (loc[prior] - loc_target[prior]).tolist()))
    return conf_sum, loc_sum, num_pos


def normalized_losses(images, normalization, num_priors):
    """Confidence and localisation loss of the `image_losses` of a batch that has positives."""
    conf, loc, num_pos = (sum(column) for column in zip(*images))
    batch = len(images)
    if normalization == "per_image":
        return tuple(sum(image[i] / image[2] for image in images if image[2]) / batch for i in (0, 1))
    return {
        "positives": (conf / num_pos, loc / num_pos),
        "positives_or_nan": (conf / num_pos, loc / num_pos),
        "coordinates": (conf / num_pos, loc / num_pos / 4),
        "priors": (conf / batch / num_priors, loc / batch / num_priors / 4),
        "batch_size": (conf / batch, loc / batch),
    }[normalization]


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
