"""SSD's augmentation, put together from geometry, resampling and colour.

An augmentation is any callable ``(sample, rng) -> Sample``. To add one, write a function; it must take all
its chance from `rng` and leave the sample it was given as it was::

    def grey(sample, rng):
        pixels = sample.image.mean(axis=2, keepdims=True).astype(np.uint8)
        return replace(sample, image=pixels.repeat(3, axis=2))

    augmentation = Chain(grey, SSDAugmentation(config))

To add a way of cropping, add a `Sampler` to the `samplers` of `SSDAugmentation`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from minissd.config import SSDConfig
from minissd.data.geometry import (
    CAFFE_SAMPLERS,
    WHOLE_IMAGE,
    Sampler,
    boxes_in_window,
    compose_windows,
    crop_window,
    expand_window,
    flip_horizontal,
    flip_vertical,
)
from minissd.data.photometric import Photometric
from minissd.data.resample import TAPS, resample_window, resize, to_uint8


@dataclass(frozen=True)
class SSDAugmentation:
    """The augmentation with which SSD was trained (paper, sections 2.2 and 3.6; Caffe's order).

    Colours are distorted; the image is expanded; a crop is drawn; what it shows is warped to the network's
    size by a random interpolation; it is mirrored. Here the geometry is decided first, the window is
    resampled once, and only its S x S pixels change colour, which comes to the same and costs far less.

    Attributes
    ----------
    config : SSDConfig
        Its ``image_size`` is the size of the result, its ``mean_rgb`` fills what lies beyond the image.
    photometric : Photometric or None
        Changes of colour; None for none. True and False mean the default and none.
    expand_probability, max_expand : float
        How often an image is expanded, and to how many times its side at most.
    samplers : tuple of Sampler
        The ways to crop.
    flip_probability, vertical_flip_probability : float
    interpolations : tuple of str
        One is drawn for each image; names of `minissd.data.resample.TAPS`.

    Examples
    --------
    >>> from minissd.config import TINY
    >>> from minissd.data.sample import Sample
    >>> sample = Sample(np.zeros((48, 64, 3), np.uint8), np.array([[0.2, 0.2, 0.8, 0.8]]), np.array([1]))
    >>> SSDAugmentation(TINY)(sample, np.random.default_rng(0)).image.shape
    (256, 256, 3)
    """

    config: SSDConfig
    photometric: Photometric | bool | None = True
    expand_probability: float = 0.5
    max_expand: float = 4.0
    samplers: tuple[Sampler, ...] = CAFFE_SAMPLERS
    flip_probability: float = 0.5
    vertical_flip_probability: float = 0.0
    interpolations: tuple[str, ...] = tuple(TAPS)

    def __call__(self, sample, rng):
        """Return an augmented copy of `sample`, of size S x S, with the objects that it still shows."""
        window = self.draw_window(sample.gt_xyxy, rng)
        gt_xyxy, kept = boxes_in_window(sample.gt_xyxy, window)
        image = self._render(sample.image, window, rng)
        if rng.random() < self.flip_probability:
            image, gt_xyxy = flip_horizontal(image, gt_xyxy)
        if rng.random() < self.vertical_flip_probability:
            image, gt_xyxy = flip_vertical(image, gt_xyxy)
        return replace(
            sample,
            image=_contiguous(image),
            gt_xyxy=gt_xyxy,
            labels=sample.labels[kept],
            difficult=sample.difficult[kept],
        )

    def draw_window(self, gt_xyxy, rng):
        """Expand, then crop what the expanded image shows: one window in fractions of the image, (4,)."""
        window = np.array(WHOLE_IMAGE)
        if rng.random() < self.expand_probability:
            window = expand_window(rng, self.max_expand)
        shown_xyxy, _ = boxes_in_window(gt_xyxy, window)
        return compose_windows(window, crop_window(shown_xyxy, rng, self.samplers))

    def _render(self, image, window, rng):
        side = self.config.image_size
        interpolation = self.interpolations[rng.integers(len(self.interpolations))]
        pixels, rows, columns = resample_window(image, window, side, side, interpolation)
        if self.photometric:
            distort = Photometric() if self.photometric is True else self.photometric
            pixels = distort(pixels.clip(0, 255), rng)
        canvas = np.empty((side, side, 3), np.uint8)
        canvas[:] = np.tile(to_uint8(np.array(self.config.mean_rgb)), (side, 1))
        canvas[rows, columns] = to_uint8(pixels)
        return canvas


def _contiguous(image):
    """`numpy.ascontiguousarray`; several times as fast for mirrored colour, whose runs are 3 numbers long."""
    return image if image.flags.c_contiguous else np.stack(np.moveaxis(image, -1, 0), axis=-1)


def mild(config):
    """A gentle augmentation for small sets of images that have no up or down, such as blood cells.

    Flips both ways, crops that keep most of the picture, little expansion, small changes of colour (colour
    tells one cell from another, so it must survive).

    Parameters
    ----------
    config : SSDConfig

    Returns
    -------
    SSDAugmentation
    """
    gentle = {"scale": (0.6, 1.0), "aspect": (0.75, 1.33)}
    return SSDAugmentation(
        config,
        photometric=Photometric(brightness=16, contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue_degrees=8),
        expand_probability=0.25,
        max_expand=1.5,
        samplers=(CAFFE_SAMPLERS[0], Sampler(**gentle)),
        vertical_flip_probability=0.5,
    )


@dataclass(frozen=True)
class Resize:
    """No augmentation: the whole image, warped to the network's size; for evaluation.

    Attributes
    ----------
    config : SSDConfig
        Its ``image_size`` is the size of the result.
    """

    config: SSDConfig

    def __call__(self, sample, rng=None):
        """Return a copy of `sample` of size S x S; its boxes are fractions and stay as they are."""
        side = self.config.image_size
        return replace(sample, image=resize(sample.image, side, side))


class Chain:
    """Augmentations one after the other, as one.

    Parameters
    ----------
    *steps : callable
        Each ``(sample, rng) -> Sample``.
    """

    def __init__(self, *steps):
        self.steps = steps

    def __call__(self, sample, rng):
        """Return the sample after all steps."""
        for step in self.steps:
            sample = step(sample, rng)
        return sample
