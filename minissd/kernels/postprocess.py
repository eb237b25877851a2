"""Detections without sorting and suppressing what no one will see.

The definition is `minissd.detect.detect_step_by_step`. Four things make this fast:

* **Sixteen priors at a time.** The logits of sixteen priors are turned over, so that each class is a vector;
  then the softmax of sixteen rows takes a few instructions per class.
* **One queue for all classes.** Each class is suppressed alone, but nothing says that one must be finished
  before the next begins. All candidates stand in one queue, best first; each meets the kept boxes of its own
  class only. Those that pass are the detections in their final order, and with `keep_top_k` of them the work
  is done, however many thousands of candidates wait behind.
* **The head of the queue first.** The scores of a sample tell roughly where the best few hundred end. These
  are collected and sorted; only if they do not suffice, a longer piece of the queue follows.
* **Boxes on demand.** A box is decoded when its turn comes.
"""

from __future__ import annotations

import math
import operator
from typing import NamedTuple

import numpy as np

from minissd.compilation import compiled, inlined
from minissd.kernels.suppression import KEPT, empty_shelves, keep_or_name_suppressor
from minissd.nn.fast.lanes import greater, load_strided, lowest_bit, without_lowest
from minissd.nn.fast.reduce import sum_lanes
from minissd.nn.fast.simd import LANES, broadcast, load, maximum, memory, store, store_lanes, where_greater
from minissd.nn.fast.vector_functions import exp
from minissd.nn.fast.workspace import workspace
from minissd.nn.threads import in_threads, spans

MANY_LOGITS = 1 << 19  # of one image: more than a second thread takes to be woken
SAMPLE_STEP = 8  # of so many vectors of scores one is looked at
GUESSES = 24
DIGIT = 8  # bits by which keys are sorted at once
PLACE_BITS = 32
PLACE = (1 << PLACE_BITS) - 1
INFINITY_BITS = 0x7F800000  # of float32


class Rules(NamedTuple):
    """The numbers that `minissd.detect.detect` is called with, the defaults filled in."""

    score_threshold: np.float32
    iou_threshold: float
    top_k: int
    keep_top_k: int
    center_scale: np.float32
    size_scale: np.float32


def fits(loc, conf, top_k, keep_top_k):
    """Whether this module is made for these predictions: float32, in NumPy."""
    in_numpy = all(isinstance(array, np.ndarray) and array.dtype == np.float32 for array in (loc, conf))
    return in_numpy and all(limit is None or limit >= 0 for limit in (top_k, keep_top_k))


def detect(loc, conf, priors_cxcywh, score_threshold, iou_threshold, top_k, keep_top_k, variances):
    """See `minissd.detect.detect`; only for what `fits`.

    Returns
    -------
    list of (boxes_xyxy, scores, labels, priors)
        The attributes of one `minissd.detect.Detections` per image.
    """
    num_images, num_priors, num_classes = conf.shape
    top_k = _limit(top_k, num_priors)
    keep_top_k = _limit(keep_top_k, top_k * (num_classes - 1))
    scales = (np.float32(scale) for scale in variances)
    rules = Rules(np.float32(score_threshold), float(iou_threshold), top_k, keep_top_k, *scales)
    # Contiguous and writable: for every other kind of array Numba would compile once more.
    loc, conf, priors_cxcywh = (np.require(a, np.float32, "CAW") for a in (loc, conf, priors_cxcywh))

    def of_image(n):
        scores = class_scores(conf[n], threads=num_images == 1)
        queue, spare = (_buffer(name, 2 * scores.size).view(np.int64) for name in ("queue", "spare"))
        boxes_xyxy, places = np.empty((keep_top_k + 1, 4)), np.empty(keep_top_k, np.int64)
        bits = scores.view(np.int32)
        found = _detect_image(loc[n], priors_cxcywh, scores, bits, rules, queue, spare, boxes_xyxy, places)
        class_index, prior = np.divmod(places[:found], scores.shape[1])
        return boxes_xyxy[:found].astype(np.float32), scores[class_index, prior], class_index + 1, prior

    return in_threads(of_image, range(num_images))


def class_scores(conf, threads=False):
    """Softmax of the logits of one image, class by class.

    Parameters
    ----------
    conf : ndarray of float32, (P, C)
        Contiguous.
    threads : bool
        Whether threads may share the work, if it is much.

    Returns
    -------
    ndarray of float32, (C - 1, P rounded up to sixteens)
        Probabilities of the objects' classes, within a few units in the last place of
        `minissd.loss.softmax`; -inf behind the last prior. Valid until the thread calls this again.

    Examples
    --------
    >>> class_scores(np.log(np.array([[1, 3], [1, 1]], np.float32)))[:, :3].round(6)
    array([[0.75, 0.5 , -inf]], dtype=float32)
    """
    num_priors, num_classes = conf.shape
    num_blocks = -(-num_priors // LANES)
    shape = num_classes - 1, num_blocks * LANES
    scores = _buffer("scores", math.prod(shape)).reshape(shape)
    scores[:, num_priors:] = -np.inf

    def softmax(share):
        block = np.empty(num_classes * LANES, np.float32)
        _softmax_of_blocks(conf, scores, share.start, share.stop, block)

    in_threads(softmax, spans(num_blocks) if threads and conf.size > MANY_LOGITS else [slice(0, num_blocks)])
    return scores


def _limit(count, everything):
    return everything if count is None else min(operator.index(count), everything)


def _buffer(name, size):
    return workspace().buffer(name, size)[:size]


@compiled
def _softmax_of_blocks(conf, scores, first_block, last_block, block):
    num_priors, num_classes, row = *conf.shape, scores.shape[1]
    conf, numbers, out = memory(conf), memory(block), memory(scores)
    for first in range(first_block * LANES, last_block * LANES, LANES):
        lanes = min(LANES, num_priors - first)
        turn_over(conf, first * num_classes, num_classes, lanes, numbers)
        top, total = load(numbers, 0), broadcast(0)
        for c in range(1, num_classes):
            top = maximum(load(numbers, c * LANES), top)
        for c in range(num_classes):
            power = exp(load(numbers, c * LANES) - top)
            total = total + power
            store(numbers, c * LANES, power)
        share = broadcast(1) / total  # one division instead of one per class
        for c in range(1, num_classes):
            probability = load(numbers, c * LANES) * share
            store_lanes(out, (c - 1) * row + first, probability, lanes)


@inlined
def turn_over(conf, at, num_classes, lanes, block):
    """Make vectors of a class from the rows of `lanes` priors."""
    if lanes == LANES:
        for c in range(num_classes):
            store(block, c * LANES, load_strided(conf, at + c, num_classes))
        return
    for c in range(num_classes):
        for lane in range(LANES):
            block[c * LANES + lane] = conf[at + lane * num_classes + c] if lane < lanes else 0


@compiled
def _detect_image(loc, priors_cxcywh, scores, bits, rules, queue, spare, boxes_xyxy, places):
    """Write boxes and places in `scores` of the detections, best first; return how many there are."""
    num_rows, row = scores.shape
    shelves = empty_shelves(boxes_xyxy, num_rows, min(rules.keep_top_k, rules.top_k))
    entered = np.zeros(num_rows, np.int64)  # candidates of each class whose turn has come
    found, wanted, upper = 0, 2 * rules.keep_top_k, np.float32(np.inf)
    while found < rules.keep_top_k and upper > rules.score_threshold:
        lower = guess_cutoff(scores, rules.score_threshold, upper, wanted)
        count = collect(scores, bits, lower, upper, entered, rules.top_k, queue)
        best_first = sorted_by_score(queue, spare, count)
        found = admit(loc, priors_cxcywh, best_first, row, rules, shelves, entered, places, found)
        upper, wanted = lower, 4 * wanted
    return found


@inlined
def admit(loc, priors_cxcywh, keys, row, rules, shelves, entered, places, found):
    """Give every candidate of the queue its turn; return how many detections there are now."""
    for key in keys:
        place = key & PLACE
        c, prior = place // row, place % row
        if entered[c] == rules.top_k:
            continue
        entered[c] += 1
        decode(loc, priors_cxcywh, prior, rules, shelves.boxes_xyxy[found])
        if keep_or_name_suppressor(shelves, c, found, rules.iou_threshold) == KEPT:
            places[found] = place
            found += 1
            if found == rules.keep_top_k:
                break
    return found


@inlined
def decode(loc, priors_cxcywh, prior, rules, box_xyxy):
    """`minissd.codec.decode` of one box, in float32."""
    for axis in range(2):
        size = priors_cxcywh[prior, 2 + axis]
        center = priors_cxcywh[prior, axis] + loc[prior, axis] * rules.center_scale * size
        half = size * np.float32(math.exp(loc[prior, 2 + axis] * rules.size_scale)) / np.float32(2)
        box_xyxy[axis], box_xyxy[2 + axis] = center - half, center + half


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
