"""Checks of A3: convolution forwards and backwards, the gradient check, columns, pooling, L2 normalisation.

The numbers are small and whole, so that a student can follow them, and sums of them are exact in float32.
"""

import numpy as np

PLAIN = {"stride": 1, "padding": 0, "dilation": 1}
STRIDED, PADDED, DILATED = PLAIN | {"stride": 2}, PLAIN | {"padding": 1}, PLAIN | {"dilation": 2}
ALL_TWO = {"stride": 2, "padding": 2, "dilation": 2}


def maps(*rows):
    """One image with one channel, (1, 1, H, W)."""
    return np.array(rows, float)[None, None]


def channels(*values):
    """One image of a single place, with these channels, (1, C, 1, 1)."""
    return np.array(values, float).reshape(1, -1, 1, 1)


def whole_numbers(rng, *shape, dtype=float):
    """Random numbers from -3 to 3."""
    return rng.integers(-3, 4, shape).astype(dtype)
