"""Greedy suppression: each box against the kept ones, sixteen at a time.

The definition is `minissd.nms.suppress_one_by_one`; the results here are the same. Boxes come best first, so
what decides on a box is the first kept box that overlaps it too much. The kept boxes stand on a *shelf*:
their left edges side by side, then their upper edges and so on, so that sixteen are loaded at once.

The comparison does without a division. With I the intersection and A, B the areas,

    I / (A + B - I) > t    where    (1 + t) I > t A + t B

and the right side adds up a number of each box alone, its *bar*. It is compared in float32, with bars lowered
by more than any rounding: it may say "perhaps" too often but never misses. The few perhapses are looked at
once more in float64, by the definition.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from minissd import compilation
from minissd.nn.fast.lanes import first_bits, greater, lowest_bit, without_lowest
from minissd.nn.fast.simd import LANES, broadcast, load, maximum, memory, where_greater

KEPT = -1  # as in `minissd.nms`
X1, Y1, X2, Y2, BAR = range(5)  # rows of a shelf
ROWS = 5
ROUNDING = 2.0**-20  # sixteen times float32's

# Division by zero gives NaN, as in NumPy, and no exception.
compiled = compilation.compiled(error_model="numpy")
inlined = njit(nogil=True, forceinline=True, error_model="numpy")


class Shelves(NamedTuple):
    """Boxes, and shelves of some of them.

    Attributes
    ----------
    boxes_xyxy : ndarray of float64, (B, 4)
    kept : ndarray of int64, (shelves, capacity)
        Which of the boxes stands in each place.
    counts : ndarray of int64, (shelves,)
        Places that are taken.
    numbers : ndarray of float32, (shelves, 5, capacity)
        ``x1, y1, x2, y2, bar`` of the boxes in these places.
    """

    boxes_xyxy: np.ndarray
    kept: np.ndarray
    counts: np.ndarray
    numbers: np.ndarray


def number_to_exceed(threshold, inclusive):
    """The threshold itself or, for whoever may also equal it, the number before it in the same dtype.

    Before 0 it is the first normal number, because a GPU may take those between for 0.
    """
    if not inclusive:
        return threshold
    if threshold == 0:
        return -np.finfo(threshold.dtype).tiny
    return np.nextafter(threshold, threshold.dtype.type(-np.inf))


@compiled
def suppress(boxes_xyxy, order, iou_threshold, suppressor):
    """See `minissd.nms.suppress_one_by_one`, the readable twin."""
    shelves = empty_shelves(boxes_xyxy, 1, len(order))
    for box in order:
        suppressor[box] = keep_or_name_suppressor(shelves, 0, box, iou_threshold)


@inlined
def empty_shelves(boxes_xyxy, count, capacity):
    """Shelves of so many places each, rounded up to whole vectors."""
    capacity = (capacity + LANES - 1) // LANES * LANES
    kept, counts = np.empty((count, capacity), np.int64), np.zeros(count, np.int64)
    return Shelves(boxes_xyxy, kept, counts, np.empty((count, ROWS, capacity), np.float32))


@inlined
def keep_or_name_suppressor(shelves, shelf, box, iou_threshold):
    """Put one of the boxes on a shelf and return -1; or return which box there suppresses it."""
    boxes_xyxy, kept, counts, numbers = shelves
    bar = bar_of(boxes_xyxy, box, iou_threshold)
    place = first_overlap(shelves, shelf, box, bar, iou_threshold)
    if place >= 0:
        return kept[shelf, place]
    place = counts[shelf]
    for edge in range(BAR):
        numbers[shelf, edge, place] = boxes_xyxy[box, edge]
    numbers[shelf, BAR, place] = bar
    kept[shelf, place] = box
    counts[shelf] += 1
    return KEPT


@inlined
def first_overlap(shelves, shelf, box, bar, iou_threshold):
    """The first place on a shelf whose box has an IoU with `box` over the threshold; -1 if none has."""
    boxes_xyxy, kept, counts, numbers = shelves
    x1, y1 = broadcast(boxes_xyxy[box, X1]), broadcast(boxes_xyxy[box, Y1])
    x2, y2 = broadcast(boxes_xyxy[box, X2]), broadcast(boxes_xyxy[box, Y2])
    own_bar, factor, zero = broadcast(bar), broadcast(1 + iou_threshold), broadcast(0)
    edges, row, count = memory(numbers), kept.shape[1], counts[shelf]
    for start in range(0, count, LANES):
        at = shelf * ROWS * row + start
        width = _minimum(load(edges, at + X2 * row), x2) - maximum(load(edges, at + X1 * row), x1)
        height = _minimum(load(edges, at + Y2 * row), y2) - maximum(load(edges, at + Y1 * row), y1)
        intersection = maximum(width, zero) * maximum(height, zero)
        bars = load(edges, at + BAR * row) + own_bar
        perhaps = ~greater(bars, factor * intersection) & first_bits(count - start)  # NaN is a perhaps too
        while perhaps:
            place = start + lowest_bit(perhaps)
            if iou_of_rows(boxes_xyxy, kept[shelf, place], box) > iou_threshold:
                return place
            perhaps = without_lowest(perhaps)
    return -1


@inlined
def bar_of(boxes_xyxy, box, iou_threshold):
    """A box's share of what an intersection must reach, less all that float32 may round.

    Edges are rounded in proportion to their distance from 0, areas in proportion to themselves.
    """
    x1, y1, x2, y2 = boxes_xyxy[box]
    width, height = max(x2 - x1, 0.0), max(y2 - y1, 0.0)
    distance = abs(x1) + abs(y1) + abs(x2) + abs(y2)
    rounded = distance * (width + height) + width * height + ROUNDING * distance * distance
    return iou_threshold * width * height - ROUNDING * (1 + abs(iou_threshold)) * rounded


@inlined
def iou_of_rows(boxes_xyxy, a, b):
    """IoU of two of the boxes, as in `minissd.nms.iou_of_pair`."""
    width = min(boxes_xyxy[a, X2], boxes_xyxy[b, X2]) - max(boxes_xyxy[a, X1], boxes_xyxy[b, X1])
    height = min(boxes_xyxy[a, Y2], boxes_xyxy[b, Y2]) - max(boxes_xyxy[a, Y1], boxes_xyxy[b, Y1])
    if width <= 0 or height <= 0:
        return 0.0
    intersection = width * height
    area_a = (boxes_xyxy[a, X2] - boxes_xyxy[a, X1]) * (boxes_xyxy[a, Y2] - boxes_xyxy[a, Y1])
    area_b = (boxes_xyxy[b, X2] - boxes_xyxy[b, X1]) * (boxes_xyxy[b, Y2] - boxes_xyxy[b, Y1])
    return intersection / (area_a + area_b - intersection)


@inlined
def _minimum(value, high):
    """The smaller of each pair; where `value` is NaN, NaN."""
    return where_greater(value, high, high, value)
