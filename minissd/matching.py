"""Matching: which default box is to learn which object.

Matching looks at default boxes and ground truths only, never at predictions (paper, section 2.2):

1. **force**: every ground truth gets the default box that overlaps it best, so that no object goes
   unlearned. Two objects may want the same box, and the rules below differ in who gets it;
2. **threshold**: every other default box takes the ground truth that it overlaps best, if their IoU
   reaches the threshold. All that remain are background.

A rule is one entry in `RULES`: a function of all IoUs that says which prior each ground truth forces.

All follows from the IoU of every prior with every ground truth, and `best_overlaps_by_matrix` is the
definition of what follows. `match` and `explain` find exactly the same in compiled code, without ever storing
the matrix: for SSD512 with 200 objects it would fill 40 megabytes (`minissd.kernels.matching`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd import boxes
from minissd.errors import InputError
from minissd.kernels import matching as kernel

BACKGROUND = kernel.BACKGROUND  # -1
MIN_OVERLAP = kernel.MIN_OVERLAP  # Caffe's 1e-6: a smaller IoU is rounding, not overlap

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
    gt_xyxy, priors_cxcywh = checked_ground_truths(gt_xyxy), checked_priors(priors_cxcywh)
    if not is_compiled(rule):
        return explain(gt_xyxy, priors_cxcywh, iou_threshold, rule).matched_gt
    return kernel.match(gt_xyxy, priors_cxcywh, float(iou_threshold), kernel.RULES[rule])


def match_batch(gt_xyxy, priors_cxcywh, iou_threshold=0.5, rule="bipartite"):
    """Match the objects of several images, on all cores.

    Parameters
    ----------
    gt_xyxy : sequence of ndarray, N of (G_n, 4)
    priors_cxcywh, iou_threshold, rule
        As in `match`.

    Returns
    -------
    ndarray of int64, (N, P)
        What `match` returns for every image.

    Examples
    --------
    >>> priors_cxcywh = np.array([[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 1.0]])
    >>> match_batch([np.array([[0.0, 0.0, 0.5, 0.6]]), np.empty((0, 4))], priors_cxcywh)
    array([[ 0, -1],
           [-1, -1]])
    """
    gt_xyxy = [checked_ground_truths(objects) for objects in gt_xyxy]
    priors_cxcywh = checked_priors(priors_cxcywh)
    if not is_compiled(rule) or not gt_xyxy:
        rows = [match(objects, priors_cxcywh, iou_threshold, rule) for objects in gt_xyxy]
        return np.array(rows, np.int64).reshape(-1, len(priors_cxcywh))
    return kernel.match_batch(gt_xyxy, priors_cxcywh, float(iou_threshold), kernel.RULES[rule])


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
    best_gt, best_iou, forced_prior = best_overlaps(gt_xyxy, priors_cxcywh, rule)
    over = (best_iou >= iou_threshold) & (best_gt != BACKGROUND)
    matched_gt = np.where(over, best_gt, BACKGROUND)
    reason = np.where(over, OVER_THRESHOLD, BELOW_THRESHOLD).astype(np.int8)
    for g, prior in enumerate(forced_prior):
        if prior != BACKGROUND:
            matched_gt[prior], reason[prior] = g, FORCED  # a forced match overrides the threshold
    return Explanation(matched_gt, best_gt, best_iou, reason, iou_threshold)


def best_overlaps(gt_xyxy, priors_cxcywh, rule="bipartite"):
    """Find the best ground truth of each prior, and the prior that each ground truth forces.

    Parameters
    ----------
    gt_xyxy, priors_cxcywh, rule
        As in `match`.

    Returns
    -------
    best_gt : ndarray of int64, (P,)
        Ground truth that the prior overlaps best (the lowest on ties), -1 where it overlaps none.
    best_iou : ndarray of float64, (P,)
        IoU with `best_gt`.
    forced_prior : ndarray of int64, (G,)
        Prior that the ground truth forces, -1 where it forces none.

    Examples
    --------
    >>> priors_cxcywh = np.array([[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 1.0], [0.5, 0.5, 0.25, 0.5]])
    >>> best_gt, best_iou, forced_prior = best_overlaps(np.array([[0.0, 0.0, 0.5, 0.75]]), priors_cxcywh)
    >>> best_gt, best_iou.round(3), forced_prior
    (array([ 0, -1,  0]), array([0.75 , 0.   , 0.143]), array([0]))
    """
    gt_xyxy, priors_cxcywh = checked_ground_truths(gt_xyxy), checked_priors(priors_cxcywh)
    if not is_compiled(rule):
        return best_overlaps_by_matrix(gt_xyxy, priors_cxcywh, rule)
    return kernel.best_overlaps(gt_xyxy, priors_cxcywh, kernel.RULES[rule])


def best_overlaps_by_matrix(gt_xyxy, priors_cxcywh, rule="bipartite"):
    """Find what `best_overlaps` finds, in the matrix of all IoUs; the definition.

    It takes float64 arrays of shape (G, 4) and (P, 4) for granted.
    """
    iou = boxes.iou(boxes.cxcywh_to_xyxy(priors_cxcywh), gt_xyxy)  # (P, G)
    iou[~(iou > MIN_OVERLAP)] = 0
    with_background = np.column_stack([np.zeros(len(iou)), iou])  # (P, 1 + G)
    best_gt = with_background.argmax(axis=1) + BACKGROUND  # of equals the first: where all are 0, none
    best_iou = with_background.max(axis=1)
    return best_gt, best_iou, RULES[rule](iou)


def force_bipartite(iou):
    """Greedy bipartite matching: the largest IoU of all pairs first, each side used once.

    Parameters
    ----------
    iou : ndarray of float64, (P, G)
        0 where prior and ground truth do not overlap.

    Returns
    -------
    ndarray of int64, (G,)
        Prior that the ground truth forces, -1 where it forces none.

    Examples
    --------
    Both ground truths overlap prior 0 best; the second more, so the first must take prior 1.

    >>> force_bipartite(np.array([[0.6, 0.7], [0.4, 0.0]]))
    array([1, 0])
    """
    iou = iou.copy()
    forced_prior = np.full(iou.shape[1], BACKGROUND)
    while iou.any():
        prior, g = np.unravel_index(iou.argmax(), iou.shape)  # on ties the lowest prior, then the lowest g
        forced_prior[g] = prior
        iou[prior, :] = 0
        iou[:, g] = 0
    return forced_prior


def force_argmax(iou):
    """Each ground truth's best prior, whoever else wants it; prior 0 where nothing overlaps."""
    return iou.argmax(axis=0)


def force_nothing(iou):
    """No ground truth forces a prior."""
    return np.full(iou.shape[1], BACKGROUND)


RULES = {
    "bipartite": force_bipartite,
    "argmax": force_argmax,
    "torchvision": force_argmax,
    "threshold": force_nothing,
}


def is_compiled(rule):
    """Whether a rule has a compiled twin; a new one works without. Raise InputError for an unknown one."""
    if rule not in RULES:
        raise InputError(f"rule: no matching rule {rule!r} (choose one of {', '.join(RULES)})")
    return rule in kernel.RULES


def checked_ground_truths(gt_xyxy, argument="gt_xyxy"):
    """Return the boxes as a new float64 array (G, 4). Raise InputError under this name if they are none."""
    gt_xyxy = np.array(gt_xyxy, dtype=np.float64, order="C")
    if gt_xyxy.size and gt_xyxy.shape[-1] != 4:
        raise InputError(f"{argument}: its shape is {gt_xyxy.shape} (give one row x1, y1, x2, y2 per object)")
    gt_xyxy = gt_xyxy.reshape(-1, 4)
    if not np.isfinite(gt_xyxy).all():
        row = int(np.argmin(np.isfinite(gt_xyxy).all(axis=1)))
        raise InputError(f"{argument}: box {row} is {gt_xyxy[row].tolist()} (remove or correct it)")
    return gt_xyxy


def checked_priors(priors_cxcywh):
    """Return the priors as a float64 array fit for compiled code. Raise InputError if they are no boxes."""
    priors_cxcywh = np.ascontiguousarray(priors_cxcywh, dtype=np.float64)
    if not priors_cxcywh.flags.writeable:  # Numba would compile the same once more for read-only arrays
        priors_cxcywh = priors_cxcywh.copy()
    if priors_cxcywh.ndim != 2 or priors_cxcywh.shape[1] != 4 or len(priors_cxcywh) == 0:
        raise InputError(f"priors_cxcywh: shape {priors_cxcywh.shape} (give at least one row cx, cy, w, h)")
    return priors_cxcywh
