"""Normalisation: what the sums of the losses are divided by, so that a large batch is no larger a loss.

The paper divides by N, the number of matched default boxes in the batch, and calls the loss 0 where N is 0.
Nearly every other implementation has its own idea, and with it its own best learning rate.

A normalisation is one entry in `NORMALIZATIONS`: a function of the number of matched priors of each image,
(N,), and of P, the number of all priors of an image. It returns two divisors, for the sums of the confidence
loss and of the localisation loss; each is one number, or one for each image.
"""

from __future__ import annotations

import numpy as np

from minissd.backend import get_array_module


def by_positives(num_pos, num_priors):
    """The matched priors of the batch, at least 1: the paper's, Caffe's, torchvision's, chainercv's, Keras'.

    Examples
    --------
    >>> by_positives(np.array([3, 0, 2]), 8732)
    (5, 5)
    """
    divisor = max(int(num_pos.sum()), 1)
    return divisor, divisor


def by_positives_or_nan(num_pos, num_priors):
    """The matched priors of the batch, be it 0, so that the loss is 0/0: amdegroot's, lufficc's."""
    divisor = int(num_pos.sum())
    return divisor, divisor


def by_coordinates(num_pos, num_priors):
    """For localisation the mean of all 4 numbers of each box, a quarter of the paper's weight: sgrvinod's."""
    divisor = int(num_pos.sum())
    return divisor, 4 * divisor


def by_priors(num_pos, num_priors):
    """Means over all priors, matched or not, and over their 4 numbers each: Dive into Deep Learning's."""
    divisor = len(num_pos) * num_priors
    return divisor, 4 * divisor


def by_image(num_pos, num_priors):
    """Each image by its own positives, without any by infinity; then the mean of the images: NVIDIA's.

    Examples
    --------
    >>> by_image(np.array([3, 0]), 8732)[0]
    array([ 6., inf])
    """
    xp = get_array_module(num_pos)
    divisor = len(num_pos) * xp.where(num_pos > 0, num_pos, xp.inf)
    return divisor, divisor


def by_batch_size(num_pos, num_priors):
    """The number of images, so that an image with many objects weighs more: balancap's."""
    return len(num_pos), len(num_pos)


NORMALIZATIONS = {
    "positives": by_positives,
    "positives_or_nan": by_positives_or_nan,
    "coordinates": by_coordinates,
    "priors": by_priors,
    "per_image": by_image,
    "batch_size": by_batch_size,
}


def normalized(losses, rows, shape, divisor):
    """Sum the losses of some priors, divided by one number or by one for each image; 0/0 is NaN.

    Parameters
    ----------
    losses : ndarray, (R,)
    rows : ndarray of int, (R,)
        Whose they are: numbers of priors, counted through the whole batch.
    shape : (int, int)
        (N, P)
    divisor : float or ndarray, (N,)

    Returns
    -------
    value : float
    scale : ndarray of float64, (R,)
        Derivative of the value for each loss.

    Examples
    --------
    Two losses of the first image and one of the second, each divided by its own image's number.

    >>> normalized(np.array([3.0, 5.0, 4.0]), np.array([0, 1, 7]), (2, 6), np.array([2, 4]))
    (5.0, array([0.5 , 0.5 , 0.25]))
    """
    xp = get_array_module(losses)
    num_images, num_priors = shape
    image = rows // max(num_priors, 1)
    sums = xp.bincount(image, weights=losses, minlength=num_images)  # (N,)
    divisor = xp.broadcast_to(xp.asarray(divisor, dtype=np.float64), num_images)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float((sums / divisor).sum()), 1 / divisor[image]
