"""What a data set knows of its images without decoding them, and how it reports what is wrong with them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minissd.data.image import image_size, read_image
from minissd.data.sample import Sample
from minissd.errors import input_error


class AnnotationWarning(UserWarning):
    """A data set has annotations that cannot be meant as they are; its text counts them."""


@dataclass(frozen=True)
class Annotation:
    """What is known of one image without decoding it.

    Attributes
    ----------
    gt_xyxy : ndarray of float64, (G, 4)
        Fractions of the image.
    labels : ndarray of int64, (G,)
    difficult : ndarray of bool, (G,)
    width, height : int
        Of the image, in pixels, as annotated.
    upright : bool
        Whether the boxes were drawn on the image turned as its camera asks, or on the stored pixels.
    """

    gt_xyxy: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray
    width: int
    height: int
    upright: bool = True


class AnnotatedImages(Sequence):
    """A data set whose annotations are all in memory; item i is a `Sample`.

    Formats derive from it and fill in the attributes.

    Attributes
    ----------
    names : list of str
        One per image.
    class_names : tuple of str
        Without the background; label = position + 1.
    annotations : list of Annotation
    """

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        """Return the image and its objects as a `Sample`."""
        annotation = self.annotations[index]
        return Sample(
            image=read_image(self.image_path(index), annotation.upright),
            gt_xyxy=annotation.gt_xyxy.copy(),
            labels=annotation.labels.copy(),
            difficult=annotation.difficult.copy(),
            name=self.names[index],
        )

    def annotation(self, index):
        """Return the `Annotation` of image `index` without decoding the image."""
        return self.annotations[index]

    def image_path(self, index):
        """Return the path of image `index`."""
        raise NotImplementedError

    @property
    def image_sizes(self):
        """Width and height of all images in pixels."""
        return [(annotation.width, annotation.height) for annotation in self.annotations]


def number_classes(class_names, path, problem, fix):
    """Return the label of each class; raise `InputError` where there is none, or one is there twice.

    Examples
    --------
    >>> number_classes(["cat", "dog"], "pets", "has no classes", "name some")
    {'cat': 1, 'dog': 2}
    """
    if not class_names:
        raise input_error(path, problem, fix)
    twice = [name for name, count in Counter(class_names).items() if count > 1]
    if twice:
        raise input_error("class_names", f"{twice[0]!r} is there twice", "name every class once")
    return {name: i for i, name in enumerate(class_names, start=1)}


def image_form(annotated, path, image_path, faults):
    """Decide on the size of an image, and on whether its boxes were drawn on the upright one.

    Parameters
    ----------
    annotated : (int, int)
        Width and height as annotated; 0 where they are not.
    path, image_path : Path
        Of the annotation and of the image.
    faults : Faults
        Told if the image has neither this size nor, turned, this one.

    Returns
    -------
    width, height : int
    upright : bool
    """
    real = image_size(image_path)
    if 0 in annotated:
        return *real, True
    if annotated == real:
        return *annotated, True
    if annotated == image_size(image_path, upright=False):
        return *annotated, False
    faults.add(
        path,
        "image size differs from its annotation",
        f"{annotated[0]} x {annotated[1]} annotated, {image_path.name} has {real[0]} x {real[1]}",
    )
    return *annotated, True


class Faults:
    """Counts what is wrong with a data set, to say it once; or, if strict, refuses the first fault."""

    def __init__(self, where, strict):
        self.where, self.strict = where, strict
        self.counts, self.first = Counter(), None

    def add(self, path, kind, detail):
        if self.strict:
            raise input_error(path, f"{kind}: {detail}", "mend it, or do without strict")
        self.counts[kind] += 1
        self.first = self.first or f"{path.name}, {detail}"

    def warn(self):
        if self.counts:
            kinds = ", ".join(f"{kind}: {count}" for kind, count in sorted(self.counts.items()))
            text = f"{self.where}: faulty annotations ({kinds}); the first is {self.first}. "
            text += "Such boxes are left out; where the size differs, the annotated one counts."
            warnings.warn(text, AnnotationWarning, stacklevel=3)
