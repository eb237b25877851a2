"""What SSD does with boxes: matching, mining, suppression, and post-processing as a whole."""

from __future__ import annotations

from functools import partial

import numpy as np

from minissd import boxes, matching, mining, nms
from minissd.bench import peers
from minissd.bench.contest import Contest, Work, against_peers
from minissd.bench.device import PROCESSOR
from minissd.bench.timing import Contender
from minissd.bench.workloads.detection import batch_contest, image_contest, nms_batch_contest
from minissd.bench.workloads.training import random_boxes
from minissd.config import SSD300_VOC
from minissd.priors import prior_boxes

BATCH_SIZE = 32
CLEARLY = 1e-5  # difference of two IoUs that no rounding turns round
MINED_AGAINST = {"topk": "mine_topk", "double argsort": "mine_double_argsort"}


def works(setting):
    """List the rows."""
    return _works_on_gpu(setting.device) if setting.device.on_gpu else _works_on_cpu()


def _works_on_gpu(device):
    """No products, so no TF32."""
    batch = f"batch {BATCH_SIZE}"
    pieces = [
        (f"decode and NMS, {batch}", partial(batch_contest, BATCH_SIZE)),
        (f"NMS alone, {batch}", partial(nms_batch_contest, BATCH_SIZE)),
        *_mining_pieces(),
    ]
    for name, prepare in pieces:
        yield Work("boxes", name, against_peers(partial(prepare, device=device)))


def _works_on_cpu():
    pieces = [
        ("matcher, 8732 priors x 20 objects", partial(matcher_contest, 1, 20)),
        ("matcher, 32 images x 10 objects", partial(matcher_contest, 32, 10)),
        *_mining_pieces(),
        ("NMS, 8732 boxes, best 400", nms_contest),
        ("softmax, decode, NMS, keep 200 of an SSD300 image", image_contest),
    ]
    for name, prepare in pieces:
        yield Work("boxes", name, against_peers(prepare))


def _mining_pieces():
    for way in MINED_AGAINST:
        yield f"mining, batch {BATCH_SIZE}, against {way}", partial(mining_contest, way)


# -- matching ------------------------------------------------------------------------------------------------


def matcher_contest(num_images, num_objects):
    """Match drawn boxes to the default boxes of SSD300.

    Each object has a best default box of its own, so the rules agree. Ours, ``bipartite``, also looks for
    conflicts; the peers follow the simpler rule that the last object wins.
    """
    priors_cxcywh = prior_boxes(SSD300_VOC)
    gt_xyxy = distinct_boxes(np.random.default_rng(3), num_images, num_objects, priors_cxcywh)
    ours = Contender(
        "minissd",
        lambda: (
            matching.match_batch(gt_xyxy, priors_cxcywh)
            if num_images > 1
            else matching.match(gt_xyxy[0], priors_cxcywh)[None]
        ),
        lambda matched: {"matched_gt": matched},
    )
    return Contest(ours, _torch_matchers(gt_xyxy, priors_cxcywh) if peers.find("torch") else [])


def distinct_boxes(rng, num_images, num_objects, priors_cxcywh):
    """Draw (num_images, num_objects, 4) boxes that nobody can match in two ways.

    Within an image each has a best prior of its own, which is better than the second best by more than
    rounding.
    """
    priors_xyxy, images = boxes.cxcywh_to_xyxy(priors_cxcywh), []
    while len(images) < num_images:
        gt_xyxy = random_boxes(rng, num_objects)
        overlaps = boxes.iou(gt_xyxy, priors_xyxy)  # (G, P)
        second, first = np.sort(overlaps, axis=1)[:, -2:].T
        if len(set(overlaps.argmax(axis=1))) == num_objects and (first - second).min() > CLEARLY:
            images.append(gt_xyxy)
    return np.stack(images)


def _torch_matchers(gt_xyxy, priors_cxcywh):
    from minissd.bench.torch_boxes import match_loop, match_vectorised, torch

    gt = torch.from_numpy(gt_xyxy).float()
    priors = torch.from_numpy(boxes.cxcywh_to_xyxy(priors_cxcywh)).float()
    ways = {
        "PyTorch, object by object": lambda: torch.stack([match_loop(image, priors) for image in gt]),
        "PyTorch, image by image": lambda: torch.stack([match_vectorised(image, priors) for image in gt]),
    }
    if len(gt) > 1:
        ways["PyTorch, whole batch"] = lambda: match_vectorised(gt, priors)
    return [Contender(name, run, lambda y: {"matched_gt": y.numpy()}) for name, run in ways.items()]


# -- mining --------------------------------------------------------------------------------------------------


def mining_contest(against, batch_size=BATCH_SIZE, device=PROCESSOR):
    """Mine the negatives of a batch, with 5 to 40 positives in every image."""
    rng = np.random.default_rng(4)
    conf_loss = rng.exponential(size=(batch_size, SSD300_VOC.num_priors)).astype(np.float32)
    positive = np.zeros(conf_loss.shape, bool)
    for row in positive:
        row[rng.choice(len(row), rng.integers(5, 41), replace=False)] = True

    def ours(device):
        run = partial(mining.hard_negatives, *map(device.send, (conf_loss, positive)))
        return Contender("minissd", run, lambda y: {"hard_negatives": y})

    contenders = []
    if peers.find("torch"):
        from minissd.bench import torch_boxes
        from minissd.bench.torch_ssd import as_tensor

        way = getattr(torch_boxes, MINED_AGAINST[against])
        run = partial(way, *(as_tensor(array, device) for array in (conf_loss, positive)))
        contenders = [Contender(f"PyTorch, {against}", run, lambda y: {"hard_negatives": y.cpu().numpy()})]
    return Contest.on(device, ours, contenders)


# -- suppression ---------------------------------------------------------------------------------------------


def nms_contest():
    """Suppress among the best 400 of 8732 boxes of one class."""
    rng = np.random.default_rng(5)
    boxes_xyxy = random_boxes(rng, SSD300_VOC.num_priors)
    scores = rng.permutation(len(boxes_xyxy)).astype(np.float32) / len(boxes_xyxy)  # no two are equal
    ours = Contender(
        "minissd", lambda: nms.nms(boxes_xyxy, scores, 0.45, top_k=400), lambda kept: {"kept": kept}
    )
    contenders = []
    if cv2 := peers.find("cv2"):
        boxes_xywh = np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1)
        run = partial(cv2.dnn.NMSBoxes, boxes_xywh, scores, 0.0, 0.45, 1.0, 400)
        contenders = [Contender("OpenCV", run, lambda kept: {"kept": np.asarray(kept)})]
    return Contest(ours, contenders)
