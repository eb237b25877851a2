"""Ground truths and default boxes as they come in: fit for compiled code, or an input error."""

from __future__ import annotations

import numpy as np

from minissd.errors import InputError


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
