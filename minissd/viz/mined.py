"""Hard negative mining at one moment of training, in pictures that can be compared from moment to moment."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import LogFormatterMathtext, NullLocator

from minissd.viz.mining import draw_mining
from minissd.viz.page import set_panel_title
from minissd.viz.style import FAINT_INK

LOSSES = 1e-4, 30.0  # range of the axis


def draw_mined(image, priors_cxcywh, positive, conf_loss, hard_negatives, top=3):
    """Draw what `minissd.viz.draw_mining` draws, and the ignored default boxes as faint dots.

    The axis of losses is logarithmic and the same in every picture: a loss falls by powers of ten.

    Parameters
    ----------
    image, priors_cxcywh, positive, conf_loss, hard_negatives, top
        As of `minissd.viz.draw_mining`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = draw_mining(image, priors_cxcywh, positive, conf_loss, hard_negatives, top)
    picture, chart = figure.axes
    ignored = ~(np.asarray(positive, bool) | np.asarray(hard_negatives, bool))
    centers = np.unique(np.asarray(priors_cxcywh)[ignored, :2], axis=0)  # a cell's boxes share theirs
    picture.scatter(*centers.T, s=2, color=FAINT_INK, linewidths=0, zorder=2, gid="ignored-centers")
    set_panel_title(picture, "where they are; small grey dots: ignored")
    chart.xaxis.set_minor_locator(NullLocator())  # slow to draw, and not needed
    chart.set_yscale("log")
    chart.set_ylim(*LOSSES)
    chart.yaxis.set_major_formatter(LogFormatterMathtext())
    chart.yaxis.set_minor_locator(NullLocator())
    return figure
