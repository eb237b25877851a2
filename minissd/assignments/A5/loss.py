"""The multibox loss in plain NumPy; assignment A5 hands it out. `minissd.loss` explains it."""

from __future__ import annotations

import numpy as np

from minissd.loss import smooth_l1
from minissd.softmax import softmax


def multibox_loss(loc, conf, loc_target, conf_target, neg_pos_ratio=3):
    """Confidence and localisation loss of a batch, and their gradients (paper, section 2.2).

    Parameters
    ----------
    loc : ndarray, (N, P, 4)
        Predicted offsets.
    conf : ndarray, (N, P, C)
        Predicted logits.
    loc_target : ndarray, (N, P, 4)
    conf_target : ndarray of int, (N, P)
        Class of each default box, 0 for background.
    neg_pos_ratio : int
        Mined negatives per positive, in each image.

    Returns
    -------
    value : float
    dloc : ndarray, (N, P, 4)
        Gradient of the value for `loc`.
    dconf : ndarray, (N, P, C)
        Gradient of the value for `conf`.
    """
    positive = conf_target > 0  # (N, P)
    probability = softmax(conf)  # (N, P, C)
    wanted = np.eye(conf.shape[2])[conf_target]  # (N, P, C)
    cross_entropy = -np.log((probability * wanted).sum(axis=2))  # (N, P)
    hardness = np.where(positive, -np.inf, cross_entropy)
    rank = np.argsort(np.argsort(-hardness, axis=1, kind="stable"), axis=1)
    mined = ~positive & (rank < neg_pos_ratio * positive.sum(axis=1, keepdims=True))
    loss, slope = smooth_l1(loc - loc_target)  # (N, P, 4) both
    counted, count = positive | mined, max(positive.sum(), 1)
    value = (cross_entropy[counted].sum() + loss[positive].sum()) / count
    dconf = (probability - wanted) * counted[..., None] / count
    return float(value), slope * positive[..., None] / count, dconf
