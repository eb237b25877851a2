"""The objects of the drawn scenes: outlines of shapes and glyphs, and their masks in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

OVERSAMPLING = 4  # masks are drawn this much larger and averaged, which makes their edges smooth


@dataclass(frozen=True)
class Part:
    """A piece of a shape, on a plane with x to the right, y down and the shape's centre at 0.

    Attributes
    ----------
    points : ndarray of float64, (n, 2)
    kind : str
        ``"fill"`` fills the polygon, ``"hole"`` empties it, ``"stroke"`` draws a line along the points.
    width : float
        Of a stroke.
    """

    points: np.ndarray
    kind: str = "fill"
    width: float = 0.0


def _regular(corners, radius=1.0, start=-90.0):
    angles = np.deg2rad(start + np.arange(corners) * 360 / corners)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _circle():
    return [Part(_regular(72))]


def _square():
    return [Part(_regular(4, start=-135))]


def _triangle():
    return [Part(_regular(3))]


def _star():
    points = np.empty((10, 2))
    points[0::2], points[1::2] = _regular(5), _regular(5, radius=0.45, start=-54)
    return [Part(points)]


def _ring():
    return [Part(_regular(72)), Part(_regular(72, radius=0.58), "hole")]


def _cross(arm=0.32):
    bar = np.array([[-1, -arm], [1, -arm], [1, arm], [-1, arm]])
    return [Part(bar), Part(bar[:, ::-1])]


def _letter_a(width=0.4):
    legs = np.array([[-0.7, 1.0], [0.0, -1.0], [0.7, 1.0]])
    return [Part(legs, "stroke", width), Part(np.array([[-0.42, 0.35], [0.42, 0.35]]), "stroke", width * 0.8)]


def _digit_4(width=0.4):
    return [Part(np.array([[0.4, 1.0], [0.4, -1.0], [-0.75, 0.4], [0.85, 0.4]]), "stroke", width)]


SHAPES = {
    "circle": (_circle, 0),
    "square": (_square, 20),
    "triangle": (_triangle, 25),
    "star": (_star, 36),
    "ring": (_ring, 0),
    "cross": (_cross, 20),
    "A": (_letter_a, 15),
    "4": (_digit_4, 15),
}
"""Name of each class: its parts, and by how many degrees it may be turned to either side and stay itself."""


def shape_mask(name, side, degrees=0.0):
    """Draw a shape as a mask, cut out tightly.

    Parameters
    ----------
    name : str
        A key of `SHAPES`.
    side : float
        Length of the longer side of its box, in pixels.
    degrees : float
        Turn, clockwise.

    Returns
    -------
    ndarray of float32, (h, w)
        Which share of each pixel the shape covers, 0...1. Every border row and column has a pixel that is
        covered by a third at least, so the array's own edges are the tight box.

    Examples
    --------
    >>> shape_mask("square", 20).shape
    (20, 20)
    >>> float(shape_mask("square", 20).min())
    1.0
    """
    make_parts, _ = SHAPES[name]
    parts = [Part(_turned(p.points, degrees), p.kind, p.width) for p in make_parts()]
    low = np.min([p.points.min(axis=0) - p.width / 2 for p in parts], axis=0)
    high = np.max([p.points.max(axis=0) + p.width / 2 for p in parts], axis=0)
    scale = side / (high - low).max()
    width, height = np.ceil((high - low) * scale).astype(int) + 2
    canvas = Image.new("L", (int(width) * OVERSAMPLING, int(height) * OVERSAMPLING))
    draw = ImageDraw.Draw(canvas)
    for part in parts:
        _draw(draw, part, ((part.points - low) * scale + 1) * OVERSAMPLING, part.width * scale * OVERSAMPLING)
    return _tight(np.asarray(canvas.reduce(OVERSAMPLING), np.float32) / 255)


def _turned(points, degrees):
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return points @ np.array([[cos, sin], [-sin, cos]])


def _draw(draw, part, points_px, width_px):
    # Pillow counts the pixel of a corner in; half a pixel less makes the polygon as large as it should be.
    corners = [tuple(p) for p in points_px - 0.5]
    if part.kind == "stroke":
        draw.line(corners, fill=255, width=max(1, round(width_px)), joint="curve")
        for x, y in corners:
            r = width_px / 2
            draw.ellipse([x - r, y - r, x + r, y + r], fill=255)
    else:
        draw.polygon(corners, fill=255 if part.kind == "fill" else 0)


def _tight(mask):
    drawn = mask >= 1 / 3
    (rows,), (columns,) = np.nonzero(drawn.any(axis=1)), np.nonzero(drawn.any(axis=0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
