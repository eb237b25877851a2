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
    numbers = torch.arange(gt_xyxy.shape[-2], device=gt_xyxy.device).expand_as(best_prior)
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
    within = torch.arange(longest, device=wanted.device) < wanted[:, None]
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
    """Offsets (..., P, 4) to corners (..., P, 4)."""
    center = priors_cxcywh[:, :2] + loc[..., :2] * variances[0] * priors_cxcywh[:, 2:]
    size = priors_cxcywh[:, 2:] * torch.exp(loc[..., 2:] * variances[1])
    return torch.cat([center - size / 2, center + size / 2], dim=-1)


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


def suppress_torchvision(boxes_xyxy, scores, labels):
    """All classes at once, by torchvision's compiled program."""
    return peers.require("torchvision").ops.batched_nms(boxes_xyxy, scores, labels, IOU_THRESHOLD)


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
    over = (iou(boxes_xyxy, boxes_xyxy) > IOU_THRESHOLD).cpu().numpy()
    suppressed = torch.zeros(len(over), dtype=torch.bool).numpy()
    for row in range(len(over)):
        if not suppressed[row]:
            suppressed[row + 1 :] |= over[row, row + 1 :]
    return torch.from_numpy(~suppressed).to(boxes_xyxy.device)


# -- post-processing of a batch, on a GPU --------------------------------------------------------------------


def detect_each(loc, conf, priors_cxcywh, variances, suppress):
    """`detect` for one image after the other; the result goes to the processor.

    Returns
    -------
    list of (boxes_xyxy, scores, labels, priors)
    """
    found = [detect(*of_image, priors_cxcywh, variances, suppress) for of_image in zip(loc, conf)]
    return [tuple(tensor.cpu() for tensor in of_image) for of_image in found]


def detect_together(loc, conf, priors_cxcywh, variances):
    """The same without a loop: all classes of all images of a batch at once."""
    scores = conf.softmax(dim=2)[..., 1:].transpose(1, 2)  # (N, C - 1, P)
    boxes_xyxy = decode(loc, priors_cxcywh, variances)
    best, priors, kept = nms_together(scores, boxes_xyxy)  # (N, C - 1, K)
    best = best.masked_fill(~kept, 0).flatten(1)
    scores, places = best.topk(min(KEEP_TOP_K, best.shape[1]), dim=1)  # (N, D)
    labels, priors = places // kept.shape[2] + 1, priors.flatten(1).gather(1, places)
    boxes_xyxy = boxes_xyxy.gather(1, priors[..., None].expand(-1, -1, 4))
    found = [tensor.cpu() for tensor in (boxes_xyxy, scores, labels, priors)]
    counts = (found[1] > 0).sum(dim=1).tolist()
    return [tuple(tensor[n, :count] for tensor in found) for n, count in enumerate(counts)]


def nms_each(scores, boxes_xyxy, suppress):
    """The candidates and the survivors of each class, suppressed image by image; as `nms_together`."""
    best, priors = scores.topk(min(TOP_K, scores.shape[2]), dim=2)
    kept = torch.zeros_like(best, dtype=torch.bool)
    for n, candidates in enumerate(best > SCORE_THRESHOLD):
        column, k = candidates.nonzero(as_tuple=True)
        rows = suppress(boxes_xyxy[n, priors[n, column, k]], best[n, column, k], column)
        kept[n, column[rows], k[rows]] = True
    return best, priors, kept


def nms_together(scores, boxes_xyxy):
    """The candidates and the survivors of each class of each image.

    Parameters
    ----------
    scores : tensor, (N, C - 1, P)
    boxes_xyxy : tensor, (N, P, 4)

    Returns
    -------
    best, priors, kept : tensor, (N, C - 1, K)
        The best scores of each class, whose they are, and whether they survive.
    """
    best, priors = scores.topk(min(TOP_K, scores.shape[2]), dim=2)
    images = torch.arange(len(boxes_xyxy), device=boxes_xyxy.device)[:, None, None]
    return best, priors, (best > SCORE_THRESHOLD) & _survivors(boxes_xyxy[images, priors])


def _survivors(boxes_xyxy):
    """Which of the boxes (..., K, 4), best first, survive: (..., K).

    Whoever is suppressed suppresses nobody. With everyone as survivor at first, each round is right for one
    more link of the longest chain of boxes that suppress each other.
    """
    over = (iou(boxes_xyxy, boxes_xyxy) > IOU_THRESHOLD).triu(diagonal=1)
    kept = torch.ones_like(over[..., 0])
    while True:
        before, kept = kept, ~(over & kept[..., None]).any(dim=-2)
        if torch.equal(before, kept):
            return kept
