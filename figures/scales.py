"""The sizes of the default boxes: equation 4, and what the published models have."""

from __future__ import annotations

from minissd.config import SSD300_COCO, SSD300_VOC, SSD512_COCO, SSD512_VOC
from minissd.viz.scales import draw_scales


def draw():
    """Draw the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return draw_scales((SSD300_VOC, SSD300_COCO, SSD512_VOC, SSD512_COCO))
