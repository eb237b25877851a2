"""How much of the image each source map of SSD300 sees."""

from __future__ import annotations

from minissd.config import SSD300_VOC
from minissd.data.pets import paint_pets
from minissd.models import SSD
from minissd.viz.receptive import draw_receptive_fields


def draw():
    """Draw the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return draw_receptive_fields(SSD(SSD300_VOC), paint_pets().image)
