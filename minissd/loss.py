"""The multibox loss: what is wrong with a prediction, as one number and as gradients.

There is no tape. Each function returns its value together with the gradient of that very value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd import mining
from minissd.backend import get_array_module
from minissd.errors import InputError
from minissd.kernels import multibox


@dataclass(frozen=True)
class MultiBoxLoss:
    """Value and gradients of the multibox loss of one batch.

    Attributes
    ----------
    value : float
        ``conf + alpha * loc``.
    conf, loc : float
        Confidence and localisation loss, each divided by N.
    num_pos : int
        N, the number of matched priors in the batch.
    hard_negatives : ndarray of bool, (N, P)
        The negatives that took part.
    conf_loss : ndarray, (N, P)
        Cross entropy of every prior, also of those that took no part.
    dloc : ndarray, (N, P, 4)
        Gradient of `value` for the predicted offsets.
    dconf : ndarray, (N, P, C)
        Gradient of `value` for the logits.
    """

    value: float
    conf: float
    loc: float
    num_pos: int
    hard_negatives: np.ndarray
    conf_loss: np.ndarray
    dloc: np.ndarray
    dconf: np.ndarray


def multibox_loss(loc, conf, loc_target, conf_target, neg_pos_ratio=3, alpha=1.0, min_negatives=0):
    r"""The paper's training objective (equations 1 to 3) and its gradients.

    .. math:: L = \frac{1}{N} \left( L_{conf} + \alpha L_{loc} \right)

    L_loc is the smooth L1 loss of the offsets of matched priors, L_conf the softmax cross entropy of
    matched priors and of mined negatives, N the number of matched priors in the whole batch.

    Parameters
    ----------
    loc : ndarray, (N, P, 4)
        Predicted offsets.
    conf : ndarray, (N, P, C)
        Predicted logits.
    loc_target : ndarray, (N, P, 4)
        `minissd.codec.encode` of each prior's ground truth; ignored where `conf_target` is 0.
    conf_target : ndarray of int, (N, P)
        Class of each prior, 0 for background.
    neg_pos_ratio : float
        Mined negatives per positive.
    alpha : float
        Weight of the localisation loss.
    min_negatives : int
        Negatives to mine at least in every image. With 0 an image without objects contributes nothing, as
        in Caffe.

    Returns
    -------
    MultiBoxLoss
        If no prior of the batch is matched, the value and the gradients are 0 (with `min_negatives`
        they are those of the negatives, divided by 1).

    Raises
    ------
    InputError
        If the four shapes do not belong together, or a target class is no integer within 0...C-1.

    Examples
    --------
    With all logits 0 every class has probability 1/C, and one positive brings three negatives: the
    confidence loss is (1 + 3) ln C, here 4 ln 2.

    >>> conf_target = np.array([[0, 1, 0, 0, 0, 0]])
    >>> zeros = np.zeros((1, 6, 4))
    >>> loss = multibox_loss(zeros, np.zeros((1, 6, 2)), zeros, conf_target)
    >>> round(loss.value / float(np.log(2)), 6)
    4.0
    """
    _check_shapes(loc, conf, loc_target, conf_target)
    xp = get_array_module(conf)
    positive = conf_target > 0  # (N, P)
    conf_loss = cross_entropy(conf, conf_target)  # (N, P)
    negative = mining.hard_negatives(conf_loss, positive, neg_pos_ratio, min_negatives)
    counted = positive | negative
    num_pos = int(xp.count_nonzero(positive))
    divisor = max(num_pos, 1)

    loc_value, dloc = localisation_loss(loc, loc_target, positive, divisor, alpha)
    conf_value = float(conf_loss[counted].sum(dtype=np.float64)) / divisor
    # A loss that is no number passes on a gradient that is none either, counted or not: nobody overlooks it.
    dconf = confidence_gradient(conf, conf_target, counted | xp.isnan(conf_loss), divisor)
    return MultiBoxLoss(
        value=conf_value + alpha * loc_value,
        conf=conf_value,
        loc=loc_value,
        num_pos=num_pos,
        hard_negatives=negative,
        conf_loss=conf_loss,
        dloc=dloc,
        dconf=dconf,
    )


def localisation_loss(loc, loc_target, positive, divisor, alpha=1.0):
    """Smooth L1 loss of the matched priors' offsets (equation 2), and its part of the gradient.

    Parameters
    ----------
    loc, loc_target : ndarray, (N, P, 4)
    positive : ndarray of bool, (N, P)
    divisor : float
        What the sum of the losses is divided by.
    alpha : float
        Weight of this loss in the whole.

    Returns
    -------
    value : float
        Not yet multiplied by `alpha`.
    dloc : ndarray, (N, P, 4)
        Gradient of ``alpha * value``; 0 where a prior is not matched.

    Examples
    --------
    >>> loc = np.array([[[0.5, -3.0, 0.0, 0.0], [9.0, 9.0, 9.0, 9.0]]])
    >>> localisation_loss(loc, np.zeros((1, 2, 4)), np.array([[True, False]]), divisor=1)[0]
    2.625
    """
    xp = get_array_module(loc)
    matched = xp.flatnonzero(positive)  # one prior in a hundred: only these are looked at
    target = loc_target.reshape(-1, 4)[matched].astype(loc.dtype, copy=False)
    loss, slope = smooth_l1(loc.reshape(-1, 4)[matched] - target)  # (num_pos, 4) both
    dloc = xp.zeros(loc.shape, loc.dtype)
    dloc.reshape(-1, 4)[matched] = slope * loc.dtype.type(alpha / divisor)
    return float(loss.sum(dtype=np.float64)) / divisor, dloc


def cross_entropy(conf, conf_target):
    """Cross entropy of every prior; `minissd.kernels.multibox` computes it for float32.

    Parameters
    ----------
    conf : ndarray, (N, P, C)
        Logits.
    conf_target : ndarray of int, (N, P)

    Returns
    -------
    ndarray, (N, P)

    Raises
    ------
    InputError
        If a target is negative or not below C.
    """
    if not multibox.fits(conf):
        return softmax_cross_entropy(conf, conf_target)[0]
    _check_classes(conf_target, conf.shape[-1])
    return multibox.cross_entropy(conf, conf_target)


def confidence_gradient(conf, conf_target, counted, divisor):
    """Gradient of the confidence loss for the logits; `minissd.kernels.multibox` computes it for float32.

    Parameters
    ----------
    conf : ndarray, (N, P, C)
        Logits.
    conf_target : ndarray of int, (N, P)
    counted : ndarray of bool, (N, P)
        Matched priors and mined negatives; the rows of all others are 0.
    divisor : float
        What the sum of the losses is divided by.

    Returns
    -------
    ndarray, (N, P, C)
    """
    if multibox.fits(conf):
        return multibox.confidence_gradient(conf, conf_target, counted, divisor)
    dconf = get_array_module(conf).zeros(conf.shape, conf.dtype)
    gradient = cross_entropy_gradient(softmax(conf[counted]), conf_target[counted])  # (num_counted, C)
    dconf[counted] = gradient / conf.dtype.type(divisor)
    return dconf


def _check_shapes(loc, conf, loc_target, conf_target):
    """Refuse shapes that do not belong together; some would broadcast to a loss that means nothing."""
    if conf.ndim != 3:
        raise InputError(f"conf: shape {conf.shape} (give logits of shape (N, P, C), also for one image)")
    rows = conf.shape[:2]  # (N, P)
    shapes = {"loc": (*rows, 4), "loc_target": (*rows, 4), "conf_target": rows}
    for (name, shape), array in zip(shapes.items(), (loc, loc_target, conf_target)):
        if array.shape != shape:
            raise InputError(f"{name}: shape {array.shape}, expected {shape} (conf has {conf.shape})")
    if conf_target.dtype.kind not in "iu":
        raise InputError(f"conf_target: dtype {conf_target.dtype} (give classes as integers)")


def _check_classes(target, num_classes):
    """Refuse a class without a logit."""
    if target.size and (int(target.min()) < 0 or int(target.max()) >= num_classes):
        raise InputError(
            f"conf_target: classes {int(target.min())}...{int(target.max())} for {num_classes} logits "
            "(0 is the background, so K classes of objects need K + 1 logits)"
        )


def softmax(logits):
    r"""Probabilities of the classes, :math:`p_c = e^{x_c} / \sum_k e^{x_k}`.

    Parameters
    ----------
    logits : ndarray, (..., C)

    Returns
    -------
    ndarray, (..., C)
        Each row sums to 1. The maximum of its own row is subtracted first, so that no row overflows and
        none is rounded away beside a larger one.

    Examples
    --------
    >>> softmax(np.log(np.array([[1.0, 3.0]]))).round(6)
    array([[0.25, 0.75]])
    """
    xp = get_array_module(logits)
    exp = xp.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def softmax_cross_entropy(logits, target):
    r"""Cross entropy of the softmax, :math:`-\log p_{target}` (equation 3), of every row.

    Parameters
    ----------
    logits : ndarray, (..., C)
    target : ndarray of int, (...)
        True class of each row, 0...C-1.

    Returns
    -------
    loss : ndarray, (...)
    probability : ndarray, (..., C)
        The softmax; `cross_entropy_gradient` turns it into the gradient.

    Raises
    ------
    InputError
        If a target is negative or not below C.

    Examples
    --------
    >>> loss, _ = softmax_cross_entropy(np.zeros((1, 2)), np.array([1]))
    >>> loss.round(6)  # ln 2
    array([0.693147])
    """
    xp = get_array_module(logits)
    _check_classes(target, logits.shape[-1])
    shifted = logits - logits.max(axis=-1, keepdims=True)
    exp = xp.exp(shifted)
    exp_sum = exp.sum(axis=-1, keepdims=True)
    true_logit = xp.take_along_axis(shifted, target[..., None], axis=-1)
    return (xp.log(exp_sum) - true_logit)[..., 0], exp / exp_sum


def cross_entropy_gradient(probability, target):
    r"""Gradient of each row's cross entropy for its logits, :math:`p_c - [c = target]`.

    Parameters
    ----------
    probability : ndarray, (..., C)
        The softmax of the logits.
    target : ndarray of int, (...)

    Returns
    -------
    ndarray, (..., C)
        Each row sums to 0.

    Examples
    --------
    >>> cross_entropy_gradient(np.array([[0.25, 0.75]]), np.array([1]))
    array([[ 0.25, -0.25]])
    """
    xp = get_array_module(probability)
    return probability - (target[..., None] == xp.arange(probability.shape[-1]))


def smooth_l1(difference):
    r"""Smooth L1 loss of each difference, and its derivative (Fast R-CNN's, with beta 1).

    .. math:: f(x) = \begin{cases} x^2 / 2 & |x| < 1 \\ |x| - 1/2 & \text{otherwise} \end{cases}

    Parameters
    ----------
    difference : ndarray
        Prediction minus target.

    Returns
    -------
    loss, slope : ndarray
        f and its derivative, x within (-1, 1) and the sign of x outside.

    Examples
    --------
    >>> smooth_l1(np.array([0.5, -3.0]))
    (array([0.125, 2.5  ]), array([ 0.5, -1. ]))
    """
    slope = difference.clip(-1, 1)
    return slope * (difference - slope / 2), slope
