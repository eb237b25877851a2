"""Non-maximum suppression on seven candidates, step by step."""

from __future__ import annotations

import numpy as np

from minissd.data.shapes import shape_mask
from minissd.viz.suppression_steps import draw_suppression_steps

WIDTH, HEIGHT = 300, 240  # pixels
GROUND = (233, 236, 240)
STARS = (  # left, top, side, colour
    (44, 96, 110, (0, 114, 178)),
    (120, 56, 132, (230, 159, 0)),
    (206, 22, 62, (0, 158, 115)),
)
BOXES_PX = np.array(
    [
        [39, 90, 159, 213],
        [117, 54, 252, 189],
        [51, 78, 171, 201],
        [135, 66, 270, 210],
        [24, 102, 141, 231],
        [105, 33, 240, 174],
        [204, 15, 273, 87],
    ]
)
SCORES = np.array([0.95, 0.91, 0.83, 0.72, 0.64, 0.58, 0.41])


def draw():
    """Draw the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return draw_suppression_steps(paint_stars(), BOXES_PX / [WIDTH, HEIGHT, WIDTH, HEIGHT], SCORES)


def paint_stars():
    """Paint three stars, two of which overlap; uint8 (HEIGHT, WIDTH, 3)."""
    image = np.tile(np.array(GROUND, np.float32), (HEIGHT, WIDTH, 1))
    for left, top, side, color in STARS:
        mask = shape_mask("star", side)[..., None]  # (h, w, 1)
        region = image[top : top + mask.shape[0], left : left + mask.shape[1]]
        region += mask * (np.array(color, np.float32) - region)
    return image.round().astype(np.uint8)
