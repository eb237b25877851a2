"""One picture with its objects: what every dataset gives and every augmentation takes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


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
