"""Checks of A4: suppression, detection, average precision; and what several of them ask about."""

import numpy as np


def strips(*starts, length=10.0):
    """Boxes of one length in a row; two of them d apart have an IoU of (length - d) / (length + d)."""
    return np.array([[start, 0.0, start + length, 1.0] for start in starts])


def crowd(rng, count, classes=1):
    """Boxes that overlap a good deal, and probabilities of so many classes of objects and the background."""
    corner, size = rng.uniform(0, 0.6, (count, 2)), rng.uniform(0.1, 0.4, (count, 2))
    logits = rng.normal(size=(count, classes + 1)) * 2
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.concatenate([corner, corner + size], axis=1), probability


def same_fields(answer, expected, names):
    """Demand the same of each field; the first that differs is the one that a student is told about."""
    for name in names:
        answer[name].is_close(getattr(expected, name))
