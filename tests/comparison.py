"""One quantity of ours beside another implementation's: how far apart they are, and whether that will do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Largest relative error, by what the numbers were computed in; through a network float32 is rounded often.
FLOAT64, FLOAT32, NETWORK_FLOAT32, EXACT = 1e-9, 1e-5, 1e-4, None

# What the keys of the numbers call each convention.
PEERS = {
    "caffe": "caffe",
    "amdegroot": "amd",
    "torchvision": "tv",
    "lufficc": "luf",
    "sgrvinod": "sgr",
    "d2l": "d2l",
    "chainercv": "ccv",
}


@dataclass
class Comparison:
    """One quantity in some cases, as pairs (ours, theirs), and how close the two shall be."""

    quantity: str
    peer: str
    pairs: list
    tolerance: float | None = EXACT

    def __post_init__(self):
        self.pairs = [tuple(map(np.asarray, pair)) for pair in self.pairs]

    @property
    def equal(self):
        """How many of the pairs are equal in every number."""
        return sum(np.array_equal(*pair, equal_nan=pair[0].dtype.kind == "f") for pair in self.pairs)

    @property
    def error(self):
        """Largest difference of all pairs, each beside the largest number of theirs."""
        return max(map(relative_error, *zip(*self.pairs)), default=0.0)

    @property
    def holds(self):
        if self.tolerance is EXACT:
            return self.equal == len(self.pairs) > 0
        return len(self.pairs) > 0 and bool(self.error <= self.tolerance)


def pairs_of_gradient(gradient, total, absolute, squares):
    """The sum, beside the sum of absolute values; and the sum of squares."""
    return [([gradient.sum(), np.abs(gradient).sum()], [total, absolute]), ((gradient**2).sum(), squares)]


def relative_error(ours, theirs):
    """Infinite where the shapes differ, or only one of the two is NaN."""
    if ours.shape != theirs.shape or (np.isnan(ours) != np.isnan(theirs)).any():
        return np.inf
    difference = np.nan_to_num(np.abs(ours - theirs)).max(initial=0)
    return difference / np.nan_to_num(np.abs(theirs)).max(initial=0) if difference else 0.0
