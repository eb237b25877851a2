"""Matching without the IoU matrix: thirty-two default boxes at a time.

The definition is `minissd.matching.best_overlaps_by_matrix`; the results here are the same to the last bit.
Three things make it fast:

* **Blocks.** The left edges of 32 priors lie side by side in memory, so do their top edges, and so on. The
  loop over a block has no branches, and the compiler turns it into instructions that work on 4 or 8 priors
  each.
* **Bounds.** Priors that follow each other are neighbours in the image. One comparison with the box around
  all 32 shows that an object is elsewhere, as it is for most blocks.
* **One visit.** An IoU is used when it is computed, by the prior that seeks its best ground truth and by the
  ground truth that seeks its best prior, and then forgotten. Memory grows with P + G, not with P * G.
"""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled, part
from minissd.nn.fast.team import share_out, team

BLOCK = 32  # priors
X1, Y1, X2, Y2, AREA = range(5)  # rows of a block

BACKGROUND = -1
MIN_OVERLAP = 1e-6  # see minissd.matching
NO_BOX = np.empty((0, 4))  # np.concatenate needs at least one array

FORCE_NOTHING, FORCE_ARGMAX, FORCE_BIPARTITE = range(3)
RULES = {
    "bipartite": FORCE_BIPARTITE,
    "argmax": FORCE_ARGMAX,
    "torchvision": FORCE_ARGMAX,
    "threshold": FORCE_NOTHING,
}


@compiled
def match(gt_xyxy, priors_cxcywh, iou_threshold, rule):
    """See `minissd.matching.match`; `rule` is one of the values of `RULES`."""
    matched_gt, best_iou = room_for_blocks(len(priors_cxcywh))
    match_into(matched_gt, best_iou, gt_xyxy, priors_cxcywh, iou_threshold, rule)
    return matched_gt[: len(priors_cxcywh)]


def match_batch(gt_xyxy, priors_cxcywh, iou_threshold, rule):
    """See `minissd.matching.match_batch`; `rule` is one of the values of `RULES`."""
    workers = team()
    objects = joined(gt_xyxy)
    return match_images(workers.mailbox, workers.size, *objects, priors_cxcywh, iou_threshold, rule)


def joined(gt_xyxy):
    """The objects of all images in one array, and `ends`: those of image n are at ends[n] : ends[n + 1]."""
    return np.concatenate([NO_BOX, *gt_xyxy]), np.cumsum([0, *map(len, gt_xyxy)])


@compiled
def match_images(mailbox, threads, gt_xyxy, ends, priors_cxcywh, iou_threshold, rule):
    """Match image by image, each on whichever core is free."""
    room = in_whole_blocks(len(priors_cxcywh))
    matched_gt, best_iou = np.empty((len(ends) - 1, room), np.int64), np.empty((threads, room))
    arguments = matched_gt, best_iou, gt_xyxy, ends, priors_cxcywh, iou_threshold, rule
    share_out(mailbox, len(ends) - 1, match_image, arguments)
    return matched_gt[:, : len(priors_cxcywh)]


@part
def match_image(thread, n, matched_gt, best_iou, gt_xyxy, ends, priors_cxcywh, iou_threshold, rule):
    """Match one image of a batch."""
    gt_of_image = gt_xyxy[ends[n] : ends[n + 1]]
    match_into(matched_gt[n], best_iou[thread], gt_of_image, priors_cxcywh, iou_threshold, rule)


@compiled
def match_into(matched_gt, best_iou, gt_xyxy, priors_cxcywh, iou_threshold, rule):
    """Write what `match` returns; `best_iou` is memory to work in. Both have room for whole blocks."""
    forced_prior = find_best(gt_xyxy, priors_cxcywh, rule, matched_gt, best_iou)
    for p in range(len(matched_gt)):
        matched_gt[p] = matched_gt[p] if best_iou[p] >= iou_threshold else BACKGROUND
    for g in range(len(gt_xyxy)):
        if forced_prior[g] != BACKGROUND:
            matched_gt[forced_prior[g]] = g


@compiled
def best_overlaps(gt_xyxy, priors_cxcywh, rule):
    """See `minissd.matching.best_overlaps`; `rule` is one of the values of `RULES`."""
    num_priors = len(priors_cxcywh)
    best_gt, best_iou = room_for_blocks(num_priors)
    forced_prior = find_best(gt_xyxy, priors_cxcywh, rule, best_gt, best_iou)
    return best_gt[:num_priors], best_iou[:num_priors], forced_prior


@compiled
def room_for_blocks(num_priors):
    """Memory for a whole number and a fraction per prior, those included that fill up the last block."""
    size = in_whole_blocks(num_priors)
    return np.empty(size, np.int64), np.empty(size)


@part
def in_whole_blocks(num_priors):
    """The number of priors, rounded up to whole blocks."""
    return (num_priors + BLOCK - 1) // BLOCK * BLOCK


@compiled
def find_best(gt_xyxy, priors_cxcywh, rule, best_gt, best_iou):
    """Write each prior's best ground truth and IoU; return the prior that each ground truth forces."""
    best_prior, best_prior_iou = np.full(len(gt_xyxy), BACKGROUND), np.full(len(gt_xyxy), MIN_OVERLAP)
    bounds = np.empty((len(best_gt) // BLOCK, 4))
    block, iou = np.empty((5, BLOCK)), np.empty(BLOCK)
    for b in range(len(bounds)):
        first = b * BLOCK
        fill_block(block, priors_cxcywh, first)
        find_bounds(bounds, b, block)
        for i in range(BLOCK):
            best_gt[first + i], best_iou[first + i] = BACKGROUND, MIN_OVERLAP
        for g in range(len(gt_xyxy)):
            if is_elsewhere(gt_xyxy, g, bounds, b):
                continue
            iou_with_block(gt_xyxy, g, block, iou)
            records = 0
            for i in range(BLOCK):
                better = iou[i] > best_iou[first + i]
                best_gt[first + i] = g if better else best_gt[first + i]
                best_iou[first + i] = iou[i] if better else best_iou[first + i]
                records += iou[i] > best_prior_iou[g]
            if records:
                find_record(iou, g, first, best_prior, best_prior_iou)
        for i in range(BLOCK):
            best_iou[first + i] = best_iou[first + i] if best_gt[first + i] != BACKGROUND else 0.0
    return forced_priors(gt_xyxy, priors_cxcywh, bounds, rule, best_prior, best_prior_iou)


@compiled
def find_record(iou, g, first, best_prior, best_prior_iou):
    """Write which of 32 priors, from number `first`, is the best of ground truth `g`; the lowest on ties."""
    for i in range(BLOCK):
        if iou[i] > best_prior_iou[g]:
            best_prior[g], best_prior_iou[g] = first + i, iou[i]


@compiled
def fill_block(block, priors_cxcywh, first):
    """Write 32 priors, from number `first`, as corners and area; behind the last, what overlaps nothing."""
    for i in range(BLOCK):
        x1, y1, x2, y2 = np.inf, np.inf, -np.inf, -np.inf
        p = first + i
        if p < len(priors_cxcywh):
            half_width, half_height = priors_cxcywh[p, 2] / 2, priors_cxcywh[p, 3] / 2
            x1, x2 = priors_cxcywh[p, 0] - half_width, priors_cxcywh[p, 0] + half_width
            y1, y2 = priors_cxcywh[p, 1] - half_height, priors_cxcywh[p, 1] + half_height
        block[X1, i], block[Y1, i], block[X2, i], block[Y2, i] = x1, y1, x2, y2
        block[AREA, i] = (x2 - x1) * (y2 - y1)


@compiled
def find_bounds(bounds, b, block):
    """Write the corners of the box around a block."""
    x1, y1, x2, y2 = block[X1, 0], block[Y1, 0], block[X2, 0], block[Y2, 0]
    for i in range(1, BLOCK):
        x1, y1 = min(x1, block[X1, i]), min(y1, block[Y1, i])
        x2, y2 = max(x2, block[X2, i]), max(y2, block[Y2, i])
    bounds[b, X1], bounds[b, Y1], bounds[b, X2], bounds[b, Y2] = x1, y1, x2, y2


@compiled
def is_elsewhere(gt_xyxy, g, bounds, b):
    """Whether a ground truth lies beside the box around a block."""
    beside = gt_xyxy[g, X1] >= bounds[b, X2] or gt_xyxy[g, X2] <= bounds[b, X1]
    return beside or gt_xyxy[g, Y1] >= bounds[b, Y2] or gt_xyxy[g, Y2] <= bounds[b, Y1]


@compiled(error_model="numpy")  # division by zero gives NaN; an exception could not be raised for 8 at once
def iou_with_block(gt_xyxy, g, block, iou):
    """Write the IoU of one ground truth with the 32 priors of a block; `minissd.boxes.iou` in scalars."""
    x1, y1, x2, y2 = gt_xyxy[g, X1], gt_xyxy[g, Y1], gt_xyxy[g, X2], gt_xyxy[g, Y2]
    area = (x2 - x1) * (y2 - y1)
    for i in range(BLOCK):
        width = min(block[X2, i], x2) - max(block[X1, i], x1)
        height = min(block[Y2, i], y2) - max(block[Y1, i], y1)
        intersection = width * height
        ratio = intersection / (block[AREA, i] + area - intersection)
        iou[i] = ratio if (width > 0) & (height > 0) else 0.0


@compiled
def forced_priors(gt_xyxy, priors_cxcywh, bounds, rule, best_prior, best_prior_iou):
    """The prior that each ground truth forces, given the one that it overlaps best."""
    if rule == FORCE_BIPARTITE:
        return force_bipartite(gt_xyxy, priors_cxcywh, bounds, best_prior, best_prior_iou)
    if rule == FORCE_ARGMAX:
        return np.maximum(best_prior, 0)  # prior 0 where nothing overlaps
    return np.full(len(gt_xyxy), BACKGROUND)


@compiled
def force_bipartite(gt_xyxy, priors_cxcywh, bounds, wanted, wanted_iou):
    """Greedy bipartite matching: the largest IoU of all pairs first, each side used once.

    Every ground truth wants its best prior. The one with the strongest wish gets it, if it is still free,
    and else looks for the best prior that is. What is taken stays taken, so no wish ever grows stronger, and
    those that are out of date need no attention before it is their turn.
    """
    forced = np.full(len(gt_xyxy), BACKGROUND)
    taken = np.zeros(len(bounds) * BLOCK, np.bool_)
    while True:
        g = strongest_wish(wanted, wanted_iou, forced)
        if g == -1:  # what remains overlaps no free prior
            return forced
        if taken[wanted[g]]:
            wanted[g], wanted_iou[g] = best_free_prior(gt_xyxy, priors_cxcywh, bounds, g, taken)
        else:
            forced[g] = wanted[g]
            taken[wanted[g]] = True


@compiled
def strongest_wish(wanted, wanted_iou, forced):
    """The unserved ground truth of largest IoU, on ties of the lowest prior, then the first; -1 if none."""
    strongest = -1
    for g in range(len(wanted)):
        if forced[g] != BACKGROUND or wanted[g] == BACKGROUND:
            continue
        if strongest == -1 or (-wanted_iou[g], wanted[g]) < (-wanted_iou[strongest], wanted[strongest]):
            strongest = g
    return strongest


@compiled
def best_free_prior(gt_xyxy, priors_cxcywh, bounds, g, taken):
    """The prior that overlaps one box best among those not taken, the lowest on ties; -1 if none does."""
    best, best_iou = BACKGROUND, MIN_OVERLAP
    block, iou = np.empty((5, BLOCK)), np.empty(BLOCK)
    for b in range(len(bounds)):
        if not is_elsewhere(gt_xyxy, g, bounds, b):
            fill_block(block, priors_cxcywh, b * BLOCK)
            iou_with_block(gt_xyxy, g, block, iou)
            for i in range(BLOCK):
                if iou[i] > best_iou and not taken[b * BLOCK + i]:
                    best, best_iou = b * BLOCK + i, iou[i]
    return best, best_iou
