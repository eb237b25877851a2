"""Boxes: their two forms, area, intersection over union.

A box is four numbers in the last axis of an array, and the array's name says which four:

* ``_xyxy``: corners ``(x1, y1, x2, y2)``, left, top, right, bottom;
* ``_cxcywh``: centre and size ``(cx, cy, w, h)``.

Coordinates are fractions of the image, x of its width and y of its height; arrays in pixels end in
``_px``. Coordinates are continuous: a box from 0 to 1 has width 1, and no "+ 1 pixel" is added anywhere.
"""

from __future__ import annotations

from minissd.backend import get_array_module


def cxcywh_to_xyxy(boxes_cxcywh):
    """Convert centres and sizes to corners.

    Parameters
    ----------
    boxes_cxcywh : ndarray, (..., 4)

    Returns
    -------
    ndarray, (..., 4)
        ``(cx - w/2, cy - h/2, cx + w/2, cy + h/2)``, of the same dtype.

    Examples
    --------
    >>> cxcywh_to_xyxy(np.array([[0.5, 0.5, 0.25, 0.5]]))
    array([[0.375, 0.25 , 0.625, 0.75 ]])
    """
    xp = get_array_module(boxes_cxcywh)
    center, half_size = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] / 2
    return xp.concatenate([center - half_size, center + half_size], axis=-1)


def xyxy_to_cxcywh(boxes_xyxy):
    """Convert corners to centres and sizes; the inverse of `cxcywh_to_xyxy`.

    Parameters
    ----------
    boxes_xyxy : ndarray, (..., 4)

    Returns
    -------
    ndarray, (..., 4)
        ``((x1 + x2)/2, (y1 + y2)/2, x2 - x1, y2 - y1)``, of the same dtype.

    Examples
    --------
    >>> xyxy_to_cxcywh(np.array([[0.375, 0.25, 0.625, 0.75]]))
    array([[0.5 , 0.5 , 0.25, 0.5 ]])
    """
    xp = get_array_module(boxes_xyxy)
    top_left, bottom_right = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    return xp.concatenate([(top_left + bottom_right) / 2, bottom_right - top_left], axis=-1)


def area(boxes_xyxy):
    """Return the area of each box; 0 where a box is empty or reversed.

    Parameters
    ----------
    boxes_xyxy : ndarray, (..., 4)

    Returns
    -------
    ndarray, (...)

    Examples
    --------
    >>> area(np.array([[0.0, 0.0, 0.5, 0.25], [0.5, 0.0, 0.25, 1.0]]))
    array([0.125, 0.   ])
    """
    size = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clip(0)
    return size[..., 0] * size[..., 1]


def iou(a_xyxy, b_xyxy):
    r"""Intersection over union (the paper's "jaccard overlap") of every box in `a` with every box in `b`.

    .. math:: \mathrm{IoU}(a, b) = \frac{|a \cap b|}{|a \cup b|}

    Parameters
    ----------
    a_xyxy : ndarray, (A, 4)
    b_xyxy : ndarray, (B, 4)

    Returns
    -------
    ndarray, (A, B)
        Between 0 and 1. Two empty boxes have IoU 0.

    Examples
    --------
    Two squares of side 2 that share a unit square: 1 / (4 + 4 - 1).

    >>> iou(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 1.0, 3.0, 3.0]])).round(6)
    array([[0.142857]])
    """
    xp = get_array_module(a_xyxy)
    top_left = xp.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])  # (A, B, 2)
    bottom_right = xp.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])  # (A, B, 2)
    size = (bottom_right - top_left).clip(0)
    intersection = size[..., 0] * size[..., 1]  # (A, B)
    union = area(a_xyxy)[:, None] + area(b_xyxy)[None, :] - intersection
    return intersection / xp.where(union > 0, union, 1)


def clip(boxes_xyxy):
    """Cut boxes at the border of the image, that is, clamp the corners to [0, 1].

    Clamping ``(cx, cy, w, h)`` instead, as several implementations do, moves boxes without cutting them.

    Parameters
    ----------
    boxes_xyxy : ndarray, (..., 4)

    Returns
    -------
    ndarray, (..., 4)

    Examples
    --------
    >>> clip(np.array([[-0.25, 0.5, 0.5, 1.25]]))
    array([[0. , 0.5, 0.5, 1. ]])
    """
    return boxes_xyxy.clip(0, 1)
