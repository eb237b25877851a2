"""Matching: which default box is to learn which object.

Matching looks at default boxes and ground truths only, never at predictions (paper, section 2.2):

1. **force**: every ground truth gets the default box that overlaps it best, so that no object goes
   unlearned. Two objects may want the same box, and the rules below differ in who gets it;
2. **threshold**: every other default box takes the ground truth that it overlaps best, if their IoU
   reaches the threshold. All that remain are background.

A rule is one entry in `RULES`: a function of all IoUs that says which prior each ground truth forces. The
published models were trained by the first one, `force_bipartite`.

All follows from the IoU of every prior with every ground truth, and `best_overlaps_by_matrix` is the
definition of what follows. `match` and `explain` find exactly the same in compiled code, without ever storing
the matrix: for SSD512 with 200 objects it would fill 40 megabytes (`minissd.kernels.matching`).
"""

from __future__ import annotations

import numpy as np

from minissd import boxes
from minissd.box_checks import checked_ground_truths, checked_priors
from minissd.choice import chosen
from minissd.explanation import BELOW_THRESHOLD, FORCED, OVER_THRESHOLD, Explanation
from minissd.kernels import matching as kernel

BACKGROUND = kernel.BACKGROUND  # -1
MIN_OVERLAP = kernel.MIN_OVERLAP  # Caffe's 1e-6: a smaller IoU is rounding, not overlap


def match(gt_xyxy, priors_cxcywh, iou_threshold=0.5, rule="bipartite", strict=False, union_epsilon=0.0):
    """Assign a ground truth, or the background, to every default box.

    Parameters
    ----------
    gt_xyxy : ndarray, (G, 4)
        Ground truths as corners, fractions of the image. G may be 0.
    priors_cxcywh : ndarray, (P, 4)
    iou_threshold : float
        A prior whose IoU is at least this is matched, forced or not.
    rule : str
        How conflicts over a prior are settled, a key of `RULES`:

        ``"bipartite"`` (Caffe's, the published models')
            Repeatedly the pair with the largest IoU of all that remain; each ground truth and each prior
            is used once. Ties go to the lowest prior, then to the lowest ground truth. A ground truth
            that overlaps nothing forces nothing.
        ``"argmax"`` (amdegroot's, lufficc's, sgrvinod's), ``"torchvision"``
            Each ground truth takes its best prior, and **the last wins**, see `force_argmax`.
        ``"d2l"`` (Dive into Deep Learning's)
            As ``"bipartite"``, but every ground truth forces a prior, see `force_every`.
        ``"threshold"`` (balancap's)
            No forced matches: an object that reaches the threshold nowhere is not learned.
    strict : bool
        Whether an IoU of exactly `iou_threshold` is too little, as in the paper's words ("higher than") and
        in NVIDIA's code. In Caffe and most others it is enough.
    union_epsilon : float
        Added to the area of every union; lufficc's is 1e-5, see `with_larger_unions`.

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
    if not is_compiled(rule, strict, union_epsilon):
        return explain(gt_xyxy, priors_cxcywh, iou_threshold, rule, strict, union_epsilon).matched_gt
    gt_xyxy, priors_cxcywh = checked_ground_truths(gt_xyxy), checked_priors(priors_cxcywh)
    return kernel.match(gt_xyxy, priors_cxcywh, float(iou_threshold), kernel.RULES[rule])


def match_batch(gt_xyxy, priors_cxcywh, iou_threshold=0.5, rule="bipartite", **deviations):
    """Match the objects of several images, on all cores.

    Parameters
    ----------
    gt_xyxy : sequence of ndarray, N of (G_n, 4)
    priors_cxcywh, iou_threshold, rule
        As in `match`.
    **deviations
        `strict` and `union_epsilon` of `match`.

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
    if gt_xyxy and is_compiled(rule, **deviations):
        return kernel.match_batch(gt_xyxy, priors_cxcywh, float(iou_threshold), kernel.RULES[rule])
    rows = [match(objects, priors_cxcywh, iou_threshold, rule, **deviations) for objects in gt_xyxy]
    return np.array(rows, np.int64).reshape(-1, len(priors_cxcywh))


def explain(gt_xyxy, priors_cxcywh, iou_threshold=0.5, rule="bipartite", strict=False, union_epsilon=0.0):
    """Match as `match` does, and say for every prior why.

    Parameters
    ----------
    gt_xyxy, priors_cxcywh, iou_threshold, rule, strict, union_epsilon
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
    best_gt, best_iou, forced_prior = best_overlaps(gt_xyxy, priors_cxcywh, rule, union_epsilon)
    over = best_iou > iou_threshold if strict else best_iou >= iou_threshold
    over &= best_gt != BACKGROUND
    matched_gt = np.where(over, best_gt, BACKGROUND)
    reason = np.where(over, OVER_THRESHOLD, BELOW_THRESHOLD).astype(np.int8)
    for g, prior in enumerate(forced_prior):
        if prior != BACKGROUND:
            matched_gt[prior], reason[prior] = g, FORCED  # a forced match overrides the threshold
    return Explanation(matched_gt, best_gt, best_iou, reason, iou_threshold, strict)


def best_overlaps(gt_xyxy, priors_cxcywh, rule="bipartite", union_epsilon=0.0):
    """Find the best ground truth of each prior, and the prior that each ground truth forces.

    Parameters
    ----------
    gt_xyxy, priors_cxcywh, rule, union_epsilon
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
    if not is_compiled(rule, union_epsilon=union_epsilon):
        return best_overlaps_by_matrix(gt_xyxy, priors_cxcywh, rule, union_epsilon)
    return kernel.best_overlaps(gt_xyxy, priors_cxcywh, kernel.RULES[rule])


def best_overlaps_by_matrix(gt_xyxy, priors_cxcywh, rule="bipartite", union_epsilon=0.0):
    """Find what `best_overlaps` finds, in the matrix of all IoUs; the definition.

    It takes float64 arrays of shape (G, 4) and (P, 4) for granted.
    """
    priors_xyxy = boxes.cxcywh_to_xyxy(priors_cxcywh)
    iou = boxes.iou(priors_xyxy, gt_xyxy)  # (P, G)
    if union_epsilon:
        iou = with_larger_unions(iou, priors_xyxy, gt_xyxy, union_epsilon)
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
        prior, g = np.unravel_index(iou.argmax(), iou.shape)  # on ties the lowest prior, then g
        forced_prior[g] = prior
        iou[prior, :] = 0
        iou[:, g] = 0
    return forced_prior


def is_compiled(rule, strict=False, union_epsilon=0.0):
    """Whether there is a compiled twin; a new rule works without. Raise InputError for an unknown one."""
    chosen(RULES, rule, "rule", "matching rule")
    return rule in kernel.RULES and not (strict or union_epsilon)


# -- as other implementations have it -----------------------------------------------------------------------


def force_argmax(iou):
    """Each ground truth's best prior, whoever else wants it; prior 0 where nothing overlaps.

    Where two want the same one, the last gets it, and the other may be left with nothing. amdegroot and
    torchvision write this differently and get the same.

    Examples
    --------
    >>> force_argmax(np.array([[0.6, 0.7], [0.4, 0.0]]))
    array([0, 0])
    """
    return iou.argmax(axis=0)


def force_every(iou):
    """As `force_bipartite`; then who is left takes what is left, the lowest ground truth the lowest prior.

    This is d2l's: the arg-maxima of a matrix in which all that remains is 0.

    Examples
    --------
    Ground truth 0 overlaps nothing, and takes prior 1 because that is free.

    >>> force_every(np.array([[0.0, 0.7], [0.0, 0.6], [0.0, 0.0]]))
    array([1, 0])
    """
    forced_prior = force_bipartite(iou)
    left = np.flatnonzero(forced_prior == BACKGROUND)
    free = np.setdiff1d(np.arange(len(iou)), forced_prior)
    forced_prior[left[: len(free)]] = free[: len(left)]
    return forced_prior


def force_nothing(iou):
    """No ground truth forces a prior: balancap's."""
    return np.full(iou.shape[1], BACKGROUND)


RULES = {
    "bipartite": force_bipartite,
    "argmax": force_argmax,
    "torchvision": force_argmax,
    "d2l": force_every,
    "threshold": force_nothing,
}


def with_larger_unions(iou, priors_xyxy, gt_xyxy, union_epsilon):
    """Return the IoUs as they are if every union is larger by an epsilon; lufficc's is 1e-5.

    That makes the IoU of small boxes smaller: a square a fiftieth of the image wide and its half have .488.
    """
    # The areas of a pair add up to union + intersection, which is union * (1 + IoU).
    union = (boxes.area(priors_xyxy)[:, None] + boxes.area(gt_xyxy)) / (1 + iou)
    return iou * union / (union + union_epsilon)
