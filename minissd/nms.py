"""Non-maximum suppression: many default boxes find the same object; keep the best of them.

Greedy: the box of highest score is kept and suppresses every other box whose IoU with it is over the
threshold; then the next that is left, and so on.
"""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled
from minissd.errors import InputError
from minissd.kernels import suppression

KEPT, NOT_CONSIDERED = -1, -2  # values of `suppressed_by`


def nms(boxes_xyxy, scores, iou_threshold=0.45, top_k=None, inclusive=False):
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
    inclusive : bool
        Suppress at an IoU of exactly the threshold too, as chainercv and py-faster-rcnn's compiled NMS do.

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
    order, suppressor = _suppress(boxes_xyxy, scores, iou_threshold, top_k, inclusive)
    return order[suppressor[order] == KEPT]


def suppressed_by(boxes_xyxy, scores, iou_threshold=0.45, top_k=None, inclusive=False):
    """Say for every box which one suppressed it.

    Parameters
    ----------
    boxes_xyxy, scores, iou_threshold, top_k, inclusive
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
    return _suppress(boxes_xyxy, scores, iou_threshold, top_k, inclusive)[1]


def _suppress(boxes_xyxy, scores, iou_threshold, top_k, inclusive):
    """The boxes that are considered, best first, and what `suppressed_by` returns."""
    boxes_xyxy = np.require(boxes_xyxy, np.float64, "CAW").reshape(-1, 4)  # as compiled code needs them
    if np.shape(scores) != (len(boxes_xyxy),):
        raise InputError(
            f"scores: shape {np.shape(scores)} for {len(boxes_xyxy)} boxes (give one score per box)"
        )
    order = np.argsort(-np.asarray(scores), kind="stable")[:top_k]
    suppressor = np.full(len(boxes_xyxy), NOT_CONSIDERED, dtype=np.int64)
    iou_threshold = suppression.number_to_exceed(np.float64(iou_threshold), inclusive)
    suppression.suppress(boxes_xyxy, order, float(iou_threshold), suppressor)
    return order, suppressor


@compiled(error_model="numpy")
def suppress_one_by_one(boxes_xyxy, order, iou_threshold, suppressor):
    """Write to `suppressor` for every box of `order`, best first, which one suppressed it.

    What this loop computes, `minissd.kernels.suppression.suppress` computes faster.
    """
    suppressor[order] = KEPT
    for rank in range(len(order)):
        best = order[rank]
        if suppressor[best] != KEPT:
            continue
        for other in order[rank + 1 :]:
            if suppressor[other] == KEPT and iou_of_pair(boxes_xyxy[best], boxes_xyxy[other]) > iou_threshold:
                suppressor[other] = best


@compiled(error_model="numpy")
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
