"""The architecture of SSD300."""

from __future__ import annotations

from minissd.config import SSD300_VOC
from minissd.viz.architecture import draw_architecture


def draw():
    """Draw the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return draw_architecture(SSD300_VOC)
