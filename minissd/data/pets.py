"""A cat and a dog, drawn: the scene of the paper's figure 1, in shapes of our own."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from minissd.data.sample import Sample

PET_CLASSES = ("cat", "dog")
SIDE, OVERSAMPLING = 400, 4  # pixels; drawn larger and averaged, which makes edges smooth
WALL, FLOOR, RUG = (236, 228, 214), (205, 180, 148), (176, 196, 204)
CAT_FUR, CAT_DARK, DOG_FUR, DOG_DARK = (92, 96, 110), (62, 65, 78), (198, 134, 66), (140, 86, 40)
PINK, BLACK, WHITE = (232, 160, 160), (30, 28, 28), (250, 248, 244)

# Shapes from back to front: kind, colour, points. An ellipse has two corners, a line its width first.
CAT = (
    ("line", CAT_DARK, (0.030, (0.139, 0.754), (0.112, 0.704), (0.121, 0.654), (0.153, 0.639))),
    ("ellipse", CAT_FUR, ((0.139, 0.664), (0.278, 0.824))),
    ("polygon", CAT_FUR, ((0.165, 0.624), (0.169, 0.549), (0.213, 0.594))),
    ("polygon", CAT_FUR, ((0.264, 0.624), (0.260, 0.549), (0.215, 0.594))),
    ("polygon", PINK, ((0.175, 0.599), (0.176, 0.569), (0.196, 0.587))),
    ("polygon", PINK, ((0.254, 0.599), (0.253, 0.569), (0.234, 0.587))),
    ("ellipse", CAT_FUR, ((0.162, 0.579), (0.267, 0.682))),
    ("ellipse", WHITE, ((0.183, 0.719), (0.243, 0.814))),
    ("ellipse", CAT_DARK, ((0.162, 0.796), (0.205, 0.826))),
    ("ellipse", CAT_DARK, ((0.222, 0.796), (0.266, 0.826))),
    ("ellipse", (214, 200, 90), ((0.183, 0.616), (0.205, 0.640))),
    ("ellipse", (214, 200, 90), ((0.224, 0.616), (0.245, 0.640))),
    ("ellipse", BLACK, ((0.192, 0.618), (0.199, 0.638))),
    ("ellipse", BLACK, ((0.231, 0.618), (0.237, 0.638))),
    ("polygon", PINK, ((0.207, 0.648), (0.222, 0.648), (0.214, 0.658))),
)
DOG = (
    ("line", DOG_FUR, (0.045, (0.768, 0.740), (0.818, 0.660), (0.833, 0.580))),
    ("ellipse", DOG_FUR, ((0.468, 0.500), (0.798, 0.950))),
    ("ellipse", DOG_DARK, ((0.638, 0.740), (0.808, 0.960))),
    ("polygon", DOG_FUR, ((0.488, 0.660), (0.588, 0.660), (0.588, 0.950), (0.493, 0.950))),
    ("ellipse", WHITE, ((0.508, 0.570), (0.628, 0.790))),
    ("ellipse", DOG_FUR, ((0.428, 0.280), (0.678, 0.560))),
    ("ellipse", DOG_DARK, ((0.393, 0.290), (0.473, 0.510))),
    ("ellipse", DOG_DARK, ((0.633, 0.290), (0.713, 0.510))),
    ("ellipse", WHITE, ((0.483, 0.410), (0.623, 0.550))),
    ("ellipse", BLACK, ((0.526, 0.418), (0.580, 0.460))),
    ("line", BLACK, (0.008, (0.553, 0.460), (0.553, 0.495))),
    ("ellipse", PINK, ((0.533, 0.492), (0.573, 0.540))),
    ("ellipse", BLACK, ((0.483, 0.362), (0.515, 0.398))),
    ("ellipse", BLACK, ((0.591, 0.362), (0.623, 0.398))),
    ("ellipse", DOG_FUR, ((0.468, 0.915), (0.558, 0.970))),
    ("ellipse", DOG_FUR, ((0.548, 0.915), (0.638, 0.970))),
)


def paint_pets():
    """Paint the scene.

    Returns
    -------
    Sample
        An image of 400 by 400 pixels with a small cat, class 1, and a large dog, class 2, of `PET_CLASSES`.
        Boxes are the tight boxes of all pixels of the animals.

    Examples
    --------
    >>> pets = paint_pets()
    >>> pets.image.shape, [PET_CLASSES[label - 1] for label in pets.labels]
    ((400, 400, 3), ['cat', 'dog'])
    """
    canvas = Image.new("RGB", (SIDE * OVERSAMPLING,) * 2, WALL)
    room = (
        ("polygon", FLOOR, ((0, 0.68), (1, 0.68), (1, 1), (0, 1))),
        ("ellipse", RUG, ((0.32, 0.84), (0.94, 0.99))),
        ("ellipse", RUG, ((0.08, 0.78), (0.33, 0.86))),
    )
    _paint(canvas, room)
    gt_xyxy = [_paint(canvas, animal) for animal in (CAT, DOG)]
    image = np.asarray(canvas.reduce(OVERSAMPLING), np.uint8)
    return Sample(
        image=image, gt_xyxy=np.array(gt_xyxy), labels=np.array([1, 2], np.int64), name="cat and dog"
    )


def _paint(canvas, shapes):
    """Paint shapes, back to front; return the tight box of all of them, (4,), fractions of the picture."""
    covered = Image.new("L", canvas.size)
    for kind, color, points in shapes:
        for picture, paint in ((canvas, color), (covered, 255)):
            _paint_shape(ImageDraw.Draw(picture), kind, paint, points, canvas.width)
    return np.array(covered.getbbox()) / canvas.width


def _paint_shape(draw, kind, color, points, side):
    if kind == "line":
        width, *points = points
        corners = [(x * side, y * side) for x, y in points]
        draw.line(corners, fill=color, width=round(width * side), joint="curve")
        for x, y in (corners[0], corners[-1]):  # round ends
            radius = width * side / 2
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
    else:
        getattr(draw, kind)([(x * side, y * side) for x, y in points], fill=color)
