"""The smallest network with all its parts."""

import dataclasses

from minissd.config import TINY

TWO_MAPS = dataclasses.replace(  # TINY cut to 32 pixels and two maps: small enough for central differences
    TINY,
    name="two-maps",
    num_classes=3,
    image_size=32,
    feature_maps=(4, 2),
    steps=(8, 16),
    min_sizes=(8, 16),
    max_sizes=(16, 24),
    aspect_ratios=((2,), ()),
)
