"""The explanation of a matching: what each default box overlaps, and why it got what it got."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd.kernels.matching import BACKGROUND

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
    strict : bool
        See `match`.
    """

    matched_gt: np.ndarray
    best_gt: np.ndarray
    best_iou: np.ndarray
    reason: np.ndarray
    iou_threshold: float
    strict: bool = False

    def describe(self, prior):
        """Return one sentence that says what happened to the prior of this number."""
        best = f"best IoU {self.best_iou[prior]:.3f} with ground truth {self.best_gt[prior]}"
        if self.best_gt[prior] == BACKGROUND:
            best = "overlaps no ground truth"
        if self.reason[prior] == FORCED:
            return f"prior {prior}: forced by ground truth {self.matched_gt[prior]} ({best})"
        if self.reason[prior] == OVER_THRESHOLD:
            return f"prior {prior}: matched, {best} {'>' if self.strict else '>='} {self.iou_threshold:g}"
        return f"prior {prior}: background, {best}, threshold {self.iou_threshold:g}"
