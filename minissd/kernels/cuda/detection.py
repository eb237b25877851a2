"""Detections of a whole batch on a GPU: four kernels, one transfer, one wait.

The definition is `minissd.detect.detect_step_by_step`; scores, boxes and decisions are computed as
`minissd.kernels.postprocess` does, in the same order of the same sums, so that not only the same boxes are
found but of the same bits. Only scores below 1e-38 are 0 here, see `minissd.nn.cuda.source`.

A processor takes up one candidate after the other and stops early. A GPU has thousands of threads, and each
class of each image gets 256 of them at once:

1. `softmax` and `decode`: all scores and all boxes, a thread each prior.
2. `suppress`: of each class the candidates, the best of them, the survivors.
3. `merge`: each survivor counts how many of its image come before it, which is its place in the result.

The kernels are in detection.cu; `minissd.kernels.cuda.detection_readable` has the same functions in NumPy.
"""

from __future__ import annotations

import numpy as np

from minissd.backend import get_array_module, is_cuda, to_cpu
from minissd.kernels.cuda.rows import MOST_CLASSES, launch_by_rows
from minissd.kernels.postprocess import limit, rules_of
from minissd.nn.cuda.source import kernel, start
from minissd.nn.twins import is_cuda_float32

THREADS = 256
ROOM = 1024  # for the best candidates of a class, in shared memory
DETECTION = np.dtype(
    [
        ("box_xyxy", np.float32, 4),
        ("score", np.float32),
        ("label", np.int32),  # 0 where there is no detection
        ("prior", np.int32),
        ("unused", np.int32),  # C++ places a float4 at a multiple of 16 bytes
    ]
)


def fits(loc, conf, top_k, keep_top_k, deviations):
    """Whether this module is made for these predictions and limits."""
    counts = all(count is None or count >= 0 for count in (top_k, keep_top_k))
    small = conf.shape[2] <= MOST_CLASSES and limit(top_k, conf.shape[1]) <= ROOM
    return all(map(is_cuda_float32, (loc, conf))) and counts and small and not deviations.class_agnostic


def detect(loc, conf, priors_cxcywh, *options):
    """See `minissd.kernels.postprocess.detect`; only for what `fits`.

    Returns
    -------
    list of (boxes_xyxy, scores, labels, priors)
        NumPy arrays, the attributes of one `minissd.detect.Detections` per image.
    """
    rules = rules_of(conf.shape, *options)
    if min(conf.size, rules.top_k, rules.keep_top_k) == 0:
        return [_columns(np.zeros(0, DETECTION)) for _ in conf]
    scores, boxes_xyxy = softmax(conf), decode(loc, priors_cxcywh, rules)
    kept, num_kept = suppress(scores, boxes_xyxy, rules)
    found = merge(kept, num_kept, scores, boxes_xyxy, rules.keep_top_k)
    return [_columns(row) for row in to_cpu(found).view(DETECTION)[..., 0]]


def _columns(row):
    """What was found in one image, in arrays of their own."""
    found = row[: np.count_nonzero(row["label"])]
    labels, priors = found["label"].astype(np.int64), found["prior"].astype(np.int64)
    return found["box_xyxy"].copy(), found["score"].copy(), labels, priors


def softmax(conf):
    """Probabilities of the objects' classes.

    Parameters
    ----------
    conf : ndarray of float32, (N, P, C)

    Returns
    -------
    ndarray of float32, (N, C - 1, P)
    """
    xp = get_array_module(conf)
    num_images, num_priors, num_classes = conf.shape
    scores = xp.empty((num_images, num_classes - 1, num_priors), np.float32)
    sizes = np.int64(num_images), np.int32(num_priors), np.int32(num_classes)
    arguments = xp.ascontiguousarray(conf), scores, *sizes
    launch_by_rows(kernel(__file__, "softmax"), num_images * num_priors, num_classes, arguments)
    return scores


def decode(loc, priors_cxcywh, rules):
    """Boxes from offsets.

    Parameters
    ----------
    loc : ndarray of float32, (N, P, 4)
    priors_cxcywh : ndarray, (P, 4)
        CuPy's or NumPy's.
    rules : minissd.kernels.postprocess.Rules

    Returns
    -------
    ndarray of float32, (N, P, 4)
    """
    xp = get_array_module(loc)
    if not is_cuda(priors_cxcywh):
        priors_cxcywh = np.asarray(priors_cxcywh, np.float32)  # half as much to send
    priors_cxcywh = xp.ascontiguousarray(xp.asarray(priors_cxcywh, np.float32))
    boxes_xyxy, rows = xp.empty(loc.shape, np.float32), loc.shape[0] * loc.shape[1]
    numbers = rules.center_scale, rules.size_scale, rules.max_log_size, rules.first_edge, rules.last_edge
    arrays = xp.ascontiguousarray(loc), priors_cxcywh, boxes_xyxy
    arguments = *arrays, np.int64(rows), np.int32(loc.shape[1]), *numbers
    start(kernel(__file__, "decode"), rows, *arguments)
    return boxes_xyxy


def suppress(scores, boxes_xyxy, rules):
    """The survivors of each class of each image.

    Parameters
    ----------
    scores : ndarray of float32, (N, C - 1, P)
    boxes_xyxy : ndarray of float32, (N, P, 4)
    rules : minissd.kernels.postprocess.Rules

    Returns
    -------
    kept : ndarray of uint64, (N, C - 1, most)
        Their keys (`minissd.kernels.cuda.selection.keys_of` of the class's scores), best first.
    num_kept : ndarray of int32, (N, C - 1)
    """
    xp = get_array_module(scores)
    num_images, num_rows, num_priors = scores.shape
    most = min(rules.top_k, rules.keep_top_k)  # a class alone gets no more into the result
    kept = xp.empty((num_images, num_rows, most), np.uint64)
    num_kept = xp.empty((num_images, num_rows), np.int32)
    numbers = rules.score_threshold, rules.iou_threshold, np.int32(rules.top_k), np.int32(most)
    arguments = scores, boxes_xyxy, kept, num_kept, np.int32(num_priors), *numbers
    kernel(__file__, "suppress")((num_rows, num_images), (THREADS,), arguments)
    return kept, num_kept


def merge(kept, num_kept, scores, boxes_xyxy, keep_top_k):
    """The best detections of each image.

    Parameters
    ----------
    kept : ndarray of uint64, (N, C - 1, most)
    num_kept : ndarray of int32, (N, C - 1)
    scores : ndarray of float32, (N, C - 1, P)
    boxes_xyxy : ndarray of float32, (N, P, 4)
    keep_top_k : int

    Returns
    -------
    ndarray of float32, (N, keep_top_k, 8)
        The bytes of a `DETECTION` each; zeros behind the last.
    """
    xp = get_array_module(kept)
    num_images, num_rows, most = kept.shape
    found = xp.zeros((num_images, keep_top_k, DETECTION.itemsize // 4), np.float32)
    sizes = (np.int32(size) for size in (scores.shape[2], most, keep_top_k))
    grid = -(-most // THREADS), num_rows, num_images
    kernel(__file__, "merge")(grid, (THREADS,), (kept, num_kept, scores, boxes_xyxy, found, *sizes))
    return found
