"""Predictions and targets for the loss."""

import numpy as np


def random_batch(rng, num_images=2, num_priors=12, num_classes=4):
    """Predictions and targets with 2, 3, ... positives; differences on both sides of 1, none near it."""
    loc = rng.normal(size=(num_images, num_priors, 4)) * 2
    conf = rng.normal(size=(num_images, num_priors, num_classes)) * 2
    loc_target = loc - rng.choice([-3, -0.6, 0.3, 0.8, 2.5], loc.shape)
    conf_target = np.zeros((num_images, num_priors), dtype=np.int64)
    for n in range(num_images):
        conf_target[n, rng.choice(num_priors, 2 + n, replace=False)] = rng.integers(1, num_classes, 2 + n)
    return loc, conf, loc_target, conf_target
