"""What a convention does after the network, beside the numbers of its implementation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from comparison import EXACT, FLOAT32, FLOAT64, PEERS, Comparison
from pycocotools_form import twelve, with_all_classes
from reference_numbers import detection_case, evaluation_set, under

from minissd.config import SSD300_VOC
from minissd.nms import nms
from minissd.priors import prior_boxes

# Suppression and detection -------------------------------------------------------------------------------


def check_nms(numbers, convention):
    peer, rules = PEERS[convention.name], convention.detection
    top_k = rules.top_k if peer == "amd" else None
    stored = f"keep_{peer}_top200" if peer == "amd" else f"keep_{peer}"
    kept = []
    for case in numbers.get("cases", range(numbers["thr"].size)):
        arrays = numbers[f"case{case}_boxes"], numbers[f"case{case}_scores"], numbers["thr"][case]
        kept.append((nms(*arrays, top_k, rules.inclusive_nms), numbers[f"case{case}_{stored}"]))
    yield Comparison("kept boxes", convention.name, kept)
    edges = []
    for kind in ("edge_plain", "edge_plus1"):
        arrays = numbers[f"{kind}_boxes"], numbers["edge_scores"], float(numbers["edge_thr"])
        edges.append((nms(*arrays, inclusive=rules.inclusive_nms), numbers[f"{kind}_{peer}"]))
    yield Comparison("kept boxes, IoU exactly the threshold", convention.name, edges)
    yield from check_detections(numbers, convention)


def _of_torchvision(found, stored, prefix=""):
    return {
        "detections, classes": (found.labels, stored[f"{prefix}labels"]),
        "detections, scores": (found.scores, stored[f"{prefix}scores"]),
        "detections, boxes": (found.boxes_xyxy * 300, stored[f"{prefix}boxes"]),
    }


def _of_torchvision_without_clip(found, stored):
    pairs = _of_torchvision(found, stored, "noclip_")
    return {f"{quantity}, no clip": pair for quantity, pair in pairs.items()}


def _of_caffe(found, stored):
    found = found.select(np.lexsort((-found.scores, found.labels)))  # Caffe lists class by class
    labels, scores, boxes_xyxy = np.split(stored["caffe_rows"], [1, 2], axis=1)
    return {
        "detections, classes": (found.labels, labels[:, 0]),
        "detections, scores": (found.scores, scores[:, 0]),
        "detections, boxes": (found.boxes_xyxy, boxes_xyxy),
    }


def _of_amdegroot(found, stored):
    return {
        "detections of each class": (np.bincount(found.labels, minlength=21), stored["amd_counts"]),
        "sums of their scores": (np.bincount(found.labels, found.scores, 21), stored["amd_score_sum"]),
    }


STORED_DETECTIONS = [  # convention, what is changed in it, pairs of every case, tolerance
    ("torchvision", {}, _of_torchvision, FLOAT64),
    ("torchvision", {"clip": False}, _of_torchvision_without_clip, FLOAT64),
    ("caffe", {}, _of_caffe, FLOAT32),
    ("amdegroot", {}, _of_amdegroot, FLOAT64),
]


def check_detections(numbers, convention):
    priors_cxcywh = prior_boxes(SSD300_VOC)
    for name, changes, pairs_of, tolerance in STORED_DETECTIONS:
        if name != convention.name:
            continue
        pairs = {}
        for case in numbers.get("det_cases", range(numbers.get("det_n", 0))):
            found = convention.detect(*detection_case(numbers, case), priors_cxcywh, **changes)[0]
            for quantity, pair in pairs_of(found, under(f"det{case}_", numbers)).items():
                pairs.setdefault(quantity, []).append(pair)
        for quantity, of_quantity in pairs.items():
            whole = of_quantity[0][0].dtype.kind == "i"
            yield Comparison(quantity, name, of_quantity, EXACT if whole else tolerance)


# Average precision ---------------------------------------------------------------------------------------

STORED_APS = {  # (IoU thresholds, metrics), the axes of the stored array beside the classes
    "caffe": ((0.5,), ("11point_float32", "area", "integral")),
    "chainercv": ((0.5, 0.75, 0.3), ("11point_arange", "area")),
}


def check_ap(numbers, convention):
    cases = [evaluation_set(numbers, case, with_crowds=True) for case in range(numbers["n_sets"])]
    if convention.evaluation.metric == "coco":
        yield from check_coco(numbers, convention, cases)
        return
    thresholds, metrics = STORED_APS[convention.name]
    pairs = {metric: [] for metric in metrics}
    for case, images in enumerate(cases):
        stored = numbers[f"s{case}_{PEERS[convention.name]}_ap"].reshape(len(thresholds), 4, len(metrics))
        counted = numbers[f"s{case}_frcnn_npos"] > 0 if convention.name == "caffe" else slice(None)
        for t, threshold in enumerate(thresholds):
            for m, metric in enumerate(metrics):
                other_metric = {} if m == 0 else {"metric": metric}  # the first is the convention's
                changed = replace(convention.evaluation, iou_threshold=threshold, **other_metric)
                rules = replace(convention, evaluation=changed)
                ap = rules.evaluate(*images).ap
                ours = np.array([ap.get(label, np.nan) for label in (1, 2, 3, 4)])
                pairs[metric].append((ours[counted], stored[t, :, m][counted]))
    for metric in metrics:
        tolerance = FLOAT32 if convention.name == "caffe" else FLOAT64
        yield Comparison(f"AP by class, {metric}", convention.name, pairs[metric], tolerance)


def check_coco(numbers, convention, cases, prefix="coco"):
    pairs = {}
    for case, images in enumerate(cases):
        for key, (quantity, array) in tables_of_coco(convention.evaluate(*images)).items():
            pairs.setdefault(quantity, []).append((array, numbers[f"s{case}_{prefix}_{key}"]))
    without = ", no crowds" * (prefix != "coco")
    for quantity, of_quantity in pairs.items():
        yield Comparison(f"COCO: {quantity}{without}", "pycocotools", of_quantity, FLOAT64)


def tables_of_coco(result):
    """What pycocotools' tables are called in the numbers, what they are, and ours."""
    precision = with_all_classes(result.precision, result.labels, 4, axis=2)[..., -1]  # (T, R, K, A)
    recall = with_all_classes(result.recall, result.labels, 4, axis=1)[:, :, 0]  # (T, K, M)
    return {
        "stats": ("the twelve numbers", twelve(result)),
        "class_ap": ("AP by class and area", precision.mean(axis=(0, 1))),
        "class_ap50": ("AP50 by class", precision[0, :, :, 0].mean(axis=0)),
        "class_ap_by_iou": ("AP by class and IoU", precision[..., 0].mean(axis=1).T),
        "class_ar": ("AR by class and limit", recall.mean(axis=0)),
    }
