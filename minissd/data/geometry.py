"""The geometry of augmentation: windows, and what becomes of the boxes in them.

Expanding an image and cropping it are one thing: choosing the *window* through which it is seen, a box in
fractions of the image. A window beyond the border shows the image small on an empty canvas, one within it
shows a detail. So all is decided on boxes first, and the pixels are touched only once, at the end
(`minissd.data.resample.resample_window`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd import boxes

WHOLE_IMAGE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Sampler:
    """One way to draw a crop: its size and shape, and the overlap with an object that it must reach.

    Attributes
    ----------
    min_iou, max_iou : float or None
        The crop is accepted if its IoU with *at least one* object lies within these bounds. Where both are
        None every crop is accepted. Where one is set and there are no objects, none is.
    scale : tuple of float
        Range of s, the square root of the crop's area as a fraction of the image.
    aspect : tuple of float
        Range of a, width over height, both as fractions of the image.
    trials : int
        How many crops are tried before the sampler gives up.
    """

    min_iou: float | None = None
    max_iou: float | None = None
    scale: tuple[float, float] = (0.3, 1.0)
    aspect: tuple[float, float] = (0.5, 2.0)
    trials: int = 50


CAFFE_SAMPLERS = (
    Sampler(scale=(1, 1), aspect=(1, 1), trials=1),  # the whole image
    Sampler(min_iou=0.1),
    Sampler(min_iou=0.3),
    Sampler(min_iou=0.5),
    Sampler(min_iou=0.7),
    Sampler(min_iou=0.9),
    Sampler(max_iou=1.0),  # any crop
)
"""The seven samplers of the official training scripts (paper, section 2.2, "Data augmentation")."""


def expand_window(rng, max_ratio=4.0):
    """Draw a window larger than the image ("zoom out", paper, section 3.6).

    Parameters
    ----------
    rng : numpy.random.Generator
    max_ratio : float
        The window is r times as wide and r times as high as the image, r uniform in 1...max_ratio.

    Returns
    -------
    ndarray of float64, (4,)
        Window (x1, y1, x2, y2) in fractions of the image; the image lies wholly within it, anywhere.
    """
    ratio = rng.uniform(1, max_ratio)
    left, top = rng.uniform(0, ratio - 1, size=2)
    return np.array([-left, -top, ratio - left, ratio - top])


def crop_window(gt_xyxy, rng, samplers=CAFFE_SAMPLERS):
    """Draw a crop as Caffe does: every sampler tries to find one, and one of those found is taken.

    Parameters
    ----------
    gt_xyxy : ndarray, (G, 4)
        The objects, in the fractions in which the crop is wanted.
    rng : numpy.random.Generator
    samplers : sequence of Sampler

    Returns
    -------
    ndarray of float64, (4,)
        Within 0...1. The whole image if no sampler found a crop.
    """
    found = [sample_crop(sampler, gt_xyxy, rng) for sampler in samplers]
    found = [window for window in found if window is not None]
    return found[rng.integers(len(found))] if found else np.array(WHOLE_IMAGE)


def sample_crop(sampler, gt_xyxy, rng):
    """The first of the sampler's trials that it accepts, or None.

    All trials are drawn and judged together, which gives the same odds as one after the other.
    """
    windows_xyxy = draw_crops(sampler, sampler.trials, rng)
    (accepted,) = np.nonzero(meets_constraint(sampler, windows_xyxy, gt_xyxy))
    return windows_xyxy[accepted[0]] if len(accepted) else None


def draw_crops(sampler, count, rng):
    """Draw crops of the sampler's sizes and shapes, whatever they overlap.

    The scale s is uniform, the aspect a is uniform and then clamped to s^2...1/s^2, so that the width
    ``s sqrt(a)`` and the height ``s / sqrt(a)`` stay within the image; the place is uniform.

    Parameters
    ----------
    sampler : Sampler
    count : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float64, (count, 4)
    """
    scale = rng.uniform(*sampler.scale, size=count)
    aspect = rng.uniform(*sampler.aspect, size=count).clip(scale**2, 1 / scale**2)
    size = np.stack([scale * np.sqrt(aspect), scale / np.sqrt(aspect)], axis=1).clip(0, 1)  # (count, 2)
    top_left = rng.uniform(size=(count, 2)) * (1 - size)
    return np.concatenate([top_left, top_left + size], axis=1).clip(0, 1)


def meets_constraint(sampler, windows_xyxy, gt_xyxy):
    """Whether each window overlaps some object as the sampler demands.

    Parameters
    ----------
    sampler : Sampler
    windows_xyxy : ndarray, (A, 4)
    gt_xyxy : ndarray, (G, 4)

    Returns
    -------
    ndarray of bool, (A,)

    Examples
    --------
    The window is the left half of the object: IoU 0.5. One object that fits is enough.

    >>> window = np.array([[0.0, 0.0, 0.5, 1.0]])
    >>> gt_xyxy = np.array([[0.0, 0.0, 1.0, 1.0], [0.75, 0.0, 1.0, 1.0]])
    >>> meets_constraint(Sampler(min_iou=0.5), window, gt_xyxy)
    array([ True])
    >>> meets_constraint(Sampler(min_iou=0.7), window, gt_xyxy)
    array([False])
    """
    if sampler.min_iou is None and sampler.max_iou is None:
        return np.ones(len(windows_xyxy), bool)
    iou = boxes.iou(windows_xyxy, gt_xyxy)  # (A, G)
    fits = np.ones(iou.shape, bool)
    if sampler.min_iou is not None:
        fits &= iou >= sampler.min_iou
    if sampler.max_iou is not None:
        fits &= iou <= sampler.max_iou
    return fits.any(axis=1)


def boxes_in_window(gt_xyxy, window_xyxy):
    """The objects that a window shows, as it shows them.

    An object is kept if its centre lies in the window, the border included. Its box is cut at the window's
    border and expressed in fractions of the window. A box with nothing left is dropped.

    Parameters
    ----------
    gt_xyxy : ndarray, (G, 4)
    window_xyxy : array_like, (4,)

    Returns
    -------
    boxes_xyxy : ndarray of float64, (K, 4)
        In fractions of the window, within 0...1.
    kept : ndarray of bool, (G,)
        Which boxes these are.

    Examples
    --------
    The left half of the image shows the first object partly; the second has its centre elsewhere.

    >>> gt_xyxy = np.array([[0.25, 0.5, 0.75, 1.0], [0.25, 0.0, 1.0, 1.0]])
    >>> boxes_in_window(gt_xyxy, [0.0, 0.0, 0.5, 1.0])
    (array([[0.5, 0.5, 1. , 1. ]]), array([ True, False]))
    """
    window = np.asarray(window_xyxy, np.float64)
    center = (gt_xyxy[:, :2] + gt_xyxy[:, 2:]) / 2
    kept = ((center >= window[:2]) & (center <= window[2:])).all(axis=1)
    seen_xyxy = boxes.clip(to_window(gt_xyxy, window))
    kept &= (seen_xyxy[:, 2:] > seen_xyxy[:, :2]).all(axis=1)
    return seen_xyxy[kept], kept


def to_window(boxes_xyxy, window_xyxy):
    """Express boxes in fractions of a window instead of the image; nothing is cut."""
    window = np.asarray(window_xyxy, np.float64)
    size = window[2:] - window[:2]
    return (boxes_xyxy - np.tile(window[:2], 2)) / np.tile(size, 2)


def compose_windows(outer_xyxy, inner_xyxy):
    """The window seen by looking through `inner` at what `outer` shows, in fractions of the image.

    Examples
    --------
    The right half of the lower half of an image:

    >>> compose_windows([0.0, 0.5, 1.0, 1.0], [0.5, 0.0, 1.0, 1.0])
    array([0.5, 0.5, 1. , 1. ])
    """
    outer, inner = np.asarray(outer_xyxy, np.float64), np.asarray(inner_xyxy, np.float64)
    return np.tile(outer[:2], 2) + inner * np.tile(outer[2:] - outer[:2], 2)


def flip_horizontal(image, gt_xyxy):
    """Mirror an image and its boxes left to right: x becomes 1 - x, and the corners change sides.

    Parameters
    ----------
    image : ndarray, (H, W, 3)
    gt_xyxy : ndarray, (G, 4)

    Returns
    -------
    image : ndarray, (H, W, 3)
        A view of the image given.
    gt_xyxy : ndarray, (G, 4)

    Examples
    --------
    >>> flip_horizontal(np.zeros((2, 2, 3)), np.array([[0.0, 0.25, 0.25, 1.0]]))[1]
    array([[0.75, 0.25, 1.  , 1.  ]])
    """
    x1, y1, x2, y2 = gt_xyxy.T
    return image[:, ::-1], np.stack([1 - x2, y1, 1 - x1, y2], axis=1)


def flip_vertical(image, gt_xyxy):
    """Mirror an image and its boxes top to bottom; see `flip_horizontal`."""
    x1, y1, x2, y2 = gt_xyxy.T
    return image[::-1], np.stack([x1, 1 - y2, x2, 1 - y1], axis=1)
