"""The multibox loss: what is wrong with a prediction, as one number and as gradients.

There is no tape. Each function returns its value together with the gradient of that very value.

This is the paper's loss, and Caffe's. What others do instead is in `minissd.loss_deviations`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd import mining
from minissd.backend import get_array_module
from minissd.choice import chosen
from minissd.errors import InputError
from minissd.kernels import multibox
from minissd.kernels.cuda import multibox as on_gpu
from minissd.loss_deviations import NORMALIZATIONS, Deviations, l1, normalized_sum, num_matched
from minissd.softmax import check_classes, cross_entropy_gradient, softmax, softmax_cross_entropy


@dataclass(frozen=True)
class MultiBoxLoss:
    """Value and gradients of the multibox loss of one batch.

    For predictions on a GPU everything here lies there too. The numbers are arrays of one, which ``float``
    reads, once the GPU has got so far.

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


def multibox_loss(
    loc, conf, loc_target, conf_target, neg_pos_ratio=3, alpha=1.0, min_negatives=0, **deviations
):
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
    **deviations
        The options of `minissd.loss_deviations.Deviations`: ``loc_loss="smooth_l1"``,
        ``normalization="positives"``, ``mining_scope="image"``, ``mining_overflow=False``.

    Returns
    -------
    MultiBoxLoss
        If no prior of the batch is matched, the value and the gradients are 0 (with `min_negatives`
        they are those of the negatives, divided by 1). If the cross entropy of any prior is NaN, so is the
        value.

    Raises
    ------
    InputError
        If the four shapes do not belong together, a target class is no integer within 0...C-1 (on a GPU
        float32 predictions have a loss of NaN then), or a name is unknown.

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
    deviations = Deviations(**deviations)
    positive = conf_target > 0  # (N, P)
    conf_loss = cross_entropy(conf, conf_target)  # (N, P)
    ranking = deviations.mining_scope, deviations.mining_overflow
    negative = mining.hard_negatives(conf_loss, positive, neg_pos_ratio, min_negatives, *ranking)  # (N, P)
    divide = chosen(NORMALIZATIONS, deviations.normalization, "normalization", "normalization")
    conf_divisor, loc_divisor = divide(positive)

    loc_value, dloc = localisation_loss(loc, loc_target, positive, loc_divisor, alpha, deviations.loc_loss)
    conf_value, dconf = confidence_loss(conf, conf_target, conf_loss, positive, negative, conf_divisor)
    return MultiBoxLoss(
        value=conf_value + alpha * loc_value,
        conf=conf_value,
        loc=loc_value,
        num_pos=num_matched(positive, if_none=0),
        hard_negatives=negative,
        conf_loss=conf_loss,
        dloc=dloc,
        dconf=dconf,
    )


def localisation_loss(loc, loc_target, positive, divisor, alpha=1.0, loc_loss="smooth_l1"):
    """Smooth L1 loss of the matched priors' offsets (equation 2), and its part of the gradient.

    Parameters
    ----------
    loc, loc_target : ndarray, (N, P, 4)
    positive : ndarray of bool, (N, P)
    divisor : float or ndarray, (N,)
        What the sum of the losses of the batch, or of each image, is divided by.
    alpha : float
        Weight of this loss in the whole.
    loc_loss : str
        A key of `LOC_LOSSES`.

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
    loss_and_slope = chosen(LOC_LOSSES, loc_loss, "loc_loss", "localisation loss")
    if on_gpu.fits(loc):
        return on_gpu.localisation_loss(loc, loc_target, positive, divisor, alpha, loc_loss)
    matched = xp.flatnonzero(positive)  # one prior in a hundred: only these are looked at
    target = loc_target.reshape(-1, 4)[matched].astype(loc.dtype, copy=False)
    loss, slope = loss_and_slope(loc.reshape(-1, 4)[matched] - target)  # (num_pos, 4) both
    value, weight = normalized_sum(loss, matched, positive.shape[1], divisor)
    dloc = xp.zeros(loc.shape, loc.dtype)
    dloc.reshape(-1, 4)[matched] = slope * xp.asarray(alpha * weight, loc.dtype)[..., None]
    return value, dloc


def confidence_loss(conf, conf_target, conf_loss, positive, negative, divisor):
    """Cross entropy of the matched priors and the mined ones (equation 3), and its gradient.

    Parameters
    ----------
    conf : ndarray, (N, P, C)
    conf_target : ndarray of int, (N, P)
    conf_loss : ndarray, (N, P)
        The `cross_entropy` of the two.
    positive, negative : ndarray of bool, (N, P)
        What is counted; what is in both is counted twice.
    divisor : float or ndarray, (N,)
        As for `localisation_loss`.

    Returns
    -------
    value : float
    dconf : ndarray, (N, P, C)
    """
    if on_gpu.fits(conf):
        return on_gpu.confidence_loss(conf, conf_target, conf_loss, positive, negative, divisor)
    xp = get_array_module(conf)
    # A loss that is no number is counted wherever it is: nobody overlooks it.
    counted = xp.flatnonzero(positive | negative | xp.isnan(conf_loss))
    times = 1 + (positive & negative).reshape(-1)[counted]  # 1 or 2
    losses = times * conf_loss.reshape(-1)[counted]
    value, weight = normalized_sum(losses, counted, positive.shape[1], divisor)
    return value, confidence_gradient(conf, conf_target, counted, times * weight)


def cross_entropy(conf, conf_target):
    """Cross entropy of every prior; for float32 `multibox` of `minissd.kernels` and its `cuda` compute it.

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
        If a target is negative or not below C; on a GPU its loss is NaN instead.
    """
    if on_gpu.fits(conf):
        return on_gpu.cross_entropy(conf, conf_target)
    if not multibox.fits(conf):
        return softmax_cross_entropy(conf, conf_target)[0]
    check_classes(conf_target, conf.shape[-1])
    return multibox.cross_entropy(conf, conf_target)


def confidence_gradient(conf, conf_target, counted, weight):
    """Gradient of the confidence loss for the logits; `minissd.kernels.multibox` computes it for float32.

    Parameters
    ----------
    conf : ndarray, (N, P, C)
        Logits.
    conf_target : ndarray of int, (N, P)
    counted : ndarray of int, (R,)
        Numbers of the priors that count, through the whole batch; the gradient of all others is 0.
    weight : ndarray, (R,)
        What the gradient of each one's cross entropy is multiplied by.

    Returns
    -------
    ndarray, (N, P, C)
    """
    if multibox.fits(conf):
        return multibox.confidence_gradient(conf, conf_target, counted, weight)
    logits, target = conf.reshape(-1, conf.shape[-1])[counted], conf_target.reshape(-1)[counted]
    gradient = cross_entropy_gradient(softmax(logits), target)  # (R, C)
    dconf = get_array_module(conf).zeros(conf.shape, conf.dtype)
    dconf.reshape(-1, conf.shape[-1])[counted] = gradient * weight[:, None].astype(conf.dtype)
    return dconf


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


LOC_LOSSES = {"smooth_l1": smooth_l1, "l1": l1}


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
