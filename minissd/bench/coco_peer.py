"""COCO's average precision by COCO's own program."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import numpy as np

from minissd.bench import peers

COCO, COCOeval = peers.require("pycocotools.coco").COCO, peers.require("pycocotools.cocoeval").COCOeval


def evaluator(detections, ground_truths):
    """Return a function that computes the twelve numbers.

    Parameters
    ----------
    detections : sequence of (boxes_xyxy, scores, labels)
        In pixels, one per image.
    ground_truths : sequence of minissd.ground_truth.GroundTruth

    Returns
    -------
    callable
        Returns an array of twelve; NaN where COCO's program says -1. What it loads and indexes beforehand
        is not done again.
    """
    with redirect_stdout(io.StringIO()):  # it reports its progress
        truth = COCO()
        truth.dataset = _annotations(ground_truths)
        truth.createIndex()
        found = truth.loadRes(_results(detections))

    def run():
        with redirect_stdout(io.StringIO()):
            evaluation = COCOeval(truth, found, "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return np.where(evaluation.stats < 0, np.nan, evaluation.stats)

    return run


def _annotations(ground_truths):
    annotations = [
        {"image_id": i, "category_id": int(label), "bbox": box_xywh, "iscrowd": int(crowd)}
        for i, truth in enumerate(ground_truths, start=1)
        for box_xywh, label, crowd in zip(_xywh(truth.gt_xyxy), truth.labels, truth.crowd)
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation |= {"id": number, "area": annotation["bbox"][2] * annotation["bbox"][3]}
    labels = sorted({annotation["category_id"] for annotation in annotations})
    return {
        "info": {},
        "images": [{"id": i} for i in range(1, len(ground_truths) + 1)],
        "categories": [{"id": label} for label in labels],
        "annotations": annotations,
    }


def _results(detections):
    return [
        {"image_id": i, "category_id": int(label), "bbox": box_xywh, "score": float(score)}
        for i, (boxes_xyxy, scores, labels) in enumerate(detections, start=1)
        for box_xywh, score, label in zip(_xywh(boxes_xyxy), scores, labels)
    ]


def _xywh(boxes_xyxy):
    return np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1).tolist()
