"""What the network should have said: matching and encoding, for one image and for a batch."""

from __future__ import annotations

import numpy as np

from minissd import codec, matching
from minissd.box_checks import checked_ground_truths, checked_priors
from minissd.errors import InputError
from minissd.kernels import targets as kernel


def make_targets(
    gt_xyxy, labels, priors_cxcywh, iou_threshold=0.5, rule="bipartite", variances=(0.1, 0.2), **deviations
):
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
    **deviations
        `strict` and `union_epsilon` of `match`, `log_epsilon` of `encode`.

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
    gt_xyxy, labels = _checked_objects(gt_xyxy, labels)
    options = iou_threshold, rule, variances
    loc_target, conf_target = _targets([gt_xyxy], [labels], priors_cxcywh, *options, **deviations)
    return loc_target[0], conf_target[0]


def make_batch_targets(
    gt_xyxy, labels, priors_cxcywh, iou_threshold=0.5, rule="bipartite", variances=(0.1, 0.2), **deviations
):
    """Do `make_targets` for all images of a batch, on all cores.

    Parameters
    ----------
    gt_xyxy : sequence of ndarray, N of (G_n, 4)
    labels : sequence of ndarray of int, N of (G_n,)
    priors_cxcywh, iou_threshold, rule, variances, **deviations
        As in `make_targets`.

    Returns
    -------
    loc_target : ndarray of float32, (N, P, 4)
    conf_target : ndarray of int64, (N, P)

    Raises
    ------
    InputError
        As `make_targets`; and if there are not as many arrays of labels as of boxes.

    Examples
    --------
    >>> priors_cxcywh = np.array([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
    >>> one_object, none = np.array([[0.5, 0.5, 1.0, 1.0]]), np.zeros((0, 4))
    >>> _, conf_target = make_batch_targets([one_object, none], [np.array([3]), np.zeros(0)], priors_cxcywh)
    >>> conf_target
    array([[0, 3],
           [0, 0]])
    """
    if len(labels) != len(gt_xyxy):
        raise InputError(
            f"labels: of {len(labels)} images for boxes of {len(gt_xyxy)} (give one array per image)"
        )
    objects = [_checked_objects(*pair, f"[{n}]") for n, pair in enumerate(zip(gt_xyxy, labels))]
    gt_xyxy, labels = [pair[0] for pair in objects], [pair[1] for pair in objects]
    return _targets(gt_xyxy, labels, priors_cxcywh, iou_threshold, rule, variances, **deviations)


def match_and_encode(
    gt_xyxy,
    labels,
    priors_cxcywh,
    iou_threshold=0.5,
    rule="bipartite",
    variances=(0.1, 0.2),
    log_epsilon=0.0,
    **deviations,
):
    """Return what `make_targets` does, as the paper says it: match, then encode. The definition."""
    matched_gt = matching.match(gt_xyxy, priors_cxcywh, iou_threshold, rule, **deviations)
    positive = matched_gt != matching.BACKGROUND
    conf_target = np.zeros(len(priors_cxcywh), dtype=np.int64)
    conf_target[positive] = labels[matched_gt[positive]]
    loc_target = np.zeros((len(priors_cxcywh), 4), dtype=np.float32)
    own_gt_xyxy = gt_xyxy[matched_gt[positive]]
    loc_target[positive] = codec.encode(own_gt_xyxy, priors_cxcywh[positive], variances, log_epsilon)
    return loc_target, conf_target


def _targets(gt_xyxy, labels, priors_cxcywh, iou_threshold, rule, variances, log_epsilon=0.0, **deviations):
    """Call compiled code, but let the definition do what that cannot do."""
    priors_cxcywh = checked_priors(priors_cxcywh)
    loc_target = np.empty((len(gt_xyxy), len(priors_cxcywh), 4), dtype=np.float32)
    conf_target = np.empty((len(gt_xyxy), len(priors_cxcywh)), dtype=np.int64)
    options = priors_cxcywh, iou_threshold, rule, variances
    is_compiled = matching.is_compiled(rule, **deviations) and not log_epsilon
    if is_compiled and kernel.make_targets(loc_target, conf_target, gt_xyxy, labels, *options):
        return loc_target, conf_target
    for n, objects in enumerate(zip(gt_xyxy, labels)):  # or a box has no code, which raises
        loc_target[n], conf_target[n] = match_and_encode(*objects, *options, log_epsilon, **deviations)
    return loc_target, conf_target


def _checked_objects(gt_xyxy, labels, image=""):
    """Return float64 boxes and whole labels, or say what is wrong with them and of which image."""
    if len(labels) != len(gt_xyxy):
        raise InputError(f"labels{image}: {len(labels)} for {len(gt_xyxy)} boxes (give one per object)")
    labels = np.array(labels, dtype=np.int64)
    if len(labels) and labels.min() < 1:
        raise InputError(
            f"labels{image}: {labels.min()} is no class of objects (count from 1, 0 is the background)"
        )
    return checked_ground_truths(gt_xyxy, f"gt_xyxy{image}"), labels
