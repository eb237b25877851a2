"""Non-maximum suppression: many default boxes find the same object; keep the best of them.

Greedy: the box of highest score is kept and suppresses every other box whose IoU with it is over the
threshold; then the next that is left, and so on.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from minissd.errors import InputError
from minissd.matching import iou_of_pair

KEPT, NOT_CONSIDERED = -1, -2  # values of `suppressed_by`


def nms(boxes_xyxy, scores, iou_threshold=0.45, top_k=None):
    """Return the boxes that survive, best first.

    Parameters
    ----------
    boxes_xyxy : ndarray, (B, 4)
        Boxes of one class.
    scores : ndarray, (B,)
    iou_threshold : float
        A box is suppressed by a better one if their IoU is **greater** than this; equal is kept.
    top_k : int, optional
        Consider only so many boxes of highest score.

    Returns
    -------
    ndarray of int64, (K,)
        Indices of the kept boxes in descending score; of equal scores the lower index comes first.

    Raises
    ------
    InputError
        If there is not one score per box.

    Examples
    --------
    The second box covers half of the first (IoU 1/2), the third stands alone.

    >>> boxes_xyxy = np.array([[0.0, 0.0, 2.0, 1.0], [0.0, 0.0, 1.0, 1.0], [3.0, 0.0, 4.0, 1.0]])
    >>> nms(boxes_xyxy, np.array([0.9, 0.8, 0.7]))
    array([0, 2])
    """
    order = _best_first(scores, top_k)
    return order[suppressed_by(boxes_xyxy, scores, iou_threshold, top_k)[order] == KEPT]


def suppressed_by(boxes_xyxy, scores, iou_threshold=0.45, top_k=None):
    """Say for every box which one suppressed it.

    Parameters
    ----------
    boxes_xyxy, scores, iou_threshold, top_k
        As in `nms`.

    Returns
    -------
    ndarray of int64, (B,)
        Index of the kept box that suppressed this one, the best of them if there are several; -1 for a
        kept box, -2 for a box that `top_k` left out.

    Examples
    --------
    >>> boxes_xyxy = np.array([[0.0, 0.0, 2.0, 1.0], [0.0, 0.0, 1.0, 1.0], [3.0, 0.0, 4.0, 1.0]])
    >>> suppressed_by(boxes_xyxy, np.array([0.9, 0.8, 0.7]))
    array([-1,  0, -1])
    """
    boxes_xyxy = np.ascontiguousarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    if np.shape(scores) != (len(boxes_xyxy),):
        raise InputError(
            f"scores: shape {np.shape(scores)} for {len(boxes_xyxy)} boxes (give one score per box)"
        )
    order = _best_first(scores, top_k)
    suppressor = np.full(len(boxes_xyxy), NOT_CONSIDERED, dtype=np.int64)
    suppressor[order] = KEPT
    _suppress(boxes_xyxy, order, iou_threshold, suppressor)
    return suppressor


def _best_first(scores, top_k):
    return np.argsort(-np.asarray(scores), kind="stable")[:top_k]


@njit(cache=True, nogil=True)
def _suppress(boxes_xyxy, order, iou_threshold, suppressor):
    for rank in range(len(order)):
        best = order[rank]
        if suppressor[best] != KEPT:
            continue
        for other in order[rank + 1 :]:
            if suppressor[other] == KEPT and iou_of_pair(boxes_xyxy[best], boxes_xyxy[other]) > iou_threshold:
                suppressor[other] = best
