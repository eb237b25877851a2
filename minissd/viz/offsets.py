"""Offsets: how a default box becomes a predicted box."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import FancyArrowPatch

from minissd.boxes import cxcywh_to_xyxy
from minissd.codec import decode
from minissd.viz.boxes import draw_boxes, legend_line
from minissd.viz.page import new_page
from minissd.viz.panel import margin_for, show_image
from minissd.viz.style import DETECTION, GROUND_TRUTH, INK, PRIOR


def draw_offsets(image, priors_cxcywh, loc, gt_xyxy=None, variances=(0.1, 0.2), ax=None):
    """Draw default boxes, the boxes that their offsets make of them, and arrows from one to the other.

    One arrow moves the centre, two the top left and the bottom right corner.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        Squeezed to a square, as the network sees it.
    priors_cxcywh : ndarray, (M, 4)
        A few matched default boxes, not all.
    loc : ndarray, (M, 4)
        Their offsets, predicted or, to see the target, encoded.
    gt_xyxy : ndarray, (G, 4), optional
    variances : (float, float)
    ax : Axes, optional
        Draw on this one instead of a page of its own.

    Returns
    -------
    matplotlib.figure.Figure
    """
    priors_cxcywh = np.asarray(priors_cxcywh, dtype=float).reshape(-1, 4)
    priors_xyxy = cxcywh_to_xyxy(priors_cxcywh)
    decoded_xyxy = decode(np.asarray(loc, dtype=float).reshape(-1, 4), priors_cxcywh, variances)
    gt_xyxy = np.zeros((0, 4)) if gt_xyxy is None else np.asarray(gt_xyxy, dtype=float).reshape(-1, 4)
    if ax is None:
        legend = [legend_line(PRIOR), legend_line(DETECTION, "the same, moved by its offsets")]
        legend += [legend_line(GROUND_TRUTH)] if len(gt_xyxy) else []
        _, (ax,) = new_page(title="From default boxes to predicted boxes", legend=legend)
    show_image(ax, image, square=True, fade=0.4, margin=margin_for(np.vstack([priors_xyxy, decoded_xyxy])))
    draw_boxes(ax, gt_xyxy, GROUND_TRUTH, fill=0.12)
    draw_boxes(ax, priors_xyxy, PRIOR, linewidth=2)
    draw_boxes(ax, decoded_xyxy, DETECTION)
    for prior, moved in zip(priors_xyxy, decoded_xyxy):
        _draw_arrow(ax, (prior[:2] + prior[2:]) / 2, (moved[:2] + moved[2:]) / 2, 2.0, "offset-center")
        _draw_arrow(ax, prior[:2], moved[:2], 1.1, "offset-corner")
        _draw_arrow(ax, prior[2:], moved[2:], 1.1, "offset-corner")
    return ax.figure


def _draw_arrow(ax, start, end, width, gid):
    if np.hypot(*(end - start)) < 1e-4:
        return  # too short for a head
    shape = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 6 + 4 * width}
    ax.add_patch(FancyArrowPatch(start, end, color=INK, linewidth=width, zorder=5, gid=gid, **shape))
    ax.scatter(*start, s=6 * width, color=INK, zorder=5, gid=f"{gid}-start")
