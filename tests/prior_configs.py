"""Configurations whose default boxes, or the sizes of these, others have published."""

import dataclasses

import numpy as np
import pytest

from minissd.config import SSD300_COCO, SSD300_VOC, SSD512_COCO, SSD512_VOC, TINY, SSDConfig
from minissd.priors import cell_centers

# A map of 10 x 10 cells on an image of 100 pixels; min 4, max 9: sqrt(4 * 9) = 6 without rounding.
SMALL = SSDConfig(
    name="small",
    base="tiny",
    num_classes=2,
    image_size=100,
    feature_maps=(10,),
    steps=(10,),
    min_sizes=(4,),
    max_sizes=(9,),
    aspect_ratios=((2,),),
)

# sgrvinod's: scales .1, .2, .375, .55, .725, .9, and a last large square of the whole image, sqrt(.9 / .9).
SGRVINOD = dataclasses.replace(
    cell_centers(SSD300_VOC),
    min_sizes=(30, 60, 112.5, 165, 217.5, 270),
    max_sizes=(60, 112.5, 165, 217.5, 270, 300 / 0.9),
    aspect_ratios=((2, 0.5), *((2, 3, 0.5, 0.333),) * 3, (2, 0.5), (2, 0.5)),
    flip=False,
    clip="center_size",
)

# The TinySSD of Dive into Deep Learning gives both squares of a map: sqrt(min * max) is the larger one.
SQUARES = np.array([[0.2, 0.272], [0.37, 0.447], [0.54, 0.619], [0.71, 0.79], [0.88, 0.961]]) * 256
DIVE_INTO_DEEP_LEARNING = dataclasses.replace(
    TINY,
    feature_maps=(32, 16, 8, 4, 1),
    steps=(8, 16, 32, 64, 256),
    min_sizes=tuple(SQUARES[:, 0]),
    max_sizes=tuple(SQUARES[:, 1] ** 2 / SQUARES[:, 0]),
    aspect_ratios=((2,),) * 5,
)

# Smallest, largest and first scale in percent, from the paper's sections 3.1 and 3.4, footnotes 3 and 5.
with_percents_of_the_paper = pytest.mark.parametrize(
    ("config", "percents"),
    [
        (SSD300_VOC, (20, 90, 10)),
        (SSD300_COCO, (15, 90, 7)),
        (SSD512_VOC, (15, 90, 7)),
        (SSD512_COCO, (10, 90, 4)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
