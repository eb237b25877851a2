"""Checks of A1: boxes, default boxes, offsets and matching; and what several of them ask about."""

import numpy as np


def random_boxes(rng, *shape, smallest=0.05):
    """Boxes as corners, somewhere in the image, none empty."""
    upper_left = rng.uniform(0, 0.7, (*shape, 2))
    size = rng.uniform(smallest, 0.3, (*shape, 2))
    return np.concatenate([upper_left, upper_left + size], axis=-1)
