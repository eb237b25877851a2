"""Changes of colour: brightness, contrast, saturation, hue, with the ranges of the official scripts.

All functions take and give float32 RGB arrays with values 0...255; results are limited to that range.
In the HSV model with V = max(r, g, b) and S = (V - min(r, g, b)) / V, every channel is ``V (1 - S k)`` with
some k between 0 and 1 that the hue alone decides. So a change of saturation scales the channels' distances
from the largest one, and a change of hue moves them around the colour circle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd.compilation import compiled, inlined


@dataclass(frozen=True)
class Photometric:
    """Random changes of colour, each made with probability `probability`.

    The order is brightness, then contrast before or after saturation and hue, decided by a coin.

    Attributes
    ----------
    brightness : float
        An offset is drawn from -brightness...brightness (of 255).
    contrast, saturation : tuple of float
        Ranges of factors.
    hue_degrees : float
        An angle is drawn from -hue_degrees...hue_degrees. Caffe's 18 is in OpenCV's units of two degrees,
        so it is 36 here. (Caffe works on bytes and cuts negative hues off at 0, which is no rotation any
        more; here red turns to both sides like every other colour.)
    probability : float
        Of each of the four changes.

    Examples
    --------
    >>> grey = np.full((2, 2, 3), 100, np.float32)
    >>> Photometric(probability=0)(grey, np.random.default_rng(0)).max()
    np.float32(100.0)
    """

    brightness: float = 32.0
    contrast: tuple[float, float] = (0.5, 1.5)
    saturation: tuple[float, float] = (0.5, 1.5)
    hue_degrees: float = 36.0
    probability: float = 0.5

    def __call__(self, image, rng):
        """Return a changed copy of `image`, float32 (H, W, 3) with values 0...255."""
        happens = rng.random(4) < self.probability
        delta = rng.uniform(-self.brightness, self.brightness) if happens[0] else 0.0
        factor = rng.uniform(*self.contrast) if happens[1] else 1.0
        saturation = rng.uniform(*self.saturation) if happens[2] else 1.0
        degrees = rng.uniform(-self.hue_degrees, self.hue_degrees) if happens[3] else 0.0
        contrast_first = rng.random() < 0.5

        image = adjust_brightness(image, delta)
        if contrast_first:
            image = adjust_contrast(image, factor)
        if happens[2] or happens[3]:
            image = adjust_hsv(image, saturation, degrees)
        return image if contrast_first else adjust_contrast(image, factor)


def adjust_brightness(image, delta):
    """Add `delta` to every value."""
    return _limited(image + np.float32(delta))


def adjust_contrast(image, factor):
    """Multiply every value by `factor` (about 0, not about the mean, as in Caffe)."""
    return _limited(image * np.float32(factor))


def adjust_saturation(image, factor):
    """Multiply the saturation S of every pixel by `factor`, at most to S = 1; hue and value V stay."""
    return adjust_hsv(image, factor, 0.0)


def adjust_hue(image, degrees):
    """Turn every pixel's hue around the colour circle; saturation and value stay."""
    return adjust_hsv(image, 1.0, degrees)


def adjust_hsv(image, saturation_factor, hue_degrees):
    """Change saturation and hue of every pixel in one pass.

    Compiled: each pixel goes to HSV and back while it sits in registers, without arrays in between. Red,
    green and blue lie apart, so that the compiler can take many pixels at a time.

    Parameters
    ----------
    image : ndarray of float32, (H, W, 3)
        RGB, 0...255.
    saturation_factor : float
    hue_degrees : float

    Returns
    -------
    ndarray of float32, (H, W, 3)
    """
    colors = [image[..., channel].astype(np.float32).ravel() for channel in range(3)]  # copies
    _adjust_hsv(*colors, np.float32(saturation_factor), np.float32(hue_degrees / 60 % 6))
    return np.stack(colors, axis=-1).reshape(image.shape)


def adjust_hsv_by_arrays(image, saturation_factor, hue_degrees):
    """The same as `adjust_hsv`, step by step with whole arrays."""
    hue, saturation, value = np.moveaxis(rgb_to_hsv(image), -1, 0)
    hue = (hue + hue_degrees) % 360
    saturation = (saturation * saturation_factor).clip(0, 1)
    return hsv_to_rgb(np.stack([hue, saturation, value], axis=-1)).astype(np.float32)


def rgb_to_hsv(image):
    """Convert RGB to hue, saturation and value.

    Parameters
    ----------
    image : ndarray of float, (..., 3)
        RGB, non-negative, of any scale.

    Returns
    -------
    ndarray of float, (..., 3)
        H in degrees 0...360 (red 0, green 120, blue 240; 0 for grey), S 0...1, V on the scale of the input.

    Examples
    --------
    >>> rgb_to_hsv(np.array([0.0, 200.0, 100.0]))
    array([150.,   1., 200.])
    """
    red, green, blue = np.moveaxis(image, -1, 0)
    value = image.max(axis=-1)
    spread = value - image.min(axis=-1)
    safe = np.where(spread > 0, spread, 1)
    near_red, near_green = (green - blue) / safe, 2 + (blue - red) / safe
    sector = np.select([value == red, value == green], [near_red, near_green], 4 + (red - green) / safe)
    hue = np.where(spread > 0, 60 * sector % 360, 0)
    saturation = spread / np.where(value > 0, value, 1)
    return np.stack([hue, saturation, value], axis=-1).astype(image.dtype)


def hsv_to_rgb(hsv):
    """Convert hue, saturation and value to RGB; the inverse of `rgb_to_hsv`.

    Each channel is ``V (1 - S k)``: k is 0 within 60 degrees of the channel's own hue, 1 beyond 120 degrees,
    and falls linearly in between.

    Parameters
    ----------
    hsv : ndarray of float, (..., 3)

    Returns
    -------
    ndarray of float, (..., 3)

    Examples
    --------
    >>> hsv_to_rgb(np.array([150.0, 1.0, 200.0]))
    array([  0., 200., 100.])
    """
    hue, saturation, value = np.moveaxis(hsv, -1, 0)
    channels = []
    for own_hue in (0, 120, 240):
        distance = np.abs((hue - own_hue + 180) % 360 - 180)  # around the circle, 0...180 degrees
        channels.append(value * (1 - saturation * (distance / 60 - 1).clip(0, 1)))
    return np.stack(channels, axis=-1).astype(hsv.dtype)


def _limited(image):
    return np.clip(image, 0, 255, out=image)


@compiled(error_model="numpy", fastmath={"nnan"})
def _adjust_hsv(reds, greens, blues, saturation_factor, turn):
    """In place; `turn` in sixths of the colour circle, 0...6."""
    zero, six = np.float32(0), np.float32(6)
    for i in range(len(reds)):
        red, green, blue = reds[i], greens[i], blues[i]
        value = max(red, max(green, blue))
        spread = value - min(red, min(green, blue))
        safe = max(spread, np.float32(1e-6))  # in grey all differences are 0
        hue = np.float32(4) + (red - green) / safe
        hue = np.float32(2) + (blue - red) / safe if value == green else hue
        hue = (green - blue) / safe if value == red else hue
        hue += turn
        hue += six if hue < zero else zero
        hue -= six if hue >= six else zero
        spread = min(spread * saturation_factor, value)  # V S, the most that a channel can lie below V
        reds[i] = value - spread * _hue_share(hue)
        greens[i] = value - spread * _hue_share(abs(hue - np.float32(2)))
        blues[i] = value - spread * _hue_share(abs(hue - np.float32(4)))


@inlined
def _hue_share(distance):
    """The k of a channel, whose own hue is at this distance, 0...6 in one direction."""
    nearest = min(distance, np.float32(6) - distance)
    return min(max(nearest - np.float32(1), np.float32(0)), np.float32(1))
