"""How well default boxes fit objects of every size: the best IoU over the side of an object."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from minissd.viz.page import as_chart, as_logarithmic, new_page
from minissd.viz.style import FAINT_INK, GROUND_TRUTH, INK

TICKS = (8, 10, 15, 20, 30, 40, 60, 100, 150, 200, 300, 500)
BAND = 0.25  # opacity


def draw_object_sizes(sides_px, best_iou, min_sizes=(), iou_threshold=0.5):
    """Draw which overlap objects of each size reach with their best default box, wherever they are.

    Parameters
    ----------
    sides_px : ndarray, (S,)
        Sides of the objects, growing.
    best_iou : ndarray, (S, M)
        For every side, the best IoU of each of M objects at different places.
    min_sizes : sequence of float
        Sides of the small squares of the maps (``SSDConfig.min_sizes``); each is marked.
    iou_threshold : float
        As for `minissd.matching.match`.

    Returns
    -------
    matplotlib.figure.Figure
        A band from the worst place to the best one, and a line for the mean of all places.
    """
    sides_px, best_iou = np.asarray(sides_px, dtype=float), np.asarray(best_iou, dtype=float)
    color = GROUND_TRUTH.color
    legend = [
        Line2D([], [], color=color, linewidth=2, label="mean of all places"),
        Patch(color=color, alpha=BAND, linewidth=0, label="from the worst place to the best"),
        Line2D([], [], color=INK, linestyle="--", label=f"threshold {iou_threshold:g}"),
    ]
    if len(min_sizes):
        legend.append(Line2D([], [], color=FAINT_INK, linestyle=":", label="small squares of the maps"))
    _, (ax,) = new_page(aspect=0.48, title="How well the best default box fits", legend=legend)
    as_chart(ax, "side of a square object, px (logarithmic)", "best IoU")
    for size in min_sizes:
        ax.axvline(size, color=FAINT_INK, linestyle=":", linewidth=1, gid="min-size")
    worst, best = best_iou.min(axis=1), best_iou.max(axis=1)
    ax.fill_between(sides_px, worst, best, color=color, alpha=BAND, linewidth=0, gid="range")
    ax.plot(sides_px, best_iou.mean(axis=1), color=color, linewidth=2, gid="mean")
    ax.axhline(iou_threshold, color=INK, linestyle="--", linewidth=1.2, gid="threshold")
    least, most = sides_px[0], sides_px[-1]
    as_logarithmic(ax, (least, most), [tick for tick in TICKS if least <= tick <= most])
    ax.set_ylim(0, 1)
    return ax.figure
