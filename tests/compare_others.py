"""The method beside programs whose rules are no convention, and the parts of some that are one."""

from __future__ import annotations

import numpy as np
from compare_inference import check_coco
from compare_training import check_multibox_loss
from comparison import FLOAT64, PEERS, Comparison
from reference_numbers import LossCase, detection_case, evaluation_set, matched_by_iou, split, under

from minissd import matching
from minissd.config import SSD300_VOC
from minissd.conventions import CAFFE, CONVENTIONS
from minissd.evaluate import evaluate_voc, precision_recall
from minissd.nms import nms
from minissd.priors import prior_boxes
from minissd.softmax import softmax


def compare_matching(numbers):
    """Matrices of IoUs in place of boxes; Caffe's first stage alone."""
    for name, peer in PEERS.items():
        if f"mat0_{peer}" in numbers:
            pairs = [
                (matched_by_iou(CONVENTIONS[name].match, numbers[f"mat{i}_iou"]), numbers[f"mat{i}_{peer}"])
                for i in range(numbers["n_mat"])
            ]
            yield Comparison("prior -> object, matrices of IoUs", name, pairs)
    priors_cxcywh, pairs = prior_boxes(SSD300_VOC), []
    over_any_iou = vars(CAFFE.matching) | {"iou_threshold": 1.5}
    for case, gt_xyxy in enumerate(split(numbers["gts"], numbers["gt_offsets"])):
        if numbers["tie_free"][case]:
            ours = matching.match(gt_xyxy, priors_cxcywh, **over_any_iou)
            pairs.append((ours, numbers["idx_caffe_bipartite"][case]))
    yield Comparison("bipartite stage alone", "caffe", pairs)


def compare_multibox_loss(numbers):
    """Entry by entry; and Caffe's own run in single precision."""
    losses, entries, indices = [], [], []
    for case in range(numbers["n_cases"]):
        batch = LossCase(numbers, case)
        stored, result = batch.expected, CAFFE.multibox_loss(*batch.predictions_and_targets)
        losses += [(result.loc, stored["loss_loc"]), (result.conf, stored["loss_conf"])]
        for name, gradient in (("gloc", result.dloc), ("gconf", result.dconf)):
            entries.append((gradient.ravel()[stored[f"{name}_idx"]], stored[f"{name}_val"]))
        indices.append((batch.matched_gt, stored["match"]))
        indices.append((np.nonzero(result.hard_negatives)[1], stored["neg_idx"]))
    yield Comparison("losses", "PyTorch", losses, FLOAT64)
    yield Comparison("gradients, entry by entry", "PyTorch", entries, FLOAT64)
    yield Comparison("matches and mined negatives", "PyTorch", indices)
    yield from check_multibox_loss(numbers, CAFFE, "caffe32", np.float32)


# Suppression and average precision -----------------------------------------------------------------------


def compare_nms(numbers):
    pairs = {"opencv": [], "frcnn": [], "caffe": []}
    for case, threshold in enumerate(numbers["thr"]):
        of = under(f"case{case}_", numbers)
        pairs["opencv"].append((nms(of["boxes"], of["scores"], threshold), of["keep_opencv"]))
        wider = of["boxes"].astype(np.float64) + LAST_PIXEL
        pairs["frcnn"].append((nms(wider, of["scores"], threshold), of["keep_frcnn_plus1"]))
        (enough,) = np.nonzero(of["scores"] > 0.3)
        kept = enough[nms(of["boxes"][enough], of["scores"][enough], threshold, top_k=100)]
        pairs["caffe"].append((kept, of["keep_caffe_top100_score03"]))
    yield Comparison("kept boxes", "OpenCV", pairs["opencv"])
    yield Comparison("kept boxes, last pixel counts", "py-faster-rcnn", pairs["frcnn"])
    yield Comparison("kept boxes, score > .3, best 100", "caffe", pairs["caffe"])
    for name, peer, last_pixel, inclusive in EDGES:
        kept = [
            (
                nms(numbers[f"edge_{kind}_boxes"] + last_pixel, numbers["edge_scores"], 0.5, None, inclusive),
                numbers[f"edge_{kind}_{peer}"],
            )
            for kind in ("plain", "plus1")
        ]
        yield Comparison("kept boxes, IoU exactly the threshold", name, kept)
    pairs = []
    for case in range(numbers["det_n"]):
        probability = softmax(detection_case(numbers, case)[1][0])
        pairs.append(((probability[:, 1:] > 0.01).sum(axis=0), numbers[f"det{case}_candidates"]))
    yield Comparison("candidates of each class", "torchvision", pairs)


LAST_PIXEL = np.array([0, 0, 1, 1])
EDGES = [
    ("OpenCV", "opencv", 0, False),
    ("py-faster-rcnn", "frcnn_py", LAST_PIXEL, False),
    ("its Cython version", "frcnn_cython", LAST_PIXEL, True),
]


def compare_ap(numbers):
    """py-faster-rcnn's curves and average precisions; pycocotools' numbers if no object is a crowd."""
    curves, aps = [], {"11point_arange": [], "area": []}
    cases = [evaluation_set(numbers, case) for case in range(numbers["n_sets"])]
    for case, images in enumerate(cases):
        of = under(f"s{case}_", numbers)
        counted = np.flatnonzero(of["frcnn_npos"] > 0) + 1
        for metric, m in zip(aps, (0, 1)):
            for t, threshold in enumerate((0.5, 0.75, 0.3)):
                result = evaluate_voc(*images, threshold, metric, inclusive_pixels=True, strict=True)
                ours = [result.ap[label] for label in counted]
                aps[metric].append((ours, of["frcnn_ap"][t, counted - 1, m]))
        for label in counted:
            curve = precision_recall(*images, label, inclusive_pixels=True, strict=True)
            flags = of[f"frcnn_c{label}_tp"] + of[f"frcnn_c{label}_fp"]
            rows = flags > 0  # the others found difficult objects
            curves.append((curve.recall, of[f"frcnn_c{label}_rec"][rows]))
            curves.append((curve.precision, of[f"frcnn_c{label}_prec"][rows]))
    yield Comparison("recall and precision at each detection", "py-faster-rcnn", curves, FLOAT64)
    for metric, pairs in aps.items():
        yield Comparison(f"AP by class, {metric}", "py-faster-rcnn", pairs, FLOAT64)
    yield from check_coco(numbers, CONVENTIONS["torchvision"], cases, "coco_nocrowd")
