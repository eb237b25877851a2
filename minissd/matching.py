"""Matching: which default box is to learn which object.

Matching looks at default boxes and ground truths only, never at predictions (paper, section 2.2):

1. **force**: every ground truth gets the default box that overlaps it best, so that no object goes
   unlearned. Two objects may want the same box, and the rules below differ in who gets it;
2. **threshold**: every other default box takes the ground truth that it overlaps best, if their IoU
   reaches the threshold. All that remain are background.

A rule is one entry in `RULES`: a function that says which prior each ground truth forces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from minissd import boxes
from minissd.errors import InputError

BACKGROUND = -1
MIN_OVERLAP = 1e-6  # Caffe's: a smaller IoU is rounding, not overlap

BELOW_THRESHOLD, OVER_THRESHOLD, FORCED = 0, 1, 2  # values of Explanation.reason


@dataclass(frozen=True)
class Explanation:
    """Why each prior got what it got.

    Attributes
    ----------
    matched_gt : ndarray of int64, (P,)
        Ground truth of each prior, -1 for background.
    best_gt : ndarray of int64, (P,)
        Ground truth that the prior overlaps best (the lowest on ties), -1 where it overlaps none.
    best_iou : ndarray of float64, (P,)
        IoU with `best_gt`.
    reason : ndarray of int8, (P,)
        `FORCED` (by ground truth ``matched_gt``), `OVER_THRESHOLD` or `BELOW_THRESHOLD`.
    iou_threshold : float
    """

    matched_gt: np.ndarray
    best_gt: np.ndarray
    best_iou: np.ndarray
    reason: np.ndarray
    iou_threshold: float

    def describe(self, prior):
        """Return one sentence that says what happened to the prior of this number."""
        best = f"best IoU {self.best_iou[prior]:.3f} with ground truth {self.best_gt[prior]}"
        if self.best_gt[prior] == BACKGROUND:
            best = "overlaps no ground truth"
        if self.reason[prior] == FORCED:
            return f"prior {prior}: forced by ground truth {self.matched_gt[prior]} ({best})"
        if self.reason[prior] == OVER_THRESHOLD:
            return f"prior {prior}: matched, {best} >= {self.iou_threshold:g}"
        return f"prior {prior}: background, {best}, threshold {self.iou_threshold:g}"


def match(gt_xyxy, priors_cxcywh, iou_threshold=0.5, rule="bipartite"):
    """Assign a ground truth, or the background, to every default box.

    Parameters
    ----------
    gt_xyxy : ndarray, (G, 4)
        Ground truths as corners, fractions of the image. G may be 0.
    priors_cxcywh : ndarray, (P, 4)
    iou_threshold : float
        A prior whose IoU is at least this is matched, forced or not.
    rule : str
        How conflicts over a prior are settled:

        ``"bipartite"`` (Caffe's, the published models')
            Repeatedly the pair with the largest IoU of all that remain; each ground truth and each prior
            is used once. Ties go to the lowest prior, then to the lowest ground truth. A ground truth
            that overlaps nothing forces nothing.
        ``"argmax"`` (amdegroot's), ``"torchvision"``
            Each ground truth takes its best prior; where two want the same one, **the last wins** and
            the other may be left with nothing. A ground truth that overlaps nothing takes prior 0. The
            two libraries write it differently and give the same result.
        ``"threshold"``
            No forced matches: an object that reaches the threshold nowhere is not learned.

    Returns
    -------
    ndarray of int64, (P,)
        Index of the ground truth, -1 for background.

    Raises
    ------
    InputError
        If the rule is unknown, a ground truth is not four finite numbers, or there are no priors.

    Examples
    --------
    >>> priors_cxcywh = np.array([[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 1.0], [0.5, 0.5, 0.2, 0.2]])
    >>> match(np.array([[0.0, 0.0, 0.5, 0.6], [0.45, 0.4, 0.6, 0.6]]), priors_cxcywh)
    array([ 0, -1,  1])
    """
    return explain(gt_xyxy, priors_cxcywh, iou_threshold, rule).matched_gt


def explain(gt_xyxy, priors_cxcywh, iou_threshold=0.5, rule="bipartite"):
    """Match as `match` does, and say for every prior why.

    Parameters
    ----------
    gt_xyxy, priors_cxcywh, iou_threshold, rule
        As in `match`.

    Returns
    -------
    Explanation

    Examples
    --------
    The object fills three quarters of the left half, and touches the box in the middle.

    >>> priors_cxcywh = np.array([[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 1.0], [0.5, 0.5, 0.25, 0.5]])
    >>> why = explain(np.array([[0.0, 0.0, 0.5, 0.75]]), priors_cxcywh)
    >>> for prior in range(3):
    ...     print(why.describe(prior))
    prior 0: forced by ground truth 0 (best IoU 0.750 with ground truth 0)
    prior 1: background, overlaps no ground truth, threshold 0.5
    prior 2: background, best IoU 0.143 with ground truth 0, threshold 0.5
    """
    if rule not in RULES:
        raise InputError(f"rule: no matching rule {rule!r} (choose one of {', '.join(RULES)})")
    gt_xyxy = _checked_ground_truths(gt_xyxy)
    priors_cxcywh = np.ascontiguousarray(priors_cxcywh, dtype=np.float64)
    if priors_cxcywh.ndim != 2 or priors_cxcywh.shape[1] != 4 or len(priors_cxcywh) == 0:
        raise InputError(f"priors_cxcywh: shape {priors_cxcywh.shape} (give at least one row cx, cy, w, h)")
    priors_xyxy = boxes.cxcywh_to_xyxy(priors_cxcywh)

    best_gt, best_iou = best_ground_truths(priors_xyxy, gt_xyxy)
    over = (best_iou >= iou_threshold) & (best_gt != BACKGROUND)
    matched_gt = np.where(over, best_gt, BACKGROUND)
    reason = np.where(over, OVER_THRESHOLD, BELOW_THRESHOLD).astype(np.int8)
    for g, prior in enumerate(RULES[rule](priors_xyxy, gt_xyxy)):
        if prior != BACKGROUND:
            matched_gt[prior], reason[prior] = g, FORCED  # a forced match overrides the threshold
    return Explanation(matched_gt, best_gt, best_iou, reason, iou_threshold)


def _checked_ground_truths(gt_xyxy):
    gt_xyxy = np.ascontiguousarray(gt_xyxy, dtype=np.float64)
    if gt_xyxy.size and gt_xyxy.shape[-1] != 4:
        raise InputError(f"gt_xyxy: its shape is {gt_xyxy.shape} (give one row x1, y1, x2, y2 per object)")
    gt_xyxy = gt_xyxy.reshape(-1, 4)
    if not np.isfinite(gt_xyxy).all():
        row = int(np.argmin(np.isfinite(gt_xyxy).all(axis=1)))
        raise InputError(f"gt_xyxy: box {row} is {gt_xyxy[row].tolist()} (remove or correct it)")
    return gt_xyxy


# Numba below. The IoU matrix (P, G) is never stored: an IoU is computed where it is looked at, so that
# SSD512 with 200 objects needs no more memory than with one.


@njit(cache=True, nogil=True)
def iou_of_pair(a_xyxy, b_xyxy):
    """IoU of two boxes; `minissd.boxes.iou` in scalars."""
    width = min(a_xyxy[2], b_xyxy[2]) - max(a_xyxy[0], b_xyxy[0])
    height = min(a_xyxy[3], b_xyxy[3]) - max(a_xyxy[1], b_xyxy[1])
    if width <= 0 or height <= 0:
        return 0.0
    intersection = width * height
    area_a = (a_xyxy[2] - a_xyxy[0]) * (a_xyxy[3] - a_xyxy[1])
    area_b = (b_xyxy[2] - b_xyxy[0]) * (b_xyxy[3] - b_xyxy[1])
    return intersection / (area_a + area_b - intersection)


@njit(cache=True, nogil=True)
def best_ground_truths(priors_xyxy, gt_xyxy):
    """For every prior the ground truth of largest IoU, the lowest on ties, and that IoU."""
    num_priors = len(priors_xyxy)
    best_gt = np.full(num_priors, BACKGROUND, dtype=np.int64)
    best_iou = np.zeros(num_priors)
    for p in range(num_priors):
        for g in range(len(gt_xyxy)):
            overlap = iou_of_pair(priors_xyxy[p], gt_xyxy[g])
            if overlap > MIN_OVERLAP and overlap > best_iou[p]:
                best_gt[p], best_iou[p] = g, overlap
    return best_gt, best_iou


@njit(cache=True, nogil=True)
def best_free_prior(priors_xyxy, box_xyxy, taken):
    """The prior that overlaps one box best among those not taken, the lowest on ties; -1 if none does."""
    best, best_iou = BACKGROUND, MIN_OVERLAP
    for p in range(len(priors_xyxy)):
        if not taken[p]:
            overlap = iou_of_pair(priors_xyxy[p], box_xyxy)
            if overlap > best_iou:
                best, best_iou = p, overlap
    return best, best_iou


@njit(cache=True, nogil=True)
def force_bipartite(priors_xyxy, gt_xyxy):
    """Greedy bipartite matching: the largest IoU of all pairs first, each side used once.

    Every ground truth keeps its best free prior. Only those whose prior was just taken by another look
    again, so there are few passes over the priors, where the IoU matrix would need one per ground truth
    and much memory.
    """
    num_gt = len(gt_xyxy)
    forced = np.full(num_gt, BACKGROUND, dtype=np.int64)
    wanted = np.full(num_gt, BACKGROUND, dtype=np.int64)
    wanted_iou = np.zeros(num_gt)
    taken = np.zeros(len(priors_xyxy), dtype=np.bool_)
    for g in range(num_gt):
        wanted[g], wanted_iou[g] = best_free_prior(priors_xyxy, gt_xyxy[g], taken)
    for _ in range(num_gt):
        winner = largest_wish(wanted, wanted_iou, forced)
        if winner == -1:  # what remains overlaps no free prior
            break
        forced[winner] = wanted[winner]
        taken[wanted[winner]] = True
        for g in range(num_gt):
            if forced[g] == BACKGROUND and wanted[g] == forced[winner]:
                wanted[g], wanted_iou[g] = best_free_prior(priors_xyxy, gt_xyxy[g], taken)
    return forced


@njit(cache=True, nogil=True)
def largest_wish(wanted, wanted_iou, forced):
    """The unserved ground truth of largest IoU; the lowest prior, then the lowest on ties; -1 if none."""
    winner = -1
    for g in range(len(wanted)):
        if forced[g] != BACKGROUND or wanted[g] == BACKGROUND:
            continue
        if winner == -1 or (-wanted_iou[g], wanted[g]) < (-wanted_iou[winner], wanted[winner]):
            winner = g
    return winner


@njit(cache=True, nogil=True)
def force_argmax(priors_xyxy, gt_xyxy):
    """Each ground truth's best prior, whoever else wants it; prior 0 where nothing overlaps."""
    free = np.zeros(len(priors_xyxy), dtype=np.bool_)
    forced = np.zeros(len(gt_xyxy), dtype=np.int64)
    for g in range(len(gt_xyxy)):
        prior, _ = best_free_prior(priors_xyxy, gt_xyxy[g], free)
        forced[g] = max(prior, 0)
    return forced


def force_nothing(priors_xyxy, gt_xyxy):
    """No ground truth forces a prior."""
    return np.full(len(gt_xyxy), BACKGROUND, dtype=np.int64)


RULES = {
    "bipartite": force_bipartite,
    "argmax": force_argmax,
    "torchvision": force_argmax,
    "threshold": force_nothing,
}
