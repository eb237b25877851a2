"""The default boxes of all six maps of SSD300 over one drawn scene."""

from __future__ import annotations

from minissd.config import SSD300_VOC
from minissd.data.pets import paint_pets
from minissd.viz.priors import draw_prior_scales


def draw():
    """Draw the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return draw_prior_scales(SSD300_VOC, paint_pets().image)
