"""From the channels of a head to rows of predictions, and back: assignment A5's answers.

`minissd.models.head.Head` does both in its own `forward` and `backward`.
"""

from __future__ import annotations

import numpy as np


def flatten_predictions(y, boxes_per_cell, num_classes):
    """Make rows of the map that a head's convolution returns, one for each default box.

    The k default boxes of a cell have (4 + C) k channels: the first 4k are the offsets, box by box, and the
    remaining Ck the logits, box by box.

    Parameters
    ----------
    y : ndarray, (N, (4 + C) * k, H, W)
    boxes_per_cell : int
        k.
    num_classes : int
        C, with the background.

    Returns
    -------
    loc : ndarray, (N, H*W*k, 4)
    conf : ndarray, (N, H*W*k, C)
        In the order of the default boxes: row by row, in a row column by column, in a cell box by box.

    Examples
    --------
    A map of one row and two columns, with one box in each cell and two classes; channel c has the values 10c
    and 10c + 1.

    >>> y = 10.0 * np.arange(6).reshape(1, 6, 1, 1) + np.arange(2)
    >>> loc, conf = flatten_predictions(y, boxes_per_cell=1, num_classes=2)
    >>> loc
    array([[[ 0., 10., 20., 30.],
            [ 1., 11., 21., 31.]]])
    >>> conf
    array([[[40., 50.],
            [41., 51.]]])
    """
    y = y.transpose(0, 2, 3, 1)  # (N, H, W, (4 + C) * k)
    split = 4 * boxes_per_cell
    return y[..., :split].reshape(len(y), -1, 4), y[..., split:].reshape(len(y), -1, num_classes)


def unflatten_gradients(dloc, dconf, map_shape):
    """Put the gradients of the rows where `flatten_predictions` took the rows from.

    Parameters
    ----------
    dloc : ndarray, (N, H*W*k, 4)
        Gradient for `loc`.
    dconf : ndarray, (N, H*W*k, C)
        Gradient for `conf`.
    map_shape : (int, int, int, int)
        N, (4 + C) * k, H, W: the shape of the map.

    Returns
    -------
    ndarray, (N, (4 + C) * k, H, W)
        Gradient for the map.

    Examples
    --------
    Going there and back changes nothing.

    >>> y = np.arange(2 * 12 * 3 * 4).reshape(2, 12, 3, 4)
    >>> loc, conf = flatten_predictions(y, boxes_per_cell=2, num_classes=2)
    >>> np.array_equal(unflatten_gradients(loc, conf, y.shape), y)
    True
    """
    cells = map_shape[0], *map_shape[2:]  # N, H, W
    dy = np.concatenate([dloc.reshape(*cells, -1), dconf.reshape(*cells, -1)], axis=3)
    return dy.transpose(0, 3, 1, 2)
