"""The candidates for detections, best first, without sorting more of them than are needed.

The scores of a sample tell roughly where the best few hundred end. These are collected and sorted; only if
they do not suffice, a longer piece of the queue follows.
"""

from __future__ import annotations

import numpy as np

from minissd.compilation import inlined
from minissd.nn.fast.lanes import greater, lowest_bit, sum_lanes, without_lowest
from minissd.nn.fast.simd import LANES, broadcast, load, memory, where_greater

SAMPLE_STEP = 8  # of so many vectors of scores one is looked at
GUESSES = 24
DIGIT = 8  # bits by which keys are sorted at once
PLACE_BITS = 32
PLACE = (1 << PLACE_BITS) - 1
INFINITY_BITS = 0x7F800000  # of float32


@inlined
def guess_cutoff(scores, score_threshold, upper, wanted):
    """A score below `upper` with roughly `wanted` scores, up to four times as many, between the two.

    Counted in a sample, so it is a guess; `score_threshold` where few are left.
    """
    low, high = score_threshold, min(upper, np.float32(1))
    if count_sample(scores, low, upper) * SAMPLE_STEP <= wanted:
        return low
    for _ in range(GUESSES):
        middle = (low + high) / np.float32(2)
        count = count_sample(scores, middle, upper) * SAMPLE_STEP
        if count < wanted:
            high = middle
        elif count > 4 * wanted:
            low = middle
        else:
            return middle
    return low  # very many are equal


@inlined
def count_sample(scores, lower, upper):
    """How many scores of the sample are above `lower` and not above `upper`."""
    numbers, size = memory(scores), scores.size
    count, above, not_above = broadcast(0), broadcast(lower), broadcast(upper)
    one, zero = broadcast(1), broadcast(0)
    for at in range(0, size, SAMPLE_STEP * LANES):
        score = load(numbers, at)
        inside = where_greater(score, above, one, zero) - where_greater(score, not_above, one, zero)
        count = count + inside
    return sum_lanes(count)


@inlined
def collect(scores, bits, lower, upper, entered, top_k, queue):
    """Queue all scores above `lower` and not above `upper` of classes that still admit candidates.

    A key holds the score's bits, turned so that the best is the smallest, and behind them the place.
    """
    numbers, (num_rows, row) = memory(scores), scores.shape
    count, above, not_above = 0, broadcast(lower), broadcast(upper)
    for c in range(num_rows):
        if entered[c] == top_k:
            continue
        for at in range(c * row, (c + 1) * row, LANES):
            score = load(numbers, at)
            inside = greater(score, above) & ~greater(score, not_above)
            while inside:
                place = at + lowest_bit(inside)
                queue[count] = ((INFINITY_BITS - np.int64(bits[c, place - c * row])) << PLACE_BITS) | place
                count += 1
                inside = without_lowest(inside)
    return count


@inlined
def sorted_by_score(queue, spare, count):
    """The first `count` keys of the queue, smallest first, in one of the two arrays.

    Radix sort: deal the keys out by eight bits, the last ones first. Nothing is compared, so there are no
    branches for the processor to guess wrong. Digits that all keys share are left out, and so are the places,
    which are in order from the beginning: of equal scores the lower place stays in front.
    """
    keys, others = queue[:count], spare[:count]
    differing = np.int64(0)
    for key in keys:
        differing |= key ^ keys[0]
    starts = np.empty(1 << DIGIT, np.int64)
    for shift in range(PLACE_BITS, 64, DIGIT):
        if digit(differing, shift):
            deal_out(keys, others, shift, starts)
            keys, others = others, keys
    return keys


@inlined
def deal_out(keys, others, shift, starts):
    """Sort the keys by one digit into the other array; those of the same digit stay in order."""
    starts[:] = 0
    for key in keys:
        starts[digit(key, shift)] += 1
    start = 0
    for value in range(1 << DIGIT):
        start, starts[value] = start + starts[value], start
    for key in keys:
        value = digit(key, shift)
        others[starts[value]] = key
        starts[value] += 1


@inlined
def digit(key, shift):
    """Eight bits of a key."""
    return (key >> shift) & ((1 << DIGIT) - 1)
