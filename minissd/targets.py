"""What the network should have said: matching and encoding for one image."""

from __future__ import annotations

import numpy as np

from minissd import codec, matching
from minissd.errors import InputError


def make_targets(gt_xyxy, labels, priors_cxcywh, iou_threshold=0.5, rule="bipartite", variances=(0.1, 0.2)):
    """Match an image's objects to the default boxes and encode them.

    Parameters
    ----------
    gt_xyxy : ndarray, (G, 4)
        Corners, fractions of the image.
    labels : ndarray of int, (G,)
        Class of each object, 1...C-1.
    priors_cxcywh : ndarray, (P, 4)
    iou_threshold, rule
        See `minissd.matching.match`.
    variances : (float, float)
        See `minissd.codec.encode`.

    Returns
    -------
    loc_target : ndarray of float32, (P, 4)
        Offsets of the matched priors, 0 elsewhere.
    conf_target : ndarray of int64, (P,)
        Class of the matched priors, 0 (background) elsewhere.

    Raises
    ------
    InputError
        If there is not one label per object, or a label is below 1; and as `matching.match` and
        `codec.encode`.

    Examples
    --------
    >>> priors_cxcywh = np.array([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
    >>> loc_target, conf_target = make_targets(np.array([[0.5, 0.5, 1.0, 1.0]]), np.array([3]), priors_cxcywh)
    >>> conf_target
    array([0, 3])
    """
    if len(labels) != len(gt_xyxy):
        raise InputError(f"labels: {len(labels)} for {len(gt_xyxy)} boxes (give one per object)")
    if len(labels) and min(labels) < 1:
        raise InputError(f"labels: {min(labels)} is no class of objects (count from 1, 0 is the background)")
    matched_gt = matching.match(gt_xyxy, priors_cxcywh, iou_threshold, rule)
    positive = matched_gt != matching.BACKGROUND
    conf_target = np.zeros(len(priors_cxcywh), dtype=np.int64)
    conf_target[positive] = labels[matched_gt[positive]]
    loc_target = np.zeros((len(priors_cxcywh), 4), dtype=np.float32)
    loc_target[positive] = codec.encode(gt_xyxy[matched_gt[positive]], priors_cxcywh[positive], variances)
    return loc_target, conf_target
