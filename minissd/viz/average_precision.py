"""How average precision is read off a curve: at eleven recalls, or as the area under its envelope."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from minissd.average_precision import ELEVEN_RECALLS, area_ap, eleven_point_ap
from minissd.viz.page import as_chart, new_page
from minissd.viz.style import CAPTION_SIZE, DETECTION, FAINT_INK, GROUND_TRUTH, INK

ENVELOPE, SHADE = "#0072B2", 0.15
MOST_NUMBERS = 20
RIGHT = {"color": GROUND_TRUTH.color, "marker": "o", "markersize": 8, "linestyle": "none"}
WRONG = {"color": DETECTION.color, "marker": "X", "markersize": 8, "linestyle": "none"}
POINTS = {"color": INK, "marker": "D", "markersize": 5, "markerfacecolor": "none", "linestyle": "none"}


def draw_average_precision(curve, title=""):
    """Draw the walk through the detections of a class, and what the two average precisions of VOC take of it.

    Parameters
    ----------
    curve : minissd.evaluate.PrecisionRecall
    title : str
        The two average precisions by default.

    Returns
    -------
    matplotlib.figure.Figure
        A mark for each detection, numbered if there are few; the envelope, which is the best precision at
        each recall or beyond, with the area under it; the envelope at the eleven recalls.
    """
    recall, precision = np.asarray(curve.recall, float), np.asarray(curve.precision, float)
    area, eleven = area_ap(recall, precision), eleven_point_ap(recall, precision)
    title = title or f"Average precision: {eleven:.3f} at eleven recalls, {area:.3f} as an area"
    _, (ax,) = new_page(aspect=0.5, title=title, legend=_legend())
    as_chart(ax, "recall", "precision")
    ax.set(xlim=(-0.02, 1.04), ylim=(0, 1.06))
    right = np.diff(recall, prepend=0.0) > 0
    _draw_envelope(ax, recall, precision, right)
    ax.plot(recall, precision, color=FAINT_INK, linewidth=1, gid="walk")
    ax.plot(recall[right], precision[right], **RIGHT, gid="right")
    ax.plot(recall[~right], precision[~right], **WRONG, gid="wrong")
    if len(recall) <= MOST_NUMBERS:
        _number(ax, recall, precision)
    return ax.figure


def _legend():
    return [
        Line2D([], [], **RIGHT, label="a right detection"),
        Line2D([], [], **WRONG, label="a wrong one"),
        Patch(facecolor=ENVELOPE, alpha=2 * SHADE, label="area under the envelope"),
        Line2D([], [], **POINTS, label="eleven points"),
    ]


def _draw_envelope(ax, recall, precision, right):
    """Steps that end at the recall of each right detection, and the eleven points on them."""
    best_beyond = np.maximum.accumulate(precision[::-1])[::-1]
    edges = np.append(0.0, recall[right])
    ax.stairs(best_beyond[right], edges, fill=True, color=ENVELOPE, alpha=SHADE, gid="area")
    ax.stairs(best_beyond[right], edges, color=ENVELOPE, linewidth=2, gid="envelope")
    best = [precision[recall >= at_least].max(initial=0.0) for at_least in ELEVEN_RECALLS]
    ax.plot(ELEVEN_RECALLS, best, **POINTS, zorder=4, clip_on=False, gid="eleven")


def _number(ax, recall, precision):
    """Write beside each mark which detection it is, counted from 1."""
    style = {"textcoords": "offset points", "xytext": (6, 7), "fontsize": CAPTION_SIZE, "color": INK}
    for number, point in enumerate(zip(recall, precision), start=1):
        ax.annotate(str(number), point, **style, gid="number")
