"""The kernels of detection.cu in NumPy, with the same keys, bounds and places.

They say what each kernel computes, one class or one image at a time; `minissd.kernels.cuda.detection` has the
same functions for a GPU.
"""

from __future__ import annotations

import numpy as np

from minissd import codec
from minissd.kernels.cuda.detection import DETECTION
from minissd.kernels.cuda.selection import bound_of_best, keys_of
from minissd.nms import nms
from minissd.softmax import softmax as softmax_of_rows

PLACE = np.uint64(2**32 - 1)


def softmax(conf):
    """Probabilities of the objects' classes, (N, P, C) to (N, C - 1, P)."""
    return np.ascontiguousarray(softmax_of_rows(conf)[..., 1:].transpose(0, 2, 1))


def decode(loc, priors_cxcywh, rules):
    """Boxes from offsets, (N, P, 4)."""
    variances, max_log_size = (rules.center_scale, rules.size_scale), rules.max_log_size
    boxes_xyxy = codec.decode(loc, priors_cxcywh, variances, max_log_size)
    return boxes_xyxy.clip(rules.first_edge, rules.last_edge)


def suppress(scores, boxes_xyxy, rules):
    """The survivors of each class of each image: their keys, best first, and how many they are."""
    most = min(rules.top_k, rules.keep_top_k)
    kept = np.zeros((*scores.shape[:2], most), np.uint64)
    num_kept = np.zeros(scores.shape[:2], np.int32)
    for n, c in np.ndindex(num_kept.shape):
        keys = survivors(scores[n, c], boxes_xyxy[n], rules)[:most]
        num_kept[n, c] = len(keys)
        kept[n, c, : len(keys)] = keys
    return kept, num_kept


def survivors(scores, boxes_xyxy, rules):
    """Of one class of one image the keys of the boxes that survive, best first."""
    keys = keys_of(scores)[scores > rules.score_threshold]
    keys = np.sort(keys[keys < bound_of_best(keys, rules.top_k)])
    priors = keys & PLACE
    return keys[nms(boxes_xyxy[priors], scores[priors], rules.iou_threshold)]


def merge(kept, num_kept, scores, boxes_xyxy, keep_top_k):
    """The best detections of each image, as the bytes of a `DETECTION` each; zeros behind the last."""
    found = np.zeros((len(kept), keep_top_k), DETECTION)
    for n, own in np.ndindex(num_kept.shape):
        keys = kept[n, own, : num_kept[n, own]]
        places = places_in_image(kept[n], num_kept[n], own)
        best = places < keep_top_k
        priors = (keys & PLACE)[best].astype(np.int64)
        columns = boxes_xyxy[n, priors], scores[n, own, priors], own + 1, priors
        for name, column in zip(("box_xyxy", "score", "label", "prior"), columns):
            found[name][n, places[best]] = column
    return found.view(np.float32).reshape(*found.shape, -1)


def places_in_image(kept, num_kept, own):
    """For each survivor of one class how many of the image come before it."""
    keys = kept[own, : num_kept[own]]
    places = np.arange(len(keys))
    for c in range(len(kept)):
        limits = ((keys >> np.uint64(32)) + np.uint64(c < own)) << np.uint64(32)
        if c != own:
            places += np.searchsorted(kept[c, : num_kept[c]], limits)
    return places
