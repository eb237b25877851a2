"""Why fc6 is dilated: where its weights look, in VGG16 and in SSD."""

from __future__ import annotations

from minissd.viz.receptive import draw_atrous_taps


def draw():
    """Draw the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return draw_atrous_taps()
