"""Softmax: from logits to the probabilities of the classes, their cross entropy and its gradient."""

from __future__ import annotations

from minissd.backend import get_array_module
from minissd.errors import InputError


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
    check_classes(target, logits.shape[-1])
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


def check_classes(target, num_classes):
    """Refuse a class without a logit."""
    if target.size and (int(target.min()) < 0 or int(target.max()) >= num_classes):
        raise InputError(
            f"conf_target: classes {int(target.min())}...{int(target.max())} for {num_classes} logits "
            "(0 is the background, so K classes of objects need K + 1 logits)"
        )
