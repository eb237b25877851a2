"""Drawn scenes: an endless, exactly labelled data set that needs no download."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from minissd.data.resample import to_uint8
from minissd.data.sample import Sample
from minissd.data.shapes import SHAPES, shape_mask
from minissd.data.textures import PALETTES, background, contrasting_color, fill
from minissd.errors import input_error

DEFAULT_CLASSES = ("circle", "square", "triangle", "star", "ring", "cross")


@dataclass(frozen=True)
class _Object:
    label: int
    mask: np.ndarray  # (h, w)
    left: int
    top: int

    @property
    def box_px(self):
        height, width = self.mask.shape
        return (self.left, self.top, self.left + width, self.top + height)


class DrawnScenes(Sequence):
    """Pictures of shapes on restless backgrounds, drawn when they are asked for.

    Scene i depends on the seed, on i and on the settings, and on nothing else: not on the order in which
    scenes are asked for, nor on threads or processes. Data sets with different seeds share no scene, so
    one seed can serve for training and another for testing.

    Boxes are exact. A box is the tight box of all pixels that the object covers by at least a third,
    before later objects are drawn over it: x1, y1 the left and upper edge of the first such pixel, x2, y2
    the right and lower edge of the last. Shadows do not count.

    Parameters
    ----------
    length : int
        Number of scenes.
    image_size : int
        Side of the square pictures; sizes of objects follow it.
    seed : int
    class_names : sequence of str
        Which shapes, in the order of their labels; keys of `minissd.data.shapes.SHAPES`.
    max_objects : int
        A scene has 1...max_objects objects, fewer where they find no room.
    object_sizes : tuple of float
        Range of the longer side of an object as a fraction of the picture.
    max_overlap : float
        How much of the smaller of two boxes the other may cover.
    clutter : float
        Amount of marks in the background that are no objects; 0 for none.

    Raises
    ------
    InputError
        If a class name is not known or a number is out of its range.

    Examples
    --------
    >>> scenes = DrawnScenes(length=10, seed=7)
    >>> scenes[3].image.shape, len(scenes)
    ((256, 256, 3), 10)
    >>> bool((scenes[3].image == DrawnScenes(length=10, seed=7)[3].image).all())
    True
    """

    def __init__(
        self,
        length=1000,
        image_size=256,
        seed=0,
        class_names=DEFAULT_CLASSES,
        max_objects=5,
        object_sizes=(0.08, 0.58),
        max_overlap=0.2,
        clutter=1.0,
    ):
        self.length, self.image_size, self.seed = length, image_size, seed
        self.class_names = tuple(class_names)
        self.max_objects, self.object_sizes = max_objects, tuple(object_sizes)
        self.max_overlap, self.clutter = max_overlap, clutter
        self._check()

    def _check(self):
        for name in self.class_names:
            if name not in SHAPES:
                known = ", ".join(SHAPES)
                raise input_error("class_names", f"{name!r} cannot be drawn", f"use some of {known}")
        if not self.class_names or len(set(self.class_names)) < len(self.class_names):
            raise input_error("class_names", "is empty or has a name twice", "name each class once")
        smallest, largest = self.object_sizes
        rules = (
            ("length", self.length >= 0, "0 or more"),
            ("image_size", self.image_size >= 32, "32 or more"),
            ("seed", self.seed >= 0, "0 or more"),
            ("max_objects", self.max_objects >= 1, "1 or more"),
            ("object_sizes", 0 < smallest <= largest <= 0.9, "two growing fractions up to 0.9"),
            ("max_overlap", 0 <= self.max_overlap <= 1, "a number from 0 to 1"),
            ("clutter", self.clutter >= 0, "0 or more"),
        )
        for name, holds, rule in rules:
            if not holds:
                raise input_error(name, f"is {getattr(self, name)}", f"give {rule}")

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        """Draw scene `index`; a negative index counts from the end."""
        index = operator.index(index)
        if not -self.length <= index < self.length:
            raise IndexError(f"scene {index} of {self.length}")
        index %= self.length
        rng = np.random.default_rng([self.seed, index])
        palette = PALETTES[rng.integers(len(PALETTES))]
        canvas = background(self.image_size, palette, rng, self.clutter)
        objects = self._place_objects(rng)
        for obj in objects:
            _paint(canvas, obj, palette, rng)
        return Sample(
            image=np.stack(np.moveaxis(to_uint8(canvas), -1, 0), axis=-1),  # pixel after pixel
            gt_xyxy=np.array([obj.box_px for obj in objects], np.float64).reshape(-1, 4) / self.image_size,
            labels=np.array([obj.label for obj in objects], np.int64),
            name=f"scene {index} of seed {self.seed}",
        )

    def _place_objects(self, rng, trials=12):
        """Choose classes, sizes and places; large objects first, so that small ones lie on top."""
        count = int(rng.integers(1, self.max_objects + 1))
        smallest, largest = np.log(self.object_sizes)
        sides = np.sort(np.exp(rng.uniform(smallest, largest, size=count)))[::-1] * self.image_size
        placed = []
        for side in sides:
            label = int(rng.integers(len(self.class_names))) + 1
            name = self.class_names[label - 1]
            turn = SHAPES[name][1]
            mask = shape_mask(name, side, rng.uniform(-turn, turn))
            room = self.image_size - np.array(mask.shape)
            places = rng.integers(0, room + 1, size=(trials, 2))
            tries = (_Object(label, mask, int(left), int(top)) for top, left in places)
            fitting = next((obj for obj in tries if self._has_room(obj, placed)), None)
            if fitting is not None:
                placed.append(fitting)
        return placed

    def _has_room(self, new, placed):
        return all(_covered_share(new.box_px, old.box_px) <= self.max_overlap for old in placed)


def _covered_share(a_px, b_px):
    """The intersection of two boxes over the area of the smaller one."""
    width = min(a_px[2], b_px[2]) - max(a_px[0], b_px[0])
    height = min(a_px[3], b_px[3]) - max(a_px[1], b_px[1])
    areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (a_px, b_px)]
    return max(width, 0) * max(height, 0) / min(areas)


def _paint(canvas, obj, palette, rng):
    height, width = obj.mask.shape
    region = canvas[obj.top : obj.top + height, obj.left : obj.left + width]
    color = contrasting_color(palette, region.mean(axis=(0, 1)), rng)
    if rng.random() < 0.6:
        _paint_shadow(canvas, obj)
    alpha = obj.mask[..., None]
    region += alpha * (fill(height, width, color, rng) - region)


def _paint_shadow(canvas, obj, darkness=0.3):
    """Darken a blurred copy of the object's mask, a little to the lower right."""
    blur = max(1, round(max(obj.mask.shape) * 0.04))
    padded = (np.pad(obj.mask, 2 * blur) * 255).astype(np.uint8)
    soft = Image.fromarray(padded).filter(ImageFilter.BoxBlur(blur))
    top, left = obj.top - blur, obj.left - blur  # -2 blur for the padding, +blur for the shadow's offset
    rows, columns = soft.height, soft.width
    y1, x1 = max(0, top), max(0, left)
    y2, x2 = min(len(canvas), top + rows), min(len(canvas), left + columns)
    shade = np.asarray(soft, np.float32)[y1 - top : y2 - top, x1 - left : x2 - left, None]
    canvas[y1:y2, x1:x2] *= 1 - shade * np.float32(darkness / 255)
