"""Boxes: their two forms, area, intersection over union.

A box is four numbers in the last axis of an array, and the array's name says which four:

* ``_xyxy``: corners ``(x1, y1, x2, y2)``, left, top, right, bottom;
* ``_cxcywh``: centre and size ``(cx, cy, w, h)``.

Coordinates are fractions of the image, x of its width and y of its height; arrays in pixels end in
``_px``. Coordinates are continuous: a box from 0 to 1 has width 1, and no "+ 1 pixel" is added anywhere.
"""

from __future__ import annotations

from minissd.backend import get_array_module


def columns(boxes):
    """Take boxes apart into their four numbers, for formulas that look as they do on paper.

    A long column at a time also suits NumPy, which is slow with many rows of two.

    Parameters
    ----------
    boxes : ndarray, (..., 4)

    Returns
    -------
    tuple of four ndarray, (...)
        Views.

    Examples
    --------
    >>> x1, y1, x2, y2 = columns(np.array([[0.0, 0.1, 0.2, 0.3], [0.4, 0.5, 0.6, 0.7]]))
    >>> x2
    array([0.2, 0.6])
    """
    return boxes[..., 0], boxes[..., 1], boxes[..., 2], boxes[..., 3]


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
    cx, cy, width, height = columns(boxes_cxcywh)
    half_width, half_height = width / 2, height / 2
    return xp.stack([cx - half_width, cy - half_height, cx + half_width, cy + half_height], axis=-1)


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
    x1, y1, x2, y2 = columns(boxes_xyxy)
    return xp.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], axis=-1)


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
    x1, y1, x2, y2 = columns(boxes_xyxy)
    return (x2 - x1).clip(0) * (y2 - y1).clip(0)


def iou(a_xyxy, b_xyxy):
    r"""Intersection over union, the paper's "jaccard overlap", of each box in `a` with each in `b`.

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
    a_x1, a_y1, a_x2, a_y2 = columns(a_xyxy[:, None])  # each (A, 1)
    b_x1, b_y1, b_x2, b_y2 = columns(b_xyxy)  # each (B,)
    width = (xp.minimum(a_x2, b_x2) - xp.maximum(a_x1, b_x1)).clip(0)  # (A, B)
    height = (xp.minimum(a_y2, b_y2) - xp.maximum(a_y1, b_y1)).clip(0)  # (A, B)
    intersection = width * height
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
