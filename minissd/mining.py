"""Hard negative mining: of thousands of background priors, learn from those that are most wrong.

After matching nearly every prior is background. Summed up, those easy negatives would drown the few
positives, so each image keeps the negatives of highest loss, at most three per positive (paper, section
2.2).
"""

from __future__ import annotations

import numpy as np

from minissd.backend import get_array_module
from minissd.errors import InputError
from minissd.kernels import mining as kernel


def hard_negatives(conf_loss, positive, neg_pos_ratio=3, min_negatives=0):
    r"""Select the hardest negatives of every image.

    An image with n positives among P priors gets :math:`\min(r\,n,\; P - n)` negatives, whatever the other
    images of the batch hold.

    Parameters
    ----------
    conf_loss : ndarray, (N, P)
        Confidence loss of each prior. Only the order within an image matters.
    positive : ndarray of bool, (N, P)
        Matched priors; they are never selected.
    neg_pos_ratio : float
        r, negatives per positive. A fraction of a negative is dropped.
    min_negatives : int
        Select at least so many where there are. With 0, as in Caffe, an image without objects teaches
        nothing; with more, it teaches what background looks like.

    Returns
    -------
    ndarray of bool, (N, P)
        True for the selected negatives. On equal losses the lower prior comes first.

    Raises
    ------
    InputError
        If the two arrays are not of one shape (N, P).

    Examples
    --------
    One positive, so three negatives: those of loss 9, 8 and the first of loss 5.

    >>> conf_loss = np.array([[5.0, 9.0, 7.0, 8.0, 5.0]])
    >>> hard_negatives(conf_loss, np.array([[False, False, True, False, False]]))
    array([[ True,  True, False,  True, False]])
    """
    if conf_loss.ndim != 2 or conf_loss.shape != positive.shape:
        raise InputError(
            f"hard_negatives: conf_loss of shape {conf_loss.shape}, positive of shape {positive.shape} "
            "(give both as (N, P), also for one image)"
        )
    negative = ~positive.astype(bool)  # ~ on integers 0 and 1 would be -1 and -2, both true
    counts = []
    for num_neg in (np.count_nonzero(row) for row in negative):
        num_pos = conf_loss.shape[1] - num_neg
        counts.append(min(max(int(neg_pos_ratio * num_pos), min_negatives), num_neg))
    select = kernel.largest if kernel.fits(conf_loss) else largest
    return select(conf_loss, negative, counts)


def largest(values, candidates, counts):
    """Mark the largest candidates of every row; of equal values the first.

    `minissd.kernels.mining` has the same function, compiled, which does not sort.

    Parameters
    ----------
    values : ndarray, (N, P)
        NaN counts as the smallest.
    candidates : ndarray of bool, (N, P)
    counts : sequence of int
        How many to mark in each row, no more than it has candidates.

    Returns
    -------
    ndarray of bool, (N, P)

    Examples
    --------
    >>> largest(np.array([[5.0, 9.0, 7.0, 5.0]]), np.array([[True, False, True, True]]), [2])
    array([[ True, False,  True, False]])
    """
    xp = get_array_module(values)
    marked = xp.zeros(values.shape, dtype=bool)
    for n, count in enumerate(counts):
        places = xp.flatnonzero(candidates[n])
        largest_first = xp.argsort(-values[n, places], kind="stable")
        marked[n, places[largest_first[:count]]] = True
    return marked
