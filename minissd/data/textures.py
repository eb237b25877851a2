"""Colours and textures of the drawn scenes: what objects are filled with, and what lies behind them.

Arrays are float32 RGB with values 0...255. Everything is random, drawn from the `rng` that is passed.

Here an array (h, w, 3) has a plane of memory of its own for each colour. NumPy works in runs of neighbours,
and to add a colour to pixel after pixel makes runs of three numbers, which are far too short to be fast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from minissd.data.resample import resize


@dataclass(frozen=True)
class Palette:
    """Colours that go together: a few tones for the background, others for the objects."""

    background: tuple[str, ...]
    objects: tuple[str, ...]


PALETTES = (
    Palette(("#f3ead7", "#dfe3d6", "#b9cfcd"), ("#d1495b", "#e39a2d", "#00798c", "#30638e", "#12324f")),
    Palette(("#1c2340", "#2c3660", "#474b78"), ("#f4b67a", "#ee6f7c", "#d5dde6", "#74d3ae", "#f4e285")),
    Palette(("#e3ebcd", "#c3d7ac", "#96b894"), ("#7a3b69", "#e4572e", "#f0a202", "#27405f", "#a11d3f")),
    Palette(("#f1e6dc", "#e0c9b6", "#c5a48e"), ("#264653", "#1f8a7d", "#9b2226", "#5f0f40", "#0b4f6c")),
    Palette(("#10171d", "#1c2c37", "#2a4452"), ("#ffb703", "#fb8500", "#8ecae6", "#ece7db", "#ef476f")),
    Palette(("#ebe4f2", "#d2c7e6", "#aea4d0"), ("#3b2a5c", "#c8503a", "#f08a32", "#138a7d", "#2a2d45")),
    Palette(("#0f2a2a", "#1b403d", "#2f5d56"), ("#f2c14e", "#f78154", "#e9e3d0", "#5fd0c5", "#f4a6b7")),
)


def rgb(color):
    """The three numbers of a colour like "#d1495b", float32 (3,)."""
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)], np.float32)


def contrasting_color(palette, behind, rng):
    """One of the palette's object colours at random, out of those that stand out from the colour behind."""
    colors = np.stack([rgb(color) for color in palette.objects])  # (n, 3)
    distance = np.linalg.norm(colors - behind, axis=1)
    candidates = colors[distance >= min(110, distance.max())]
    return candidates[rng.integers(len(candidates))]


# -- what objects are filled with --------------------------------------------------------------------------


def fill(height, width, color, rng):
    """A textured patch in tones of one colour: plain, gradient, stripes, checks or dots.

    Returns
    -------
    ndarray of float32, (height, width, 3)
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    share = rng.choice((_plain, _gradient, _stripes, _checks, _dots))(x, y, rng)  # (h, w), 0...1
    other = 255.0 if color.mean() < 120 else 0.0
    second_tone = color + (other - color) * rng.uniform(0.18, 0.38)
    patch = _between(color, second_tone, share)
    light = 1.07 - 0.14 * (x / width + y / height)[..., None] / 2  # from above on the left
    return patch * light


def _between(first, second, share):
    """The colours first + share * (second - first) for shares (h, w); (h, w, 3), in planes."""
    planes = first[:, None, None] + share * (second - first)[:, None, None]  # (3, h, w)
    return planes.transpose(1, 2, 0)


def _plain(x, y, rng):
    return np.zeros_like(x)


def _gradient(x, y, rng):
    along, _ = _turned(x, y, rng)
    return (along - along.min()) / max(np.ptp(along), 1e-6)


def _stripes(x, y, rng):
    along, _ = _turned(x, y, rng)
    return _square_wave(along, _period(x, rng))


def _checks(x, y, rng):
    along, across = _turned(x, y, rng)
    period = _period(x, rng)
    return np.abs(_square_wave(along, period) - _square_wave(across, period))


def _dots(x, y, rng):
    along, across = _turned(x, y, rng)
    period = _period(x, rng)
    from_center = np.hypot(along % period - period / 2, across % period - period / 2)
    return (period * 0.3 - from_center + 0.5).clip(0, 1)


def _turned(x, y, rng):
    angle = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cos + y * sin, y * cos - x * sin


def _period(x, rng):
    return np.float32(max(5.0, max(x.shape) * rng.uniform(0.15, 0.3)))


def _square_wave(position, period):
    """0 and 1 in turn, half a period each, with edges one pixel soft."""
    phase = np.abs(position % period - period / 2) - period / 4
    return (phase + 0.5).clip(0, 1)


# -- what lies behind --------------------------------------------------------------------------------------


def background(size, palette, rng, clutter=1.0):
    """A soft background in the palette's tones, with lines, blobs and specks that are no objects.

    Parameters
    ----------
    size : int
        Height and width.
    palette : Palette
    rng : numpy.random.Generator
    clutter : float
        0 for a smooth background; 1 for about six marks; more for more.

    Returns
    -------
    ndarray of float32, (size, size, 3)
    """
    tones = np.stack([rgb(tone) for tone in palette.background])
    first, second = tones[rng.permutation(len(tones))[:2]]
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    image = _between(first, second, _gradient(x, y, rng))
    image += _clouds(size, rng)[..., None] * rng.uniform(6, 16)
    for _ in range(rng.poisson(6 * clutter)):
        _mark(image, palette, rng)
    if clutter:
        image += rng.standard_normal((size, size, 1), np.float32) * np.float32(rng.uniform(0, 3))
    return image


def _clouds(size, rng):
    """Smooth noise, about -1...1: a few random numbers on a coarse grid, enlarged."""
    cells = int(rng.integers(3, 8))
    return resize(rng.uniform(-1, 1, (cells, cells, 1)).astype(np.float32), size, size, "cubic")[..., 0]


def _mark(image, palette, rng):
    """Paint one thing that is no object, half transparent, onto a part of the image."""
    size = len(image)
    extent = int(size * rng.uniform(0.12, 0.45))
    top, left = rng.integers(0, size - extent, size=2)
    region = image[top : top + extent, left : left + extent]
    mask = Image.new("L", (2 * extent, 2 * extent))
    rng.choice((_wave, _line, _blob, _specks))(ImageDraw.Draw(mask), 2 * extent, size / 64, rng)
    alpha = np.asarray(mask.reduce(2), np.float32)[..., None] / 255 * rng.uniform(0.25, 0.6)
    colors = palette.background + palette.objects[:2]
    region += alpha * (rgb(colors[rng.integers(len(colors))]) - region)


def _wave(draw, extent, pen, rng):
    x = np.linspace(0.05, 0.95, 40)
    y = 0.5 + rng.uniform(0.08, 0.3) * np.sin(x * rng.uniform(4, 16) + rng.uniform(0, 6))
    points = np.stack([x, y] if rng.random() < 0.5 else [y, x], axis=1) * extent
    draw.line([tuple(p) for p in points], fill=255, width=round(pen * rng.uniform(0.6, 1.6)), joint="curve")


def _line(draw, extent, pen, rng):
    ends = rng.uniform(0.05, 0.95, 4) * extent
    draw.line(list(ends), fill=255, width=round(pen * rng.uniform(0.5, 2.0)))


def _blob(draw, extent, pen, rng):
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    lobes = rng.uniform(0.06, 0.12) * np.sin(angles * rng.integers(2, 4) + rng.uniform(0, 6))
    radius = 0.28 + lobes + rng.uniform(0.02, 0.05) * np.sin(5 * angles + rng.uniform(0, 6))
    squeeze = rng.uniform(0.35, 0.8)
    points = np.stack([0.5 + radius * np.cos(angles), 0.5 + squeeze * radius * np.sin(angles)], axis=1)
    draw.polygon([tuple(p) for p in points * extent], fill=255)


def _specks(draw, extent, pen, rng):
    for x, y in rng.uniform(0.05, 0.95, (int(rng.integers(6, 16)), 2)) * extent:
        r = pen * rng.uniform(0.3, 0.8)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=255)
