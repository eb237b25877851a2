"""Matching, mining and post-processing as they are commonly written in PyTorch, each in several ways.

Boxes are float32 tensors. Every variant gives the same result; the fastest one counts.
"""

from __future__ import annotations

from minissd.bench import peers

torch = peers.require("torch")


def iou(a_xyxy, b_xyxy):
    """IoU of all pairs: (..., A, 4) and (..., B, 4) give (..., A, B)."""
    upper_left = torch.maximum(a_xyxy[..., :, None, :2], b_xyxy[..., None, :, :2])
    lower_right = torch.minimum(a_xyxy[..., :, None, 2:], b_xyxy[..., None, :, 2:])
    intersection = (lower_right - upper_left).clamp(min=0).prod(dim=-1)
    area_a, area_b = ((boxes[..., 2:] - boxes[..., :2]).prod(dim=-1) for boxes in (a_xyxy, b_xyxy))
    return intersection / (area_a[..., :, None] + area_b[..., None, :] - intersection)


# -- matching: (G, 4), (P, 4) give (P,), -1 for background ---------------------------------------------------


def match_loop(gt_xyxy, priors_xyxy, iou_threshold=0.5):
    """Force one ground truth after the other."""
    matched_gt, best_prior = _over_threshold(gt_xyxy, priors_xyxy, iou_threshold)
    for g in range(len(gt_xyxy)):
        matched_gt[best_prior[g]] = g
    return matched_gt


def match_vectorised(gt_xyxy, priors_xyxy, iou_threshold=0.5):
    """Force all ground truths at once; also for a batch (N, G, 4), which gives (N, P)."""
    matched_gt, best_prior = _over_threshold(gt_xyxy, priors_xyxy, iou_threshold)
    numbers = torch.arange(gt_xyxy.shape[-2]).expand_as(best_prior)
    return matched_gt.scatter_(-1, best_prior, numbers)


def _over_threshold(gt_xyxy, priors_xyxy, iou_threshold):
    overlaps = iou(gt_xyxy, priors_xyxy)  # (..., G, P)
    best_iou, best_gt = overlaps.max(dim=-2)
    return best_gt.masked_fill_(best_iou < iou_threshold, -1), overlaps.argmax(dim=-1)


# -- mining: (N, P) and (N, P) give (N, P) -------------------------------------------------------------------


def mine_topk(conf_loss, positive, neg_pos_ratio=3):
    """Take as many losses as the image with the most positives needs, and drop what the others do not."""
    wanted = _number_wanted(positive, neg_pos_ratio)
    longest = int(wanted.max())
    hardest = conf_loss.masked_fill(positive, -torch.inf).topk(longest, dim=1).indices
    within = torch.arange(longest) < wanted[:, None]
    return torch.zeros_like(positive).scatter_(1, hardest, within)


def mine_double_argsort(conf_loss, positive, neg_pos_ratio=3):
    """Rank every loss: the place in the order of the order."""
    order = conf_loss.masked_fill(positive, -torch.inf).argsort(dim=1, descending=True)
    return order.argsort(dim=1) < _number_wanted(positive, neg_pos_ratio)[:, None]


def _number_wanted(positive, neg_pos_ratio):
    num_pos = positive.sum(dim=1)
    return (neg_pos_ratio * num_pos).clamp(max=positive.shape[1]).minimum(positive.shape[1] - num_pos)


# -- post-processing -----------------------------------------------------------------------------------------

SCORE_THRESHOLD, IOU_THRESHOLD, TOP_K, KEEP_TOP_K = 0.01, 0.45, 400, 200


def decode(loc, priors_cxcywh, variances):
    """Offsets (P, 4) to corners (P, 4)."""
    center = priors_cxcywh[:, :2] + loc[:, :2] * variances[0] * priors_cxcywh[:, 2:]
    size = priors_cxcywh[:, 2:] * torch.exp(loc[:, 2:] * variances[1])
    return torch.cat([center - size / 2, center + size / 2], dim=1)


def detect(loc, conf, priors_cxcywh, variances, suppress):
    """Softmax, decode, threshold, suppress and keep the best of one image.

    Parameters
    ----------
    loc : tensor, (P, 4)
    conf : tensor, (P, C)
    priors_cxcywh : tensor, (P, 4)
    variances : (float, float)
    suppress : callable
        ``suppress(boxes_xyxy, scores, labels) -> rows``, `suppress_by_class` or another way.

    Returns
    -------
    boxes_xyxy, scores, labels, priors : tensor
    """
    scores = conf.softmax(dim=1)[:, 1:]
    boxes_xyxy = decode(loc, priors_cxcywh, variances)
    best, priors = scores.topk(min(TOP_K, len(scores)), dim=0)  # (K, C - 1), best first
    k, column = (best > SCORE_THRESHOLD).nonzero(as_tuple=True)
    priors, scores, labels = priors[k, column], best[k, column], column + 1
    rows = suppress(boxes_xyxy[priors], scores, labels)
    rows = rows[scores[rows].argsort(descending=True)[:KEEP_TOP_K]]
    return boxes_xyxy[priors[rows]], scores[rows], labels[rows], priors[rows]


def suppress_by_class(boxes_xyxy, scores, labels):
    """One class after the other."""
    kept = []
    for label in labels.unique():
        rows = (labels == label).nonzero()[:, 0]
        rows = rows[scores[rows].argsort(descending=True)]
        kept.append(rows[_greedy(boxes_xyxy[rows])])
    return torch.cat(kept)


def suppress_together(boxes_xyxy, scores, labels):
    """All classes at once: each is moved to a place of its own, where it overlaps no other."""
    order = scores.argsort(descending=True)
    reach = boxes_xyxy.abs().max() * 2 + 1
    apart = boxes_xyxy.double() + (labels * reach)[:, None]  # in float32 they would lose digits so far out
    return order[_greedy(apart[order])]


def suppress_opencv(boxes_xyxy, scores, labels):
    """One class after the other, each by OpenCV."""
    cv2 = peers.require("cv2")
    boxes_xywh = torch.cat([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], dim=1).double().numpy()
    kept = []
    for label in labels.unique():
        rows = (labels == label).nonzero()[:, 0]
        numbers = rows.numpy()
        found = cv2.dnn.NMSBoxes(boxes_xywh[numbers], scores[rows].numpy(), 0.0, IOU_THRESHOLD)
        kept.append(rows[torch.as_tensor(found, dtype=torch.long)])
    return torch.cat(kept)


def _greedy(boxes_xyxy):
    """Which of the boxes, best first, are kept; the rows of the mask are walked in NumPy, which is faster."""
    over = (iou(boxes_xyxy, boxes_xyxy) > IOU_THRESHOLD).numpy()
    suppressed = torch.zeros(len(over), dtype=torch.bool).numpy()
    for row in range(len(over)):
        if not suppressed[row]:
            suppressed[row + 1 :] |= over[row, row + 1 :]
    return torch.from_numpy(~suppressed)
