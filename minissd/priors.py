"""Default boxes ("priors"): the boxes that SSD starts from, tiled over every feature map.

On map k each cell (i, j) has one centre and a few shapes around it (paper, section 2.2). The paper gives
the sizes by equation 4; the published models use sizes that Caffe's scripts round to whole percents, and
centres that follow a fixed step. `SSDConfig` holds the latter; `paper_scales` and `official_sizes` show
where the numbers come from.

Other implementations keep to the same order of maps, rows and columns, but differ in the numbers:
`CLIPS` says who limits the boxes to the image and how, `cell_centers` and `integer_sizes` who moves the
centres and who cuts the sizes.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from minissd import boxes
from minissd.choice import chosen
from minissd.errors import InputError


def prior_boxes(config):
    """Return all default boxes of a network, in the order of its predictions.

    The order is: map by map from the finest, cell by cell in rows, and within a cell the small square
    (side ``min``), the large square (side ``sqrt(min * max)``, the paper's extra box of scale
    ``sqrt(s_k s_{k+1})``), then ratio 2, 1/2 and, where the map has it, 3, 1/3 (area ``min**2``).

    Parameters
    ----------
    config : SSDConfig

    Returns
    -------
    ndarray of float64, (P, 4)
        ``(cx, cy, w, h)``, fractions of the image. P is 8732 for SSD300, 24564 for SSD512. Boxes may
        reach over the border, and a centre may lie on or beyond it, unless ``config.clip`` names one of
        `CLIPS`.

    Raises
    ------
    InputError
        If ``config.clip`` is none of `CLIPS`.

    Examples
    --------
    >>> from minissd.config import SSD300_VOC
    >>> prior_boxes(SSD300_VOC).shape
    (8732, 4)
    >>> prior_boxes(SSD300_VOC)[2].round(4)  # centre 4/300; ratio 2, side 30/300
    array([0.0133, 0.0133, 0.1414, 0.0707])
    """
    clip = chosen(CLIPS, config.clip, f"config {config.name}", "clip")
    priors_cxcywh = np.concatenate([map_priors(config, k) for k in range(len(config.feature_maps))])
    return clip(priors_cxcywh)  # (P, 4)


def map_priors(config, k):
    """Return the default boxes of feature map `k`.

    Parameters
    ----------
    config : SSDConfig
    k : int
        Number of the map, 0 for the finest.

    Returns
    -------
    ndarray of float64, (side * side * boxes_per_cell, 4)
        ``(cx, cy, w, h)``; box b of the cell in row i and column j is row
        ``(i * side + j) * boxes_per_cell + b``.
    """
    side, step = config.feature_maps[k], config.steps[k]
    centers = (np.arange(side) + 0.5) * step / config.image_size  # (side,)
    sizes_px = cell_shapes(config.min_sizes[k], config.max_sizes[k], config.aspect_ratios[k], config.flip)
    sizes = np.array(sizes_px) / config.image_size  # (boxes_per_cell, 2)
    cy, cx, shape = np.meshgrid(centers, centers, np.arange(len(sizes)), indexing="ij")
    return np.column_stack([cx.ravel(), cy.ravel(), sizes[shape.ravel()]])


def cell_shapes(min_size, max_size, aspect_ratios, flip=True):
    """Return the shapes that every cell of one map has.

    Parameters
    ----------
    min_size, max_size : float
        s_k and s_{k+1} in pixels.
    aspect_ratios : sequence of float
        Ratios beside 1.
    flip : bool
        Whether each ratio is followed by its reciprocal. sgrvinod lists every ratio itself: 2, 3, 1/2, .333.

    Returns
    -------
    list of (float, float)
        Width and height of each shape, in the unit of `min_size`: ``w = s sqrt(a)``, ``h = s / sqrt(a)``.

    Examples
    --------
    >>> cell_shapes(4, 9, [4])
    [(4.0, 4.0), (6.0, 6.0), (8.0, 2.0), (2.0, 8.0)]
    >>> cell_shapes(4, 9, [4], flip=False)
    [(4.0, 4.0), (6.0, 6.0), (8.0, 2.0)]
    """
    large = math.sqrt(min_size * max_size)
    shapes = [(float(min_size), float(min_size)), (large, large)]
    for ratio in aspect_ratios:
        width, height = min_size * math.sqrt(ratio), min_size / math.sqrt(ratio)
        shapes += [(width, height), (height, width)] if flip else [(width, height)]
    return shapes


# -- where the sizes come from ------------------------------------------------------------------------------


def paper_scales(num_maps, s_min=0.2, s_max=0.9):
    r"""Scales of the default boxes by the paper's equation 4.

    .. math:: s_k = s_{min} + \frac{s_{max} - s_{min}}{m - 1} (k - 1), \quad k \in [1, m]

    Parameters
    ----------
    num_maps : int
        m, the number of feature maps.
    s_min, s_max : float
        Scale of the finest and of the coarsest map.

    Returns
    -------
    list of float
        m scales, fractions of the image.

    Examples
    --------
    >>> [round(s, 2) for s in paper_scales(6)]
    [0.2, 0.34, 0.48, 0.62, 0.76, 0.9]
    """
    if num_maps == 1:
        return [s_min]
    return [s_min + (s_max - s_min) * k / (num_maps - 1) for k in range(num_maps)]


def official_sizes(image_size, num_maps, min_percent, max_percent, first_percent):
    """Sizes of the default boxes as the scripts of the original Caffe SSD compute them.

    The finest map has a size of its own; the others are spaced evenly, by a step that is rounded down to
    whole percents, which is why they differ from `paper_scales`.

    Parameters
    ----------
    image_size : int
        Side of the input in pixels.
    num_maps : int
        Number of feature maps.
    min_percent, max_percent : int
        Scale of the second and, about, of the last map, in percent.
    first_percent : int
        Scale of the finest map, in percent.

    Returns
    -------
    min_sizes, max_sizes : tuple of float
        In pixels, one per map; the ``max`` of a map is the ``min`` of the next.

    Raises
    ------
    InputError
        If there are fewer than three maps.

    Examples
    --------
    >>> official_sizes(300, 6, 20, 90, 10)
    ((30.0, 60.0, 111.0, 162.0, 213.0, 264.0), (60.0, 111.0, 162.0, 213.0, 264.0, 315.0))
    """
    if num_maps < 3:
        raise InputError(f"num_maps: {num_maps} (the scripts' rule needs 3 or more; see paper_scales)")
    step = (max_percent - min_percent) // (num_maps - 2)
    percents = [first_percent] + [min_percent + k * step for k in range(num_maps)]
    sizes = tuple(image_size * percent / 100 for percent in percents)
    return sizes[:-1], sizes[1:]


# -- as other implementations have them ---------------------------------------------------------------------


def _keep(priors_cxcywh):
    """Leave boxes that reach over the border as they are: Caffe's scripts, chainercv, d2l."""
    return priors_cxcywh


def _cut_corners(priors_cxcywh):
    """Cut boxes at the border: Caffe's layer, if it is told to clip."""
    return boxes.xyxy_to_cxcywh(boxes.clip(boxes.cxcywh_to_xyxy(priors_cxcywh)))


def _limit_center_and_size(priors_cxcywh):
    """Limit all four numbers to [0, 1]: amdegroot, lufficc, sgrvinod. Most boxes over the border stay."""
    return priors_cxcywh.clip(0, 1)


def _limit_size(priors_cxcywh):
    """Limit only width and height to [0, 1]: torchvision."""
    return np.column_stack([priors_cxcywh[:, :2], priors_cxcywh[:, 2:].clip(0, 1)])


CLIPS = {
    False: _keep,
    True: _cut_corners,
    "corners": _cut_corners,
    "center_size": _limit_center_and_size,
    "size": _limit_size,
}


def cell_centers(config):
    """Put every centre in the middle of its cell: the paper's ``(i + 0.5) / |f_k|``, sgrvinod's and d2l's.

    Caffe's steps are whole pixels and do not fill the image: 38 cells of 8 pixels are 304, not 300.

    Parameters
    ----------
    config : SSDConfig

    Returns
    -------
    SSDConfig
        The same with the steps ``image_size / side``.

    Examples
    --------
    >>> from minissd.config import SSD300_VOC
    >>> cell_centers(SSD300_VOC).steps[2:]
    (30.0, 60.0, 100.0, 300.0)
    """
    return replace(config, steps=tuple(config.image_size / side for side in config.feature_maps))


def integer_sizes(config):
    """Cut the sizes to whole pixels, as Caffe's layer has done since 2016. Changes SSD512 only.

    Parameters
    ----------
    config : SSDConfig

    Returns
    -------
    SSDConfig
        The same with smaller sizes.

    Examples
    --------
    >>> from minissd.config import SSD512_VOC
    >>> integer_sizes(SSD512_VOC).min_sizes  # 35.84, 76.8, ...
    (35, 76, 153, 230, 307, 384, 460)
    """
    sizes = {name: tuple(map(int, getattr(config, name))) for name in ("min_sizes", "max_sizes")}
    return replace(config, **sizes)
