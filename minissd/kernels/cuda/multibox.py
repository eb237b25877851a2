"""The multibox loss on a GPU: the three functions of `minissd.loss` that look at every prior.

They order work and wait for nothing: the losses are arrays of one number, which is read when somebody wants
to see it. So `by_positives` and the others of `minissd.loss_deviations` too return such an array.
"""

from __future__ import annotations

import numpy as np

from minissd.backend import get_array_module
from minissd.kernels.cuda.rows import MOST_CLASSES, launch_by_rows
from minissd.nn.cuda.source import kernel
from minissd.nn.twins import is_cuda_float32

THREADS = 128  # as in multibox.cu
BENDS = {"smooth_l1": 1, "l1": 0}  # where the parabola of a localisation loss becomes straight


def fits(predictions):
    """Whether this module is made for these logits or offsets."""
    return is_cuda_float32(predictions) and 0 < predictions.shape[-1] <= MOST_CLASSES


def cross_entropy(conf, conf_target):
    """Cross entropy of every prior; see `minissd.softmax.softmax_cross_entropy`, the readable twin.

    Parameters
    ----------
    conf : ndarray of float32, (N, P, C)
    conf_target : ndarray of int, (N, P)

    Returns
    -------
    ndarray of float32, (N, P)
        NaN where the target is no class: to raise an error the program would have to wait.
    """
    xp = get_array_module(conf)
    num_rows, num_classes = conf_target.size, conf.shape[-1]
    loss = xp.empty(conf_target.shape, np.float32)
    arrays = xp.ascontiguousarray(conf), xp.ascontiguousarray(conf_target, np.int64), loss
    arguments = *arrays, np.int64(num_rows), np.int32(num_classes)
    launch_by_rows(kernel(__file__, "cross_entropy"), num_rows, num_classes, arguments)
    return loss


def confidence_loss(conf, conf_target, conf_loss, positive, negative, divisor):
    """Cross entropy of the priors that count, and its gradient; see `minissd.loss.confidence_loss`.

    Parameters
    ----------
    conf : ndarray of float32, (N, P, C)
    conf_target : ndarray of int, (N, P)
    conf_loss : ndarray of float32, (N, P)
    positive, negative : ndarray of bool, (N, P)
    divisor : float or ndarray, () or (N,)

    Returns
    -------
    value : ndarray of float64, ()
    dconf : ndarray of float32, (N, P, C)
    """
    xp = get_array_module(conf)
    weight = xp.ones(len(conf)) / divisor  # (N,)
    target = xp.ascontiguousarray(conf_target, np.int64)
    masks = map(xp.ascontiguousarray, (positive, negative))
    dconf = xp.zeros(conf.shape, np.float32)
    arrays = xp.ascontiguousarray(conf), target, xp.ascontiguousarray(conf_loss), *masks, weight, dconf
    sums = _sums_of_images("confidence_loss", arrays, positive.shape, np.int32(conf.shape[2]))
    return (sums / divisor).sum(), dconf


def localisation_loss(loc, loc_target, positive, divisor, alpha=1.0, loc_loss="smooth_l1"):
    """Loss of the matched priors' offsets, and its gradient; see `minissd.loss.localisation_loss`.

    Parameters
    ----------
    loc : ndarray of float32, (N, P, 4)
    loc_target : ndarray, (N, P, 4)
    positive : ndarray of bool, (N, P)
    divisor : float or ndarray, () or (N,)
    alpha : float
    loc_loss : str
        A key of `minissd.loss.LOC_LOSSES`.

    Returns
    -------
    value : ndarray of float64, ()
    dloc : ndarray of float32, (N, P, 4)
    """
    xp = get_array_module(loc)
    weight = (xp.ones(len(loc)) / divisor * alpha).astype(np.float32)  # (N,)
    arrays = xp.ascontiguousarray(loc), xp.ascontiguousarray(loc_target, np.float32)
    dloc = xp.empty(loc.shape, np.float32)
    arrays = *arrays, xp.ascontiguousarray(positive), weight, dloc
    sums = _sums_of_images("localisation_loss", arrays, positive.shape, np.float32(BENDS[loc_loss]))
    return (sums / divisor).sum(), dloc


def _sums_of_images(name, arrays, shape, *numbers):
    """Run a kernel with a thread for each prior; returns the sum of the losses of each image, (N,)."""
    xp = get_array_module(arrays[0])
    num_images, num_priors = shape
    blocks = -(-num_priors // THREADS)
    sums = xp.zeros((num_images, blocks), np.float64)
    if sums.size:
        arguments = *arrays, sums, np.int32(num_priors), *numbers
        kernel(__file__, name)((blocks, num_images), (THREADS,), arguments)
    return sums.sum(axis=1)
