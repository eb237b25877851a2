"""Matching on two maps, as in the paper's figure 1: a cat on the fine map, a dog on the coarse one."""

from __future__ import annotations

from minissd.config import SSDConfig
from minissd.data.pets import PET_CLASSES, paint_pets
from minissd.viz.map_matches import draw_map_matches

TWO_MAPS = SSDConfig(
    name="two maps",
    base="vgg16",
    num_classes=3,
    image_size=400,
    feature_maps=(8, 4),
    steps=(50, 100),
    min_sizes=(80, 220),
    max_sizes=(220, 330),
    aspect_ratios=((2,), (2,)),
)


def draw():
    """Draw the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    pets = paint_pets()
    return draw_map_matches(pets.image, pets.gt_xyxy, pets.labels, TWO_MAPS, PET_CLASSES)
