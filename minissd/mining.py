"""Hard negative mining: of thousands of background priors, learn from those that are most wrong.

After matching nearly every prior is background. Summed up, those easy negatives would drown the few
positives, so each image keeps the negatives of highest loss, at most three per positive (paper, section
2.2).
"""

from __future__ import annotations

from minissd.backend import get_array_module
from minissd.choice import chosen
from minissd.errors import InputError
from minissd.kernels import mining as compiled
from minissd.kernels.cuda import mining as on_gpu


def hard_negatives(conf_loss, positive, neg_pos_ratio=3, min_negatives=0, scope="image", overflow=False):
    r"""Select the hardest negatives of every image.

    An image with n positives among P priors gets :math:`\min(r\,n,\; P - n)` negatives, whatever the other
    images of the batch hold.

    Parameters
    ----------
    conf_loss : ndarray, (N, P)
        Confidence loss of each prior. Only the order within an image matters.
    positive : ndarray of bool, (N, P)
        Matched priors; they are never selected, unless by `overflow`.
    neg_pos_ratio : float
        r, negatives per positive. A fraction of a negative is dropped.
    min_negatives : int
        Select at least so many where there are. With 0, as in Caffe, an image without objects teaches
        nothing; with more, it teaches what background looks like.
    scope : str
        Among which priors is chosen, a key of `SCOPES`:

        ``"image"`` (the paper's, Caffe's, that of all ports to PyTorch)
            Each image by itself, as above.
        ``"batch"`` (Keras', balancap's)
            All images together, by the same formula for the n and P of the whole batch: the hardest may all
            be in one image, even in one without objects.
        ``"none"`` (Dive into Deep Learning's)
            No mining: every negative is selected.
    overflow : bool
        Whether the positives come next where the negatives run out, the lowest first. torchvision's loss
        counts these priors twice.

    Returns
    -------
    ndarray of bool, (N, P)
        True for the selected negatives. On equal losses the lower prior comes first.

    Raises
    ------
    InputError
        If the two arrays are not of one shape (N, P), or the scope is unknown.

    Examples
    --------
    One positive, so three negatives: those of loss 9, 8 and the first of loss 5.

    >>> conf_loss = np.array([[5.0, 9.0, 7.0, 8.0, 5.0]])
    >>> hard_negatives(conf_loss, np.array([[False, False, True, False, False]]))
    array([[ True,  True, False,  True, False]])
    """
    _check_shapes(conf_loss, positive)
    mine = chosen(SCOPES, scope, "scope", "mining scope")
    positive = positive.astype(bool, copy=False)
    negative = ~positive
    if overflow:
        conf_loss, negative = positives_last(conf_loss, positive)
    return mine(conf_loss, positive, negative, neg_pos_ratio, min_negatives)


def mine_images(conf_loss, positive, negative, neg_pos_ratio, min_negatives):
    """The hardest negatives of each image."""
    xp = get_array_module(conf_loss)
    num_pos = xp.count_nonzero(positive, axis=1)  # (N,)
    counts = xp.maximum((neg_pos_ratio * num_pos).astype(xp.int64), min_negatives)  # (N,)
    for module in (compiled, on_gpu):  # which have the function below, only faster
        if module.fits(conf_loss):
            return module.largest(conf_loss, negative, counts)
    return largest(conf_loss, negative, counts)


def largest(values, candidates, counts):
    """Mark the largest candidates of every row; of equal values the first.

    `minissd.kernels.mining` has the same function, compiled, and `minissd.kernels.cuda.mining` for a GPU;
    both do not sort.

    Parameters
    ----------
    values : ndarray, (N, P)
        NaN counts as the smallest.
    candidates : ndarray of bool, (N, P)
    counts : sequence or ndarray of int, (N,)
        How many to mark in each row; all candidates if there are no more.

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
    for n, count in enumerate(map(int, counts)):
        places = xp.flatnonzero(candidates[n])
        largest_first = xp.argsort(-values[n, places], kind="stable")
        marked[n, places[largest_first[:count]]] = True
    return marked


def _check_shapes(conf_loss, positive):
    if conf_loss.ndim != 2 or conf_loss.shape != positive.shape:
        raise InputError(
            f"hard_negatives: conf_loss of shape {conf_loss.shape}, positive of shape {positive.shape} "
            "(give both as (N, P), also for one image)"
        )


# -- as other implementations have it -----------------------------------------------------------------------


def mine_batch(conf_loss, positive, negative, *limits):
    """The hardest negatives of all images together: the batch as one large image."""
    arrays = (array.reshape(1, -1) for array in (conf_loss, positive, negative))
    return mine_images(*arrays, *limits).reshape(positive.shape)


def take_all(conf_loss, positive, negative, *limits):
    """Every negative, easy or hard: no mining."""
    return ~positive


SCOPES = {"image": mine_images, "batch": mine_batch, "none": take_all}


def positives_last(conf_loss, positive):
    """Losses and candidates of torchvision, to whom the positives are negatives too, of loss minus infinity.

    Examples
    --------
    >>> positives_last(np.array([[5.0, 9.0]]), np.array([[False, True]]))
    (array([[  5., -inf]]), array([[ True,  True]]))
    """
    xp = get_array_module(conf_loss)
    return xp.where(positive, -xp.inf, conf_loss), xp.ones_like(positive)
