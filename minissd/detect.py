"""From the network's output to detections: softmax, decode, threshold, suppress, keep the best.

Where other implementations of SSD take another turn, `Deviations` has a name for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd import boxes, codec
from minissd.backend import is_cuda, to_cpu
from minissd.errors import InputError
from minissd.kernels import postprocess
from minissd.kernels.cuda import detection as on_gpu
from minissd.nms import nms
from minissd.softmax import softmax


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


@dataclass(frozen=True)
class Deviations:
    """In what another implementation detects in another way than Caffe; by default in nothing.

    Attributes
    ----------
    inclusive_scores : bool
        A probability of exactly the threshold is enough (chainercv, d2l).
    inclusive_nms : bool
        An IoU of exactly the threshold suppresses (chainercv), see `minissd.nms.nms`.
    clip : bool
        Boxes are cut at the border of the image before the suppression (torchvision).
    max_log_size : float, optional
        Limit of the predicted change of size, see `minissd.codec.decode` (torchvision).
    class_agnostic : bool
        A prior speaks for its best class only, and a box suppresses those of all classes (d2l).
    """

    inclusive_scores: bool = False
    inclusive_nms: bool = False
    clip: bool = False
    max_log_size: float | None = None
    class_agnostic: bool = False


NO_DEVIATION = Deviations()


def detect(
    loc,
    conf,
    priors_cxcywh,
    score_threshold=0.01,
    iou_threshold=0.45,
    top_k=400,
    keep_top_k=200,
    variances=(0.1, 0.2),
    **deviations,
):
    """Turn the predictions of a batch into detections (paper, section 3.7).

    `detect_step_by_step` shows how. Arrays of float32, what a network predicts, take the short cuts of
    `minissd.kernels.postprocess` to the same detections, unless `class_agnostic`, and on a GPU those of
    `minissd.kernels.cuda.detection`; what that is not made for is brought to the CPU.

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
    **deviations
        The options of `Deviations`: ``inclusive_scores=False``, ``inclusive_nms=False``, ``clip=False``,
        ``max_log_size=None``, ``class_agnostic=False``.

    Returns
    -------
    list of Detections
        One per image, in NumPy arrays of the dtype of the predictions. Of equal scores the lower class comes
        first, then the lower prior. A prior with a logit that is NaN or inf detects nothing.

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
    deviations = Deviations(**deviations)
    options = float(score_threshold), iou_threshold, top_k, keep_top_k, variances, deviations
    if on_gpu.fits(loc, conf, top_k, keep_top_k, deviations):
        return [Detections(*found) for found in on_gpu.detect(loc, conf, priors_cxcywh, *options)]
    loc, conf, priors_cxcywh = map(to_cpu, (loc, conf, priors_cxcywh))
    if postprocess.fits(loc, conf, top_k, keep_top_k, deviations):
        return [Detections(*found) for found in postprocess.detect(loc, conf, priors_cxcywh, *options)]
    return detect_step_by_step(loc, conf, priors_cxcywh, *options)


def detect_step_by_step(
    loc,
    conf,
    priors_cxcywh,
    score_threshold,
    iou_threshold,
    top_k,
    keep_top_k,
    variances,
    deviations=NO_DEVIATION,
):
    """The steps of `detect` one after the other, each for all priors."""
    probabilities = softmax(conf)  # (N, P, C)
    boxes_xyxy = codec.decode(loc, priors_cxcywh, variances, max_log_size=deviations.max_log_size)
    if deviations.clip:
        boxes_xyxy = boxes.clip(boxes_xyxy)  # (N, P, 4)
    options = score_threshold, iou_threshold, top_k, keep_top_k, deviations
    return [best_detections(*of_image, *options) for of_image in zip(boxes_xyxy, probabilities)]


def best_detections(
    boxes_xyxy, probability, score_threshold, iou_threshold, top_k, keep_top_k, deviations=NO_DEVIATION
):
    """Threshold, suppression class by class, and the best of all classes together, for one image.

    Parameters
    ----------
    boxes_xyxy : ndarray, (P, 4)
    probability : ndarray, (P, C)
    score_threshold, iou_threshold, top_k, keep_top_k
        As in `detect`.
    deviations : Deviations

    Returns
    -------
    Detections
    """
    reaches = np.greater_equal if deviations.inclusive_scores else np.greater
    groups = all_classes_together if deviations.class_agnostic else class_by_class
    found = []
    for priors, labels in groups(probability, reaches(probability, score_threshold)):
        scores = probability[priors, labels]
        kept = nms(boxes_xyxy[priors], scores, iou_threshold, top_k, deviations.inclusive_nms)
        found.append((priors[kept], labels[kept]))
    priors, labels = (np.concatenate(column) for column in zip(*found))
    scores = probability[priors, labels]
    best = np.argsort(-scores, kind="stable")[:keep_top_k]
    return Detections(boxes_xyxy[priors[best]], scores[best], labels[best], priors[best])


def class_by_class(probability, enough):
    """The candidates of each class, which suppress each other only: priors and labels, class after class.

    Parameters
    ----------
    probability : ndarray, (P, C)
    enough : ndarray of bool, (P, C)
        Where a prior speaks for a class.

    Yields
    ------
    priors, labels : ndarray of int64, (candidates,)
    """
    for label in range(1, probability.shape[1]):
        (priors,) = np.nonzero(enough[:, label])
        yield priors, np.full(len(priors), label)


def all_classes_together(probability, enough):
    """One group of all candidates, each with its best class of objects; as `class_by_class`."""
    labels = probability[:, 1:].argmax(axis=1) + 1  # (P,)
    (priors,) = np.nonzero(enough[np.arange(len(labels)), labels])
    yield priors, labels[priors]


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
    shape = priors_cxcywh.shape if is_cuda(priors_cxcywh) else np.shape(priors_cxcywh)
    if shape[1:] != (4,):
        raise InputError(f"priors_cxcywh: shape {shape} (give one row cx, cy, w, h per prior)")
