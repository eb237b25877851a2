"""What a convention does up to the loss, beside the numbers of its implementation."""

from __future__ import annotations

import numpy as np
from comparison import FLOAT32, FLOAT64, PEERS, Comparison, pairs_of_gradient
from prior_configs import DIVE_INTO_DEEP_LEARNING, SMALL
from reference_numbers import LossCase, split, under

from minissd import boxes, codec
from minissd.config import SSD300_COCO, SSD300_VOC, SSD512_VOC
from minissd.nn import L2Norm
from minissd.priors import prior_boxes

# The normalisation of conv4_3 ----------------------------------------------------------------------------

STORED_NORMS = {"amdegroot": "", "torchvision": "_tv", "caffe": "_caffe"}
LAST_DIGITS = 1e-14  # the three guards against a division by 0 differ in the eleventh


def check_layers(numbers, convention):
    config, pairs = convention.config(SSD300_VOC), {"y": [], "ggamma": [], "gx": []}
    for i in filter(lambda i: f"l2norm{i}_x" in numbers, (0, 1)):
        x, gamma = numbers[f"l2norm{i}_x"], numbers.get(f"l2norm{i}_gamma", np.full(16, 20.0))
        norm = L2Norm(len(gamma), eps=config.l2norm_epsilon, guard=config.l2norm_guard)
        norm.params["weight"], dy = gamma, numbers.get(f"l2norm{i}_gy", np.ones(x.shape))
        ours = {"y": norm.forward(x), "gx": norm.backward(dy), "ggamma": norm.grads["weight"]}
        if convention.name == "caffe" and np.ptp(gamma):
            del ours["gx"]  # Caffe's is not the gradient where the scales differ
        for kind, array in ours.items():
            if (theirs := numbers.get(f"l2norm{i}_{kind}{STORED_NORMS[convention.name]}")) is not None:
                pairs[kind].append((array[: len(theirs)], theirs))  # a copy has the first image
    for kind, of_kind in pairs.items():
        if of_kind:
            yield Comparison(f"L2 norm, {kind}", convention.name, of_kind, LAST_DIGITS)


# Default boxes -------------------------------------------------------------------------------------------


def _keep(priors_cxcywh):
    return priors_cxcywh


def _corners_of_300(priors_cxcywh):
    return boxes.cxcywh_to_xyxy(priors_cxcywh) * 300


def _first_64_of(side):
    return lambda priors_cxcywh: priors_cxcywh[:64, [1, 0, 3, 2]] * side  # (cy, cx, h, w)


STORED_PRIORS = [  # key, convention, configuration, what was changed in it, form of the stored boxes
    ("amd_voc300_noclip_f32", "amdegroot", SSD300_VOC, {"clip": False}, _keep),
    ("amd_voc300_noclip_f64", "amdegroot", SSD300_VOC, {"clip": False}, _keep),
    ("amd_voc300_clip_f32", "amdegroot", SSD300_VOC, {}, _keep),
    ("tv_ssd300_cxcywh_f32", "torchvision", SSD300_COCO, {}, _keep),
    ("tv_ssd300_xyxy_px_f32", "torchvision", SSD300_COCO, {}, _corners_of_300),
    ("luf_voc512_f32", "lufficc", SSD512_VOC, {"clip": False}, _keep),
    ("sgr_ssd300_f32", "sgrvinod", SSD300_VOC, {}, _keep),
    ("d2l_tinyssd_xyxy_f32", "d2l", DIVE_INTO_DEEP_LEARNING, {}, boxes.cxcywh_to_xyxy),
    ("ccv_ssd300_cxcywh_f64", "chainercv", SSD300_VOC, {}, _keep),
    ("ccv_ssd300_raw_first64_cycxhw_px_f64", "chainercv", SSD300_VOC, {}, _first_64_of(300)),
    ("ccv_ssd512_cxcywh_f64", "chainercv", SSD512_VOC, {}, _keep),
    ("ccv_ssd512_raw_first64_cycxhw_px_f64", "chainercv", SSD512_VOC, {}, _first_64_of(512)),
    ("caffe_voc300_xyxy_f32", "caffe", SSD300_VOC, {}, boxes.cxcywh_to_xyxy),
    ("caffe_voc512_xyxy_f32", "caffe_integer", SSD512_VOC, {}, boxes.cxcywh_to_xyxy),
    ("caffe_small_10x10_img100_xyxy_f32", "caffe", SMALL, {}, boxes.cxcywh_to_xyxy),
]


def check_priors(numbers, convention):
    for key, name, config, changes, form in STORED_PRIORS:
        if name == convention.name and key in numbers:
            ours = form(prior_boxes(convention.config(config, **changes)))
            rows = numbers.get(f"rows{config.image_size}", slice(None))  # a copy has these only
            tolerance = FLOAT64 if key.endswith("f64") else FLOAT32
            yield Comparison(key, name, [(ours[rows], numbers[key])], tolerance)


# Matching and encoding -----------------------------------------------------------------------------------


def check_matching(numbers, convention):
    peer, priors_cxcywh = PEERS[convention.name], prior_boxes(SSD300_VOC)
    equal, reached = [], []
    for case, gt_xyxy in enumerate(split(numbers["gts"], numbers["gt_offsets"])):
        ours, theirs = convention.match(gt_xyxy, priors_cxcywh), numbers[f"idx_{peer}"][case]
        if numbers["tie_free"][case]:
            equal.append((ours, np.maximum(theirs, -1)))  # -3: does not run without objects
        else:  # which of several equally good priors is rounding; how good they are is not
            reached.append(best_overlaps_of_both(gt_xyxy, priors_cxcywh, ours, theirs))
    yield Comparison("prior -> object, SSD300", convention.name, equal)
    yield Comparison("IoU that objects with tied priors reach", convention.name, reached, FLOAT64)
    small = [
        (convention.match(numbers[f"small{i}_gts"], numbers[f"small{i}_priors"]), numbers[f"small{i}_{peer}"])
        for i in range(numbers["n_small"])
    ]
    yield Comparison("prior -> object, few boxes", convention.name, small)


def best_overlaps_of_both(gt_xyxy, priors_cxcywh, ours, theirs):
    """Best IoU of each object with its priors, if it has some in both: ties decide who is lost."""
    overlaps, objects = boxes.iou(boxes.cxcywh_to_xyxy(priors_cxcywh), gt_xyxy), range(len(gt_xyxy))
    best = [np.where(match[:, None] == objects, overlaps, 0).max(axis=0) for match in (ours, theirs)]
    return tuple(of_one[np.all(best, axis=0)] for of_one in best)


def check_encode(numbers, convention):
    peer, priors_cxcywh = PEERS[convention.name], numbers["prior_cxcywh"]
    limit = convention.detection.max_log_size
    decoded = codec.decode(numbers["dec_loc"], priors_cxcywh, max_log_size=limit)
    ours = {
        f"enc_{peer}": convention.encode(numbers["gt_xyxy"], priors_cxcywh),
        f"dec_{peer}_xyxy": decoded,
        f"dec_{peer}_clip_xyxy": boxes.clip(decoded),
        f"decbig_{peer}_xyxy": codec.decode(numbers["decbig_loc"], priors_cxcywh[:24], max_log_size=limit),
    }
    for key in filter(numbers.__contains__, ours):
        tolerance = FLOAT32 if peer == "caffe" else FLOAT64
        yield Comparison(key, convention.name, list(zip(ours[key], numbers[key])), tolerance)


# Loss ----------------------------------------------------------------------------------------------------


def check_multibox_loss(numbers, convention, peer=None, dtype=np.float64):
    peer, pairs = peer or PEERS[convention.name], {"losses": [], "counts": [], "gradients": []}
    for case in range(numbers["n_cases"]):
        batch = LossCase(numbers, case, **vars(convention.matching))
        *floats, conf_target = batch.predictions_and_targets
        result = convention.multibox_loss(*(array.astype(dtype) for array in floats), conf_target)
        stored = under(f"{peer}_", batch.expected)
        pairs["losses"] += pairs_of_losses(result, stored)
        pairs["counts"] += pairs_of_counts(result, conf_target > 0, stored)
        pairs["gradients"] += pairs_of_gradients(result, stored)
    tolerance = FLOAT32 if "caffe" in peer else FLOAT64  # its boxes are float32
    name = convention.name + (", float32" if dtype == np.float32 else "")
    yield Comparison("losses", name, pairs["losses"], tolerance)
    yield Comparison("positives and negatives of an image", name, pairs["counts"])
    if pairs["gradients"]:
        yield Comparison("sums of the gradients", name, pairs["gradients"], tolerance)


def pairs_of_losses(result, stored):
    if "total" not in stored:
        return [(result.loc, stored["loss_loc"]), (result.conf, stored["loss_conf"])]
    sums = np.array([result.loc, result.conf]) * max(result.num_pos, 1)
    return [(result.value, stored["total"]), *zip(sums, [stored["loss_loc_sum"], stored["loss_conf_sum"]])]


def pairs_of_counts(result, positive, stored):
    ours = {
        "num_pos": positive.sum(axis=1),
        "num_neg": (result.hard_negatives & ~positive).sum(axis=1),
        "num_match": positive.sum(),
    }
    return [(count, stored[name]) for name, count in ours.items() if name in stored]


def pairs_of_gradients(result, stored):
    pairs = []
    for name, gradient in (("gloc", result.dloc), ("gconf", result.dconf)):
        if f"{name}_sum" in stored:
            sums = (stored[f"{name}_{kind}"] for kind in ("sum", "abssum", "sqsum"))
            pairs += pairs_of_gradient(gradient.astype(np.float64), *sums)
    return pairs
