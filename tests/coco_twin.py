"""COCO's evaluation once more, as plainly as it can be said: the slow twin of minissd.coco_ap."""

import numpy as np

from minissd.coco_result import RECALL_POINTS


def plain_overlap(found, truth, crowd):
    """IoU of two boxes; with a crowd, the part of the found box that lies in it."""
    width = min(found[2], truth[2]) - max(found[0], truth[0])
    height = min(found[3], truth[3]) - max(found[1], truth[1])
    shared = max(width, 0) * max(height, 0)
    area, truth_area = ((b[2] - b[0]) * (b[3] - b[1]) for b in (found, truth))
    return shared / (area if crowd else area + truth_area - shared)


def plain_verdicts(found, truths, iou_threshold, low, high):
    """Verdicts on (box, score) pairs of one image, best first: "right", "wrong" or "ignored"."""
    claimed, verdicts = set(), []
    ignores = [crowd or not low <= area <= high for _, crowd, area in truths]
    for box, _ in found:
        open_to_it = []
        for g, (truth, crowd, _) in enumerate(truths):
            overlap = plain_overlap(box, truth, crowd)
            if overlap >= iou_threshold and (crowd or g not in claimed):
                open_to_it.append((not ignores[g], overlap, g))
        if open_to_it:
            counts, _, g = max(open_to_it)  # one that counts, then the largest overlap, then the last
            claimed.add(g)
            verdicts.append("right" if counts else "ignored")
        else:
            own_area = (box[2] - box[0]) * (box[3] - box[1])
            verdicts.append("wrong" if low <= own_area <= high else "ignored")
    return verdicts, len(ignores) - sum(ignores)


def plain_tables(detections, truths, label, iou_threshold, area_range, limit):
    """Precision at the 101 recalls, and the recall, of one class at one setting."""
    judged, num_objects = [], 0
    for (boxes, scores, labels), truth in zip(detections, truths):
        found = [(box, score) for box, score, c in zip(boxes, scores, labels) if c == label]
        found = sorted(found, key=lambda pair: -pair[1])[:limit]
        areas = truth.area_px
        wanted = [t for *t, c in zip(truth.gt_xyxy, truth.crowd, areas, truth.labels) if c == label]
        verdicts, count = plain_verdicts(found, wanted, iou_threshold, *area_range)
        judged += [(score, verdict) for (_, score), verdict in zip(found, verdicts)]
        num_objects += count
    if num_objects == 0:
        return np.full(101, np.nan), np.nan
    judged = [v for _, v in sorted(judged, key=lambda pair: -pair[0]) if v != "ignored"]
    points = [(judged[: i + 1].count("right"), i + 1) for i in range(len(judged))]
    curve = [max((r / n for r, n in points if r / num_objects >= j), default=0.0) for j in RECALL_POINTS]
    return np.array(curve), judged.count("right") / num_objects
