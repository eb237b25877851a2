"""The loss as other implementations have it: what they do otherwise than the paper, each under a name.

The paper divides the sums of the losses by N, the number of matched default boxes in the batch, so that a
large batch has no larger loss, and calls the loss 0 where N is 0. Nearly everybody else has an own idea of
this *normalisation*, and with it an own best learning rate.

A normalisation is one entry in `NORMALIZATIONS`: a function of `positive`, (N, P), which is True for matched
priors. It returns two divisors, for the sums of the confidence loss and of the localisation loss; each is one
number, or an array of one for each image, (N,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd.backend import get_array_module, is_cuda

NAN = float("nan")


@dataclass(frozen=True)
class Deviations:
    """In what another implementation has another loss than the paper; by default in nothing.

    Attributes
    ----------
    loc_loss : str
        ``"smooth_l1"``, the paper's, or ``"l1"`` (sgrvinod, d2l).
    normalization : str
        ``"positives"``, the paper's N, or another key of `NORMALIZATIONS`.
    mining_scope : str
        Among which priors negatives are mined, see `minissd.mining.hard_negatives` (Keras, balancap, d2l).
    mining_overflow : bool
        Where negatives run out, positives are mined too, and so counted twice (torchvision).
    """

    loc_loss: str = "smooth_l1"
    normalization: str = "positives"
    mining_scope: str = "image"
    mining_overflow: bool = False


def l1(difference):
    """The absolute value of each difference, and its sign, the derivative; see `minissd.loss.smooth_l1`.

    Examples
    --------
    >>> l1(np.array([0.5, -3.0]))
    (array([0.5, 3. ]), array([ 1., -1.]))
    """
    xp = get_array_module(difference)
    return xp.abs(difference), xp.sign(difference)


def by_positives(positive):
    """The matched priors of the batch, at least 1: the paper's, Caffe's, torchvision's, chainercv's, Keras'.

    Examples
    --------
    >>> by_positives(np.array([[True, False, True], [False, True, False]]))
    (3, 3)
    """
    num_pos = num_matched(positive, if_none=1)
    return num_pos, num_pos


def by_positives_or_nan(positive):
    """The matched priors of the batch; the loss is NaN where there are none: amdegroot's, lufficc's."""
    num_pos = num_matched(positive, if_none=NAN)
    return num_pos, num_pos


def by_coordinates(positive):
    """For localisation the mean of all 4 numbers of each box, a quarter of the paper's weight: sgrvinod's."""
    num_pos = num_matched(positive, if_none=NAN)
    return num_pos, 4 * num_pos


def by_priors(positive):
    """Means over all priors, matched or not, and over their 4 numbers each: Dive into Deep Learning's."""
    num_priors = max(positive.size, 1)
    return num_priors, 4 * num_priors


def by_image(positive):
    """Each image by its own positives, without any by infinity; then the mean of the images: NVIDIA's.

    Examples
    --------
    >>> by_image(np.array([[True, True, True], [False, False, False]]))[0]
    array([ 6., inf])
    """
    xp = get_array_module(positive)
    num_pos = xp.count_nonzero(positive, axis=1)  # (N,)
    divisor = len(positive) * xp.where(num_pos > 0, num_pos, xp.inf)
    return divisor, divisor


def by_batch_size(positive):
    """The number of images, so that an image with many objects weighs more: balancap's."""
    num_images = max(len(positive), 1)
    return num_images, num_images


NORMALIZATIONS = {
    "positives": by_positives,
    "positives_or_nan": by_positives_or_nan,
    "coordinates": by_coordinates,
    "priors": by_priors,
    "per_image": by_image,
    "batch_size": by_batch_size,
}


def num_matched(positive, if_none):
    """How many priors are matched, or `if_none` if none is.

    Examples
    --------
    >>> num_matched(np.array([[True, False, True]]), 1), num_matched(np.array([[False]]), 1)
    (2, 1)
    """
    xp = get_array_module(positive)
    num_pos = xp.count_nonzero(positive)
    if is_cuda(positive):  # it stays there, so nobody can ask now whether it is 0
        return xp.where(num_pos > 0, num_pos, if_none)
    return int(num_pos) or if_none


def as_float(value):
    """A number of NumPy's as Python's; one of CuPy's stays on the GPU, because reading it is waiting for it.

    Examples
    --------
    >>> as_float(np.float64(2.5))
    2.5
    """
    return value if is_cuda(value) else float(value)


def normalized_sum(losses, rows, num_priors, divisor):
    """Sum the losses of some priors, and divide by one number or each by that of its image.

    Parameters
    ----------
    losses : ndarray, (R,) or (R, 4)
    rows : ndarray of int, (R,)
        Whose they are: numbers of priors, counted through the whole batch.
    num_priors : int
        P, the number of priors of one image.
    divisor : float or ndarray, (N,)

    Returns
    -------
    value : float
    weight : float or ndarray, (R,)
        Derivative of the value for the losses of each prior.

    Examples
    --------
    Two losses of the first image and one of the second; divided by 4, and each by its own image's number.

    >>> normalized_sum(np.array([3.0, 5.0, 4.0]), np.array([0, 1, 7]), 6, 4)
    (3.0, 0.25)
    >>> normalized_sum(np.array([3.0, 5.0, 4.0]), np.array([0, 1, 7]), 6, np.array([2, 4]))
    (5.0, array([0.5 , 0.5 , 0.25]))
    """
    if getattr(divisor, "ndim", 0) == 0:
        return as_float(losses.sum(dtype=np.float64)) / divisor, 1 / divisor
    divisor = divisor[rows // num_priors]  # (R,)
    return as_float((losses.T / divisor).sum()), 1 / divisor
