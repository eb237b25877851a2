"""One picture with its objects: what every dataset gives and every augmentation takes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from minissd.errors import input_error

FARTHEST = 2.0  # a larger coordinate is in pixels: no fraction of an image, however far its objects reach out
NUMBERS = "iuf"  # kinds of dtype: integers, without a sign too, and floating point


@dataclass(frozen=True)
class Sample:
    """An image and its ground truths.

    Attributes
    ----------
    image : ndarray of uint8, (H, W, 3)
        RGB.
    gt_xyxy : ndarray of float64, (G, 4)
        Boxes as corners, fractions of width and height.
    labels : ndarray of int64, (G,)
        Class of each box, 1...C-1 (0 is the background).
    difficult : ndarray of bool, (G,)
        Marked as difficult: not counted in VOC's average precision.
    name : str
        Where the image came from, for messages.
    """

    image: np.ndarray
    gt_xyxy: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray = field(default=None)
    name: str = ""

    def __post_init__(self):
        if self.difficult is None:
            object.__setattr__(self, "difficult", np.zeros(len(self.labels), bool))


def sample_of(dataset, index):
    """Return ``dataset[index]``, if it is a sample whose boxes can be meant.

    Parameters
    ----------
    dataset : sequence of Sample
    index : int

    Returns
    -------
    Sample

    Raises
    ------
    InputError
        If it is something else; if boxes and labels are no arrays of numbers or not as many, a box is in
        pixels, has its corners in the wrong order or is no number, or a label is that of the background.

    Examples
    --------
    >>> in_pixels = Sample(np.zeros((60, 80, 3), np.uint8), np.array([[8, 12, 40, 30]]), np.array([1]))
    >>> sample_of([in_pixels], 0)
    Traceback (most recent call last):
        ...
    minissd.errors.InputError: dataset[0]: a box of gt_xyxy is in pixels (divide by width and height)
    """
    sample = dataset[index]
    if not isinstance(sample, Sample):
        raise input_error(f"dataset[{index}]", f"is a {type(sample).__name__}", "give a minissd.data.Sample")
    for problem, fix in _problems(sample.gt_xyxy, sample.labels):
        name = f" {sample.name}" if sample.name else ""
        raise input_error(f"dataset[{index}]{name}", problem, fix)
    return sample


def _problems(gt_xyxy, labels):
    """Yield what is wrong with an image's boxes and labels, and what to do."""
    if not (isinstance(gt_xyxy, np.ndarray) and isinstance(labels, np.ndarray)):
        yield f"gt_xyxy is a {type(gt_xyxy).__name__}, labels a {type(labels).__name__}", "give NumPy arrays"
    elif gt_xyxy.dtype.kind not in NUMBERS or labels.dtype.kind not in NUMBERS:
        yield f"gt_xyxy holds {gt_xyxy.dtype}, labels {labels.dtype}", "give numbers"
    elif labels.ndim != 1:
        yield f"labels has shape {labels.shape}", "give one number for each box"
    elif gt_xyxy.shape != (len(labels), 4):
        fix = f"give a row of 4 for each label: shape ({len(labels)}, 4)"
        yield f"gt_xyxy has shape {gt_xyxy.shape} for {len(labels)} labels", fix
    elif len(labels):
        if not np.isfinite(gt_xyxy).all():
            yield "a box of gt_xyxy is no number", "remove or correct it"
        if np.abs(gt_xyxy).max() > FARTHEST:
            yield "a box of gt_xyxy is in pixels", "divide by width and height"
        if (gt_xyxy[:, 2:] < gt_xyxy[:, :2]).any():
            yield "a box of gt_xyxy has its corners in the wrong order", "give x1, y1, x2, y2"
        if labels.min() < 1:
            yield "a label is below 1", "0 is the background, so number the classes from 1"
