"""From the network's output to detections: softmax, decode, threshold, suppress, keep the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd import codec
from minissd.errors import InputError
from minissd.kernels import postprocess
from minissd.loss import softmax
from minissd.nms import nms


@dataclass(frozen=True)
class Detections:
    """What was found in one image, best first.

    Attributes
    ----------
    boxes_xyxy : ndarray, (D, 4)
        Corners, fractions of the image; they may reach over its border.
    scores : ndarray, (D,)
        Probability of the class.
    labels : ndarray of int64, (D,)
        Class, 1...C-1.
    priors : ndarray of int64, (D,)
        Number of the default box that made the detection.
    """

    boxes_xyxy: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    priors: np.ndarray

    def __len__(self):
        return len(self.scores)

    def select(self, rows):
        """Return the detections of these rows (indices or a mask)."""
        return Detections(self.boxes_xyxy[rows], self.scores[rows], self.labels[rows], self.priors[rows])


def detect(
    loc,
    conf,
    priors_cxcywh,
    score_threshold=0.01,
    iou_threshold=0.45,
    top_k=400,
    keep_top_k=200,
    variances=(0.1, 0.2),
):
    """Turn the predictions of a batch into detections (paper, section 3.7).

    `detect_step_by_step` shows how and works on any arrays. NumPy arrays of float32, what a network predicts,
    take the short cuts of `minissd.kernels.postprocess` to the same detections.

    Parameters
    ----------
    loc : ndarray, (N, P, 4)
        Predicted offsets.
    conf : ndarray, (N, P, C)
        Logits.
    priors_cxcywh : ndarray, (P, 4)
    score_threshold : float
        A prior speaks for a class if its probability is greater than this.
    iou_threshold : float
        Threshold of the suppression, which works in each class alone.
    top_k : int, optional
        Best-scoring boxes of each class that enter the suppression; None for all.
    keep_top_k : int, optional
        Detections of all classes together that an image keeps; None for all.
    variances : (float, float)
        See `minissd.codec.decode`.

    Returns
    -------
    list of Detections
        One per image, of the dtype of the predictions. Of equal scores the lower class comes first, then
        the lower prior. A prior with a logit that is NaN or inf detects nothing.

    Raises
    ------
    InputError
        If the predictions are no batch, have no class of objects, or are not for this number of priors.

    Examples
    --------
    One prior that is sure of class 2, one of the background.

    >>> conf = np.array([[[0.0, 0.0, 9.0], [9.0, 0.0, 0.0]]])
    >>> priors_cxcywh = np.array([[0.5, 0.5, 0.5, 0.5], [0.2, 0.2, 0.1, 0.1]])
    >>> found = detect(np.zeros((1, 2, 4)), conf, priors_cxcywh)[0]
    >>> found.labels, found.boxes_xyxy
    (array([2]), array([[0.25, 0.25, 0.75, 0.75]]))
    """
    _check_shapes(loc, conf, priors_cxcywh)
    options = float(score_threshold), iou_threshold, top_k, keep_top_k, variances
    if postprocess.fits(loc, conf, top_k, keep_top_k):
        return [Detections(*found) for found in postprocess.detect(loc, conf, priors_cxcywh, *options)]
    return detect_step_by_step(loc, conf, priors_cxcywh, *options)


def detect_step_by_step(
    loc, conf, priors_cxcywh, score_threshold, iou_threshold, top_k, keep_top_k, variances
):
    """The steps of `detect` one after the other, each for all priors."""
    probabilities = softmax(conf)  # (N, P, C)
    boxes_xyxy = codec.decode(loc, priors_cxcywh, variances)  # (N, P, 4)
    return [
        best_detections(boxes, probability, score_threshold, iou_threshold, top_k, keep_top_k)
        for boxes, probability in zip(boxes_xyxy, probabilities)
    ]


def best_detections(boxes_xyxy, probability, score_threshold, iou_threshold, top_k, keep_top_k):
    """Threshold, suppression class by class, and the best of all classes together, for one image.

    Parameters
    ----------
    boxes_xyxy : ndarray, (P, 4)
    probability : ndarray, (P, C)
    score_threshold, iou_threshold, top_k, keep_top_k
        As in `detect`.

    Returns
    -------
    Detections
    """
    found_priors, found_labels = [], []
    for label in range(1, probability.shape[1]):
        candidates = np.flatnonzero(probability[:, label] > score_threshold)
        kept = nms(boxes_xyxy[candidates], probability[candidates, label], iou_threshold, top_k)
        found_priors.append(candidates[kept])
        found_labels.append(np.full(len(kept), label))
    priors, labels = np.concatenate(found_priors), np.concatenate(found_labels)
    scores = probability[priors, labels]
    best = np.argsort(-scores, kind="stable")[:keep_top_k]
    return Detections(boxes_xyxy[priors[best]], scores[best], labels[best], priors[best])


def _check_shapes(loc, conf, priors_cxcywh):
    batches = loc.ndim == conf.ndim == 3 and len(loc) == len(conf)
    if not batches or loc.shape[2] != 4 or conf.shape[2] < 2:
        raise InputError(
            f"detect: loc of shape {loc.shape}, conf of shape {conf.shape} "
            "(give (N, P, 4) and (N, P, C) with the background among the C classes)"
        )
    if not loc.shape[1] == conf.shape[1] == len(priors_cxcywh):
        raise InputError(
            f"detect: {loc.shape[1]} offsets and {conf.shape[1]} class rows for {len(priors_cxcywh)} priors "
            "(were the priors made from the configuration of this model?)"
        )
    if np.shape(priors_cxcywh)[1:] != (4,):
        raise InputError(
            f"priors_cxcywh: shape {np.shape(priors_cxcywh)} (give one row cx, cy, w, h per prior)"
        )
