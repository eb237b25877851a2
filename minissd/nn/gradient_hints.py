"""What a wrong gradient looks like: from two arrays to one sentence for whoever wrote the backward pass."""

from __future__ import annotations

import numpy as np

NEARLY = 1e-4  # two gradients that differ by less of their largest entry count as the same, at the most


def find_hint(analytic, numeric, counts=None):
    """Say in one sentence what a wrong gradient looks like.

    Parameters
    ----------
    analytic, numeric : ndarray
        What backward says and what the differences say; of one shape, finite.
    counts : dict of str to int, optional
        Numbers that a gradient may have been divided by or multiplied with, as ``{"images": 4}``.

    Examples
    --------
    >>> right = np.array([1.0, -2.0, 3.0])
    >>> find_hint(-right, right)
    'All signs are flipped.'
    >>> find_hint(right / 4, right, {"images": 4})
    'It is 1/4 of the right one, and there are 4 images: averaged where it should be summed?'
    """
    if not analytic.any():
        return "It is all zero: was it never filled, or overwritten?"
    if np.abs(numeric).max() < NEARLY**2 * np.abs(analytic).max():  # rounding, no more
        return "The differences are all zero: does the forward pass use this array at all?"
    # A pattern explains the mistake if it leaves a tenth of it, or less.
    tolerance = min(NEARLY, relative_error(analytic, numeric) / 10)
    ratio = float((analytic * numeric).sum() / (numeric * numeric).sum())
    if ratio and nearly(analytic, ratio * numeric, tolerance):
        return hint_from_ratio(ratio, counts or {})
    return hint_from_order(analytic, numeric, tolerance) or hint_from_places(analytic, numeric, tolerance)


def hint_from_ratio(ratio, counts):
    """The hint for a gradient that is `ratio` times the right one in every entry."""
    hints = {-1.0: ["All signs are flipped."]}
    hints[2.0] = ["It is twice the right one: a factor of 2 too many, or added up over two calls?"]
    hints[0.5] = ["It is half the right one: is a factor of 2, as from a square, missing?"]
    for what, count in counts.items():
        if count > 1:
            hints.setdefault(1 / count, []).append(
                f"It is 1/{count} of the right one, and there are {count} {what}: "
                "averaged where it should be summed?"
            )
            hints.setdefault(float(count), []).append(
                f"It is {count} times the right one, and there are {count} {what}: "
                "summed where it should be averaged, or added once too often for each?"
            )
    fitting = [h for factor, found in hints.items() if abs(ratio / factor - 1) < NEARLY for h in found]
    return " ".join(fitting) or f"It is {ratio:.8g} times the right one in every entry: a constant factor."


def hint_from_order(analytic, numeric, tolerance):
    """The hint for the right values in the wrong places, or None."""
    flipped = (
        ((-1, -2), "The kernel is rotated by 180 degrees: both of its axes are flipped."),
        ((-2,), "Its rows are upside down."),
        ((-1,), "Its columns are mirrored."),
    )
    swapped = (
        ((-1, -2), "It is transposed: rows and columns are exchanged."),
        ((0, 1), "Its first two axes are exchanged (of a kernel: output and input channels)."),
    )
    if analytic.ndim < 2:
        return "Its entries are in reversed order." if nearly(analytic[::-1], numeric, tolerance) else None
    for axes, hint in flipped:
        if nearly(np.flip(analytic, axes), numeric, tolerance):
            return hint
    for axes, hint in swapped:
        if nearly(analytic.swapaxes(*axes), numeric, tolerance):
            return hint
    return None


def hint_from_places(analytic, numeric, tolerance):
    """The hint that tells which entries are wrong."""
    limit = tolerance * max(np.abs(analytic).max(), np.abs(numeric).max())
    wrong = np.abs(analytic - numeric) > limit
    count = f"{int(wrong.sum())} of {wrong.size} entries are wrong"
    if not analytic[wrong].any():
        return f"{count}, and all of these are 0: they were left out. Does a loop or slice end too early?"
    if (np.abs(numeric[wrong]) <= limit).all():
        return f"{count}, and all of these should be 0: is a mask (x > 0, the winner's place) missing?"
    if analytic.ndim == 4 and min(analytic.shape[2:]) > 2:
        inner = np.s_[..., 1:-1, 1:-1]
        if not wrong[inner].any() and np.abs(numeric[inner]).max() > limit:
            return f"{count}, all of them at the border of the map: look at the padding."
    for axis, size in enumerate(wrong.shape):
        others = tuple(a for a in range(wrong.ndim) if a != axis)
        bad = np.flatnonzero(wrong.any(axis=others))
        if 0 < len(bad) < size:
            return f"{count}, all of them at {_some(bad)} along axis {axis}."
    return f"{count}, with no pattern known here: check the formula on an input of two or three values."


def hint_from_shape(analytic_shape, shape):
    """The hint for a gradient of the wrong shape."""
    if sorted(analytic_shape) == sorted(shape):
        return "Axes are exchanged: transpose it."
    if len(analytic_shape) > len(shape):
        return "Sum over the axes along which the array was repeated (broadcast) in the forward pass."
    if int(np.prod(analytic_shape)) == int(np.prod(shape)):
        return "The number of entries is right: reshape it."
    return "Was it summed over an axis too many, or over a wrong one?"


def relative_error(a, b, floor=0.0):
    """Largest difference of two arrays over their largest magnitude.

    Parameters
    ----------
    a, b : array_like
        Of one shape.
    floor : float
        Taken for the magnitude where it is larger; lets two arrays of rounding errors count as equal.

    Returns
    -------
    float
        0 where both are all zero, 2 at most.

    Examples
    --------
    >>> relative_error([1.0, 100.0], [2.0, 100.0])
    0.01
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    size = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0), floor)
    return float(np.abs(a - b).max(initial=0) / size) if size else 0.0


def nearly(a, b, tolerance):
    """Whether two arrays have one shape and, to the tolerance, the same values."""
    return a.shape == b.shape and relative_error(a, b) < tolerance


def _some(numbers, most=5):
    listed = ", ".join(str(int(n)) for n in numbers[:most])
    return f"index {listed}" + (", ..." if len(numbers) > most else "")
