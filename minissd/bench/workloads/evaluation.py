"""COCO's average precision of the detections in a set of images."""

from __future__ import annotations

from functools import partial

import numpy as np

from minissd.bench import peers
from minissd.bench.contest import Contest, Work, against_peers
from minissd.bench.timing import Contender
from minissd.evaluate import GroundTruth, evaluate_coco

IMAGES, NUM_CLASSES, SIDE_PX = 200, 80, 500
OBJECTS, DETECTIONS = 7, 100  # per image
NEAR = 0.6  # part of the detections that lie near an object
TOLERANCE = 1e-9


def works(setting):
    """List the rows."""
    name = f"COCO AP, {IMAGES} images, {IMAGES * DETECTIONS} detections"
    yield Work("evaluation", name, against_peers(contest))


def contest(num_images=IMAGES):
    """Build the contest: the twelve numbers of COCO."""
    rng = np.random.default_rng(7)
    ground_truths = [_objects(rng) for _ in range(num_images)]
    detections = [_detections(rng, truth) for truth in ground_truths]
    ours = Contender(
        "minissd",
        partial(evaluate_coco, detections, ground_truths),
        lambda result: {"numbers": np.array(list(result.numbers.values()))},
    )
    contenders = []
    if peers.find("pycocotools"):
        from minissd.bench.coco_peer import evaluator

        run = evaluator(detections, ground_truths)
        contenders = [Contender("pycocotools", run, lambda numbers: {"numbers": numbers})]
    return Contest(ours, contenders, TOLERANCE)


def _objects(rng):
    """Objects of an image, small and large, a tenth of them crowds."""
    gt_xyxy = _boxes_px(rng, OBJECTS)
    labels = rng.integers(1, NUM_CLASSES + 1, OBJECTS)
    return GroundTruth(gt_xyxy, labels, crowd=rng.random(OBJECTS) < 0.1)


def _detections(rng, truth):
    """Detections of an image: some near an object, with its class, the others anywhere."""
    boxes_xyxy = _boxes_px(rng, DETECTIONS)
    labels = rng.integers(1, NUM_CLASSES + 1, DETECTIONS)
    near = rng.random(DETECTIONS) < NEAR
    g = rng.integers(0, OBJECTS, near.sum())
    sides = np.tile(truth.gt_xyxy[g, 2:] - truth.gt_xyxy[g, :2], 2)
    boxes_xyxy[near] = truth.gt_xyxy[g] + sides * rng.normal(0, 0.08, sides.shape)
    labels[near] = truth.labels[g]
    return boxes_xyxy, rng.random(DETECTIONS), labels


def _boxes_px(rng, count):
    size = np.exp(rng.uniform(np.log(12), np.log(300), (count, 2)))
    corner = rng.uniform(0, 1, (count, 2)) * (SIDE_PX - size)
    return np.concatenate([corner, corner + size], axis=1)
