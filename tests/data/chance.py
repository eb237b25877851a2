"""Whether what was drawn is what chance makes of the probabilities and ranges it was drawn with."""

import math

import numpy as np


def share_is(observed, probability, count):
    """Whether a share of so many draws is within 4.5 standard deviations of its probability."""
    return abs(observed - probability) < 4.5 * math.sqrt(probability * (1 - probability) / count)


def is_uniform(values, low, high):
    """Whether all values lie within the bounds, come near both, and have the deciles of a uniform spread."""
    values = np.sort((np.asarray(values) - low) / (high - low))
    steps = (np.arange(len(values)) + 0.5) / len(values)
    within = values[0] > -1e-5 and values[-1] < 1 + 1e-5  # float32 pixels
    return within and np.abs(values - steps).max() < 2.0 / math.sqrt(len(values))  # Kolmogorov's test, 0.1 %
