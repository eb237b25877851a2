"""Detections without sorting and suppressing what no one will see.

The definition is `minissd.detect.detect_step_by_step`. Four things make this fast:

* **Sixteen priors at a time.** Their softmax takes a few instructions per class (`minissd.kernels.softmax`).
* **One queue for all classes.** Each class is suppressed alone, but nothing says that one must be finished
  before the next begins. All candidates stand in one queue, best first; each meets the kept boxes of its own
  class only. Those that pass are the detections in their final order, and with `keep_top_k` of them the work
  is done, however many thousands of candidates wait behind.
* **The head of the queue first.** Only the best few hundred candidates are sorted, and more only if those do
  not suffice (`minissd.kernels.candidates`).
* **Boxes on demand.** A box is decoded when its turn comes.
"""

from __future__ import annotations

import math
import operator
from typing import NamedTuple

import numpy as np

from minissd.compilation import compiled, inlined, part
from minissd.kernels.candidates import PLACE, collect, guess_cutoff, sorted_by_score
from minissd.kernels.softmax import padded, share_softmax, softmax
from minissd.kernels.suppression import KEPT, empty_shelves, keep_or_name_suppressor, number_to_exceed
from minissd.nn.fast.simd import LANES
from minissd.nn.fast.team import ALONE, share_out, team_for
from minissd.nn.fast.workspace import workspace

FEW_LOGITS = 1 << 16  # that are done before another thread could have been woken


class Rules(NamedTuple):
    """What `minissd.detect.detect` is told, in numbers: a limit that there is not is infinite."""

    score_threshold: np.float32  # to exceed
    iou_threshold: np.float64
    top_k: int
    keep_top_k: int
    center_scale: np.float32
    size_scale: np.float32
    max_log_size: np.float32
    first_edge: np.float32  # where boxes are cut: 0 and 1, or nowhere
    last_edge: np.float32


class Predictions(NamedTuple):
    """Those of a batch, and the priors."""

    loc: np.ndarray  # (N, P, 4)
    conf: np.ndarray  # (N, P, C)
    priors_cxcywh: np.ndarray  # (P, 4)


class Room(NamedTuple):
    """Memory that the threads work in, each in its own row."""

    scores: np.ndarray  # (threads, C - 1, P rounded up to sixteens)
    bits: np.ndarray  # the same numbers as int32
    queues: np.ndarray  # (threads, 2, (C - 1) * P) of int64
    blocks: np.ndarray  # (threads, 16 C)


class Found(NamedTuple):
    """The detections of each image, best first."""

    boxes_xyxy: np.ndarray  # (N, keep_top_k + 1, 4)
    scores: np.ndarray  # (N, keep_top_k)
    places: np.ndarray  # (N, keep_top_k), numbers of the scores among all of the image
    counts: np.ndarray  # (N,)


def fits(loc, conf, top_k, keep_top_k, deviations):
    """Whether this module is made for these predictions: float32, in NumPy, each class for itself."""
    in_numpy = all(isinstance(array, np.ndarray) and array.dtype == np.float32 for array in (loc, conf))
    counts = all(limit is None or limit >= 0 for limit in (top_k, keep_top_k))
    return in_numpy and counts and not deviations.class_agnostic


def detect(
    loc, conf, priors_cxcywh, score_threshold, iou_threshold, top_k, keep_top_k, variances, deviations
):
    """See `minissd.detect.detect`; only for what `fits`.

    Returns
    -------
    list of (boxes_xyxy, scores, labels, priors)
        The attributes of one `minissd.detect.Detections` per image.
    """
    num_images, num_priors, _ = conf.shape
    rules = rules_of(conf.shape, score_threshold, iou_threshold, top_k, keep_top_k, variances, deviations)
    # Contiguous and writable: for every other kind of array Numba would compile once more.
    predictions = Predictions(*(np.require(a, np.float32, "CAW") for a in (loc, conf, priors_cxcywh)))
    team = team_for(conf.size, FEW_LOGITS)
    room, found = _room(team.size, *conf.shape), _room_for_detections(num_images, rules.keep_top_k)
    if num_images == 1:  # the threads share its softmax
        share_softmax(team.mailbox, predictions.conf[0], room.scores[0], room.blocks)
        team = ALONE
    _detect(team.mailbox, predictions, rules, room, found)
    return [_detections_of(found, n, padded(num_priors)) for n in range(num_images)]


def rules_of(sizes, score_threshold, iou_threshold, top_k, keep_top_k, variances, deviations):
    """The `Rules` for logits of these sizes, (N, P, C)."""
    _, num_priors, num_classes = sizes
    top_k = limit(top_k, num_priors)
    keep_top_k = limit(keep_top_k, top_k * (num_classes - 1))
    thresholds = _thresholds(score_threshold, iou_threshold, deviations)
    return Rules(*thresholds, top_k, keep_top_k, *_box_rules(variances, deviations))


def limit(count, everything):
    """No more than everything; None is everything."""
    return everything if count is None else min(operator.index(count), everything)


def _thresholds(score_threshold, iou_threshold, deviations):
    score_threshold = number_to_exceed(np.float32(score_threshold), deviations.inclusive_scores)
    return score_threshold, number_to_exceed(np.float64(iou_threshold), deviations.inclusive_nms)


def _box_rules(variances, deviations):
    max_log_size = np.inf if deviations.max_log_size is None else deviations.max_log_size
    edges = (0, 1) if deviations.clip else (-np.inf, np.inf)
    return [np.float32(number) for number in (*variances, max_log_size, *edges)]


def _room(threads, num_images, num_priors, num_classes):
    shape = max(1, min(threads, num_images)), num_classes - 1, padded(num_priors)
    scores = _buffer("scores", *shape)
    queues = _buffer("queues", shape[0], 2, 2 * shape[1] * shape[2]).view(np.int64)
    return Room(scores, scores.view(np.int32), queues, _buffer("block", threads, num_classes * LANES))


def _buffer(name, *shape):
    size = math.prod(shape)
    return workspace().buffer(name, size)[:size].reshape(shape)


def _room_for_detections(num_images, keep_top_k):
    boxes_xyxy = np.empty((num_images, keep_top_k + 1, 4))
    scores = np.empty((num_images, keep_top_k), np.float32)
    return Found(boxes_xyxy, scores, np.empty(scores.shape, np.int64), np.zeros(num_images, np.int64))


def _detections_of(found, n, row):
    count = found.counts[n]
    class_index, prior = np.divmod(found.places[n, :count], row)
    boxes_xyxy = found.boxes_xyxy[n, :count].astype(np.float32)
    return boxes_xyxy, found.scores[n, :count].copy(), class_index + 1, prior


@compiled
def _detect(mailbox, predictions, rules, room, found):
    share_out(mailbox, len(predictions.conf), detect_image, (predictions, rules, room, found))


@part
def detect_image(thread, n, predictions, rules, room, found):
    """Find the detections of one image; of an image alone the scores are there."""
    scores, bits, queues = room.scores[thread], room.bits[thread], room.queues[thread]
    loc, boxes_xyxy, places = predictions.loc[n], found.boxes_xyxy[n], found.places[n]
    num_rows, row = scores.shape
    if len(predictions.conf) > 1:
        softmax(predictions.conf[n], scores, 0, row, room.blocks[thread])
    shelves = empty_shelves(boxes_xyxy, num_rows, min(rules.keep_top_k, rules.top_k))
    entered = np.zeros(num_rows, np.int64)  # candidates of each class whose turn has come
    count, wanted, upper = 0, 2 * rules.keep_top_k, np.float32(np.inf)
    while count < rules.keep_top_k and upper > rules.score_threshold:
        lower = guess_cutoff(scores, rules.score_threshold, upper, wanted)
        queued = collect(scores, bits, lower, upper, entered, rules.top_k, queues[0])
        best_first = sorted_by_score(queues[0], queues[1], queued)
        count = admit(loc, predictions.priors_cxcywh, best_first, row, rules, shelves, entered, places, count)
        upper, wanted = lower, 4 * wanted
    found.counts[n] = count
    for d in range(count):
        found.scores[n, d] = scores[places[d] // row, places[d] % row]


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
    """`minissd.codec.decode` and `minissd.boxes.clip` of one box, in float32."""
    for axis in range(2):
        size = priors_cxcywh[prior, 2 + axis]
        center = priors_cxcywh[prior, axis] + loc[prior, axis] * rules.center_scale * size
        log_size = loc[prior, 2 + axis] * rules.size_scale
        if log_size > rules.max_log_size:
            log_size = rules.max_log_size
        half = size * np.float32(math.exp(np.float64(log_size))) / np.float32(2)  # rounded rightly everywhere
        box_xyxy[axis] = cut(center - half, rules)
        box_xyxy[2 + axis] = cut(center + half, rules)


@inlined
def cut(edge, rules):
    """The edge, moved to the border if it is beyond it. NaN, which is beyond nothing, stays."""
    if edge < rules.first_edge:
        edge = rules.first_edge
    if edge > rules.last_edge:
        edge = rules.last_edge
    return edge
