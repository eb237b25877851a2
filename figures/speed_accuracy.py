"""Speed and accuracy of SSD and of the detectors of its time, as table 7 of the paper has them."""

from __future__ import annotations

from minissd.viz.detectors import draw_speed_accuracy


def draw():
    """Draw the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return draw_speed_accuracy()
