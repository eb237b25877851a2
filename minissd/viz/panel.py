"""A panel with an image in it. Its coordinates are fractions of the image, as those of all boxes."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Rectangle
from PIL import Image

from minissd.errors import InputError

LONGEST_SHOWN = 1600  # pixels; a page is 1200 wide


def image_aspect(image):
    """Return height over width of an image (H, W, 3)."""
    return image.shape[0] / image.shape[1]


def show_image(ax, image, square=False, fade=0.0, margin=0.0):
    """Fill a panel with an image, so that fractions of the image are the coordinates.

    Parameters
    ----------
    ax : Axes
    image : ndarray of uint8, (H, W, 3)
        RGB, of any size; it is made smaller for display where it is huge.
    square : bool
        Draw it as the network sees it, squeezed to a square. A default box of ratio 1 is then a square.
    fade : float
        Share of white mixed in, 0...1, so that what is drawn on the image stands out.
    margin : float
        Empty border around the image, for boxes that reach over its edge, in fractions of the image.

    Raises
    ------
    InputError
        If the image is not uint8 RGB.
    """
    shown = _small_copy(check_image(image))
    if fade:
        shown = (shown * (1 - fade) + 255 * fade).astype(np.uint8)
    ax.imshow(shown, extent=(0, 1, 1, 0), aspect="auto", zorder=0)
    ax.set_aspect(1.0 if square else min(max(image_aspect(image), 1 / 20), 20.0))
    ax.set_xlim(-margin, 1 + margin)
    ax.set_ylim(1 + margin, -margin)
    ax.set_facecolor("#F1F1F1")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    if margin:
        border = Rectangle((0, 0), 1, 1, fill=False, edgecolor="#8A8A8A", linewidth=0.8)
        ax.add_patch(border).set_gid("image-border")


def margin_for(boxes_xyxy, limit=0.2):
    """Return the margin that shows boxes reaching over the image, at most `limit`.

    Examples
    --------
    >>> round(margin_for(np.array([[-0.1, 0.2, 0.5, 0.6]])), 6)
    0.11
    >>> margin_for(np.array([[0.1, 0.2, 0.5, 0.6]]))
    0.0
    """
    boxes_xyxy = np.asarray(boxes_xyxy, dtype=float).reshape(-1, 4)
    overhang = max(-boxes_xyxy.min(initial=0.0), boxes_xyxy.max(initial=1.0) - 1)
    return float(min(overhang + 0.01, limit)) if overhang > 0 else 0.0


def check_image(image):
    """Return the image; raise InputError unless it is uint8 (H, W, 3) with at least one pixel."""
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InputError(
            f"image: an array {image.shape} of {image.dtype} (give RGB as uint8, shape (height, width, 3))"
        )
    return image


def _small_copy(image):
    longest = max(image.shape[:2])
    if longest <= LONGEST_SHOWN:
        return image
    size = [max(1, round(side * LONGEST_SHOWN / longest)) for side in (image.shape[1], image.shape[0])]
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
