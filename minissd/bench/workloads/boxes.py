"""What SSD does with boxes: matching, mining, suppression, and post-processing as a whole."""

from __future__ import annotations

from functools import partial

import numpy as np

from minissd import boxes, detect, matching, mining, nms
from minissd.bench import peers
from minissd.bench.contest import Contest, Work, against_peers
from minissd.bench.timing import Contender
from minissd.bench.workloads.training import random_boxes
from minissd.config import SSD300_VOC
from minissd.priors import prior_boxes

NUM_CLASSES = SSD300_VOC.num_classes
BACKGROUND_LOGIT, OBJECT_LOGIT = 7.0, 8.0  # a trained network is sure of nearly every box
TOLERANCE = 1e-4
CLEARLY = 1e-5  # difference of two IoUs that no rounding turns round
MINED_AGAINST = {"topk": "mine_topk", "double argsort": "mine_double_argsort"}


def works(setting):
    """List the rows."""
    pieces = [
        ("matcher, 8732 priors x 20 objects", partial(matcher_contest, 1, 20)),
        ("matcher, 32 images x 10 objects", partial(matcher_contest, 32, 10)),
        *((f"mining, batch 32, against {way}", partial(mining_contest, way)) for way in MINED_AGAINST),
        ("NMS, 8732 boxes, best 400", nms_contest),
        ("softmax, decode, NMS, keep 200 of an SSD300 image", detect_contest),
    ]
    for name, prepare in pieces:
        yield Work("boxes", name, against_peers(prepare))


# -- matching ------------------------------------------------------------------------------------------------


def matcher_contest(num_images, num_objects):
    """Match drawn boxes to the default boxes of SSD300.

    Each object has a best default box of its own, so the rules agree. Ours, ``bipartite``, also looks for
    conflicts; the peers follow the simpler rule that the last object wins.
    """
    priors_cxcywh = prior_boxes(SSD300_VOC)
    gt_xyxy = distinct_boxes(np.random.default_rng(3), num_images, num_objects, priors_cxcywh)
    ours = Contender(
        "minissd",
        lambda: (
            matching.match_batch(gt_xyxy, priors_cxcywh)
            if num_images > 1
            else matching.match(gt_xyxy[0], priors_cxcywh)[None]
        ),
        lambda matched: {"matched_gt": matched},
    )
    return Contest(ours, _torch_matchers(gt_xyxy, priors_cxcywh) if peers.find("torch") else [])


def distinct_boxes(rng, num_images, num_objects, priors_cxcywh):
    """Draw (num_images, num_objects, 4) boxes that nobody can match in two ways.

    Within an image each has a best prior of its own, which is better than the second best by more than
    rounding.
    """
    priors_xyxy, images = boxes.cxcywh_to_xyxy(priors_cxcywh), []
    while len(images) < num_images:
        gt_xyxy = random_boxes(rng, num_objects)
        overlaps = boxes.iou(gt_xyxy, priors_xyxy)  # (G, P)
        second, first = np.sort(overlaps, axis=1)[:, -2:].T
        if len(set(overlaps.argmax(axis=1))) == num_objects and (first - second).min() > CLEARLY:
            images.append(gt_xyxy)
    return np.stack(images)


def _torch_matchers(gt_xyxy, priors_cxcywh):
    from minissd.bench.torch_boxes import match_loop, match_vectorised, torch

    gt = torch.from_numpy(gt_xyxy).float()
    priors = torch.from_numpy(boxes.cxcywh_to_xyxy(priors_cxcywh)).float()
    ways = {
        "PyTorch, object by object": lambda: torch.stack([match_loop(image, priors) for image in gt]),
        "PyTorch, image by image": lambda: torch.stack([match_vectorised(image, priors) for image in gt]),
    }
    if len(gt) > 1:
        ways["PyTorch, whole batch"] = lambda: match_vectorised(gt, priors)
    return [Contender(name, run, lambda y: {"matched_gt": y.numpy()}) for name, run in ways.items()]


# -- mining --------------------------------------------------------------------------------------------------


def mining_contest(against, batch_size=32):
    """Mine the negatives of a batch, with 5 to 40 positives in every image."""
    rng = np.random.default_rng(4)
    conf_loss = rng.exponential(size=(batch_size, SSD300_VOC.num_priors)).astype(np.float32)
    positive = np.zeros(conf_loss.shape, bool)
    for row in positive:
        row[rng.choice(len(row), rng.integers(5, 41), replace=False)] = True
    ours = Contender(
        "minissd", lambda: mining.hard_negatives(conf_loss, positive), lambda y: {"hard_negatives": y}
    )
    contenders = []
    if peers.find("torch"):
        from minissd.bench import torch_boxes

        way = getattr(torch_boxes, MINED_AGAINST[against])
        run = partial(way, *map(torch_boxes.torch.from_numpy, (conf_loss, positive)))
        contenders = [Contender(f"PyTorch, {against}", run, lambda y: {"hard_negatives": y.numpy()})]
    return Contest(ours, contenders)


# -- suppression ---------------------------------------------------------------------------------------------


def nms_contest():
    """Suppress among the best 400 of 8732 boxes of one class."""
    rng = np.random.default_rng(5)
    boxes_xyxy = random_boxes(rng, SSD300_VOC.num_priors)
    scores = rng.permutation(len(boxes_xyxy)).astype(np.float32) / len(boxes_xyxy)  # no two are equal
    ours = Contender(
        "minissd", lambda: nms.nms(boxes_xyxy, scores, 0.45, top_k=400), lambda kept: {"kept": kept}
    )
    contenders = []
    if cv2 := peers.find("cv2"):
        boxes_xywh = np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1)
        run = partial(cv2.dnn.NMSBoxes, boxes_xywh, scores, 0.0, 0.45, 1.0, 400)
        contenders = [Contender("OpenCV", run, lambda kept: {"kept": np.asarray(kept)})]
    return Contest(ours, contenders)


# -- post-processing -----------------------------------------------------------------------------------------


def detect_contest():
    """Turn the predictions of one image into detections."""
    priors_cxcywh = prior_boxes(SSD300_VOC)
    loc, conf = random_predictions(priors_cxcywh)
    ours = Contender("minissd", lambda: detect.detect(loc[None], conf[None], priors_cxcywh)[0], _found)
    contenders = _torch_detectors(loc, conf, priors_cxcywh) if peers.find("torch") else []
    return Contest(ours, contenders, TOLERANCE)


def random_predictions(priors_cxcywh, num_objects=12):
    """Draw predictions as of a trained network: sure of the background, but for boxes around some objects."""
    rng = np.random.default_rng(6)
    num_priors = len(priors_cxcywh)
    loc = rng.standard_normal((num_priors, 4), np.float32) * np.float32(0.5)
    conf = rng.standard_normal((num_priors, NUM_CLASSES), np.float32)
    conf[:, 0] += BACKGROUND_LOGIT
    matched_gt = matching.match(random_boxes(rng, num_objects), priors_cxcywh)
    around = np.flatnonzero(matched_gt != matching.BACKGROUND)
    conf[around, 1 + matched_gt[around] % (NUM_CLASSES - 1)] += OBJECT_LOGIT
    return loc, conf


def _torch_detectors(loc, conf, priors_cxcywh):
    from minissd.bench import torch_boxes
    from minissd.bench.torch_boxes import torch

    tensors = [torch.from_numpy(array).float() for array in (loc, conf, priors_cxcywh)]
    ways = {
        "PyTorch, class by class": torch_boxes.suppress_by_class,
        "PyTorch, all classes": torch_boxes.suppress_together,
    }
    if peers.find("cv2"):
        ways["PyTorch and OpenCV"] = torch_boxes.suppress_opencv

    def contender(name, suppress):
        run = partial(torch_boxes.detect, *tensors, SSD300_VOC.variances, suppress)
        return Contender(name, torch.no_grad()(run), _found)

    return [contender(name, suppress) for name, suppress in ways.items()]


def _found(result):
    """Detections, or a tuple of tensors, as arrays in the order of prior and class."""
    fields = ("boxes_xyxy", "scores", "labels", "priors")
    values = result if isinstance(result, tuple) else [getattr(result, field) for field in fields]
    found = dict(zip(fields, map(np.asarray, values)))
    order = np.lexsort((found["labels"], found["priors"]))  # rounding may swap two nearly equal scores
    return {name: array[order] for name, array in found.items()}
