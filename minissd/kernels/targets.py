"""The targets of a batch: matched and encoded image by image, each core its own images.

The definition is `minissd.targets.match_and_encode`. Here one compiled call does all images of a core, so
that nothing waits for Python between them, and the results are written where the batch wants them, not
stacked afterwards. The matching is the same to the last bit. The logarithm is another library's, so that an
offset may be rounded to the next float32.

Batches are prepared in the background. So these are threads of their own, and not those of
`minissd.nn.fast.team`, on which the network is at work meanwhile.
"""

from __future__ import annotations

import math

import numpy as np

from minissd.compilation import compiled
from minissd.kernels.matching import BACKGROUND, RULES, joined, match_into, room_for_blocks
from minissd.nn.threads import in_threads, spans

FEW_IMAGES = 3  # that are done before another thread could have been woken
NO_LABEL = np.empty(0, np.int64)  # np.concatenate needs at least one array


def make_targets(loc_target, conf_target, gt_xyxy, labels, priors_cxcywh, iou_threshold, rule, variances):
    """Write the targets of all images.

    Parameters
    ----------
    loc_target : ndarray of float32, (N, P, 4)
    conf_target : ndarray of int64, (N, P)
    gt_xyxy : list of ndarray of float64, N of (G_n, 4)
    labels : list of ndarray of int64, N of (G_n,)
    priors_cxcywh : ndarray of float64, (P, 4)
    iou_threshold, rule, variances
        As in `minissd.targets.make_targets`.

    Returns
    -------
    bool
        Whether all could be encoded. If not, a matched box has no positive width and height.
    """
    num_images = len(gt_xyxy)
    all_gt_xyxy, ends = joined(gt_xyxy)
    objects = all_gt_xyxy, np.concatenate([NO_LABEL, *labels]), ends
    settings = priors_cxcywh, float(iou_threshold), RULES[rule], float(variances[0]), float(variances[1])

    def run(images):
        return _targets(images.start, images.stop, loc_target, conf_target, *objects, *settings)

    return all(in_threads(run, spans(num_images) if num_images > FEW_IMAGES else [slice(0, num_images)]))


@compiled
def _targets(
    first, last, loc_target, conf_target, gt_xyxy, labels, ends, priors_cxcywh, iou_threshold, rule, v0, v1
):
    """Write the targets of the images `first` to `last`, which is not one of them."""
    matched_gt, best_iou = room_for_blocks(len(priors_cxcywh))
    for n in range(first, last):
        gt_of_image = gt_xyxy[ends[n] : ends[n + 1]]
        match_into(matched_gt, best_iou, gt_of_image, priors_cxcywh, iou_threshold, rule)
        conf_target[n], loc_target[n] = 0, 0
        for p in range(len(priors_cxcywh)):
            if matched_gt[p] != BACKGROUND:
                g = ends[n] + matched_gt[p]
                conf_target[n, p] = labels[g]
                if not encode(loc_target, n, p, gt_xyxy, g, priors_cxcywh, v0, v1):
                    return False
    return True


@compiled
def encode(loc_target, n, p, gt_xyxy, g, priors_cxcywh, v0, v1):
    """Write `minissd.codec.encode` of ground truth `g` and prior `p`; False where there is no logarithm."""
    cx, cy, width, height = priors_cxcywh[p, 0], priors_cxcywh[p, 1], priors_cxcywh[p, 2], priors_cxcywh[p, 3]
    gt_width, gt_height = gt_xyxy[g, 2] - gt_xyxy[g, 0], gt_xyxy[g, 3] - gt_xyxy[g, 1]
    if not (gt_width > 0 and gt_height > 0 and width > 0 and height > 0):  # NaN is not positive either
        return False
    loc_target[n, p, 0] = ((gt_xyxy[g, 0] + gt_xyxy[g, 2]) / 2 - cx) / width / v0
    loc_target[n, p, 1] = ((gt_xyxy[g, 1] + gt_xyxy[g, 3]) / 2 - cy) / height / v0
    loc_target[n, p, 2] = math.log(gt_width / width) / v1
    loc_target[n, p, 3] = math.log(gt_height / height) / v1
    return True
