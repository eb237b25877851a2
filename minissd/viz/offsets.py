"""Offsets: how a default box becomes a predicted box."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import FancyArrowPatch

from minissd import boxes
from minissd.codec import decode
from minissd.viz.boxes import draw_boxes, legend_line
from minissd.viz.page import new_page
from minissd.viz.panel import margin_for, show_image
from minissd.viz.style import DETECTION, GROUND_TRUTH, INK, PRIOR

FAR = 9  # widths of an image; nothing farther away has to be drawn


def draw_offsets(
    image,
    priors_cxcywh,
    loc,
    gt_xyxy=None,
    variances=(0.1, 0.2),
    max_log_size=None,
    clip=False,
    ax=None,
):
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
    max_log_size, clip
        By torchvision's rules sizes are limited and boxes cut, as in `minissd.detect.detect`.
    ax : Axes, optional
        Draw on this one instead of a page of its own.

    Returns
    -------
    matplotlib.figure.Figure
    """
    priors_cxcywh, loc = (np.asarray(array, dtype=float).reshape(-1, 4) for array in (priors_cxcywh, loc))
    priors_xyxy = boxes.cxcywh_to_xyxy(priors_cxcywh)
    with np.errstate(over="ignore"):
        decoded_xyxy = decode(loc, priors_cxcywh, variances, max_log_size)
    decoded_xyxy = drawable(boxes.clip(decoded_xyxy) if clip else decoded_xyxy)
    gt_xyxy = np.zeros((0, 4)) if gt_xyxy is None else np.asarray(gt_xyxy, dtype=float).reshape(-1, 4)
    if ax is None:
        legend = [legend_line(PRIOR), legend_line(DETECTION, "the same, moved by its offsets")]
        legend += [legend_line(GROUND_TRUTH)] if len(gt_xyxy) else []
        _, (ax,) = new_page(title="From default boxes to predicted boxes", legend=legend)
    show_image(ax, image, square=True, fade=0.4, margin=margin_for(np.vstack([priors_xyxy, decoded_xyxy])))
    draw_boxes(ax, gt_xyxy, GROUND_TRUTH, fill=0.12)
    draw_moves(ax, priors_cxcywh, loc, decoded_xyxy, variances)
    return ax.figure


def drawable(boxes_xyxy):
    """Return boxes (or points) as they can be drawn: not NaN, infinite or very far outside the image."""
    return np.nan_to_num(np.asarray(boxes_xyxy, dtype=float)).clip(-FAR, 1 + FAR)


def draw_moves(ax, priors_cxcywh, loc, moved_xyxy, variances):
    """Add default boxes, the boxes they become and the arrows to a panel; all arrays are (M, 4).

    Centres go where the offsets move them, even if the border of the image cuts the box.
    """
    priors_xyxy, centers = boxes.cxcywh_to_xyxy(priors_cxcywh), priors_cxcywh[:, :2]
    moved_centers = drawable(centers + loc[:, :2] * variances[0] * priors_cxcywh[:, 2:])
    draw_boxes(ax, priors_xyxy, PRIOR, linewidth=2)
    draw_boxes(ax, moved_xyxy, DETECTION)
    for start, end, prior, moved in zip(centers, moved_centers, priors_xyxy, moved_xyxy):
        _draw_arrow(ax, start, end, 2.0, "offset-center")
        _draw_arrow(ax, prior[:2], moved[:2], 1.1, "offset-corner")
        _draw_arrow(ax, prior[2:], moved[2:], 1.1, "offset-corner")


def _draw_arrow(ax, start, end, width, gid):
    if np.hypot(*(end - start)) < 1e-4:
        return  # too short for a head
    length = np.hypot(*np.diff(ax.transData.transform([start, end]), axis=0)[0]) * 72 / ax.figure.dpi
    head = min(6 + 4 * width, max(1.8 * length, 4))  # of a short arrow it is most, but not more than all
    shape = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "mutation_scale": head}
    ax.add_patch(FancyArrowPatch(start, end, color=INK, linewidth=width, zorder=5, gid=gid, **shape))
    ax.scatter(*start, s=6 * width, color=INK, zorder=5, gid=f"{gid}-start")
