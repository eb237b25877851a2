"""From predictions to detections: of one image, and on a GPU of a whole batch."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np

from minissd import codec, matching
from minissd.backend import is_cuda, to_cpu
from minissd.bench import peers
from minissd.bench.contest import Contest
from minissd.bench.device import PROCESSOR
from minissd.bench.timing import Contender
from minissd.bench.workloads.training import random_boxes
from minissd.config import SSD300_VOC
from minissd.detect import NO_DEVIATION, detect
from minissd.kernels import postprocess
from minissd.kernels.cuda import detection as on_gpu
from minissd.nms import nms
from minissd.priors import prior_boxes
from minissd.softmax import softmax

NUM_CLASSES = SSD300_VOC.num_classes
BACKGROUND_LOGIT, OBJECT_LOGIT = 7.0, 8.0  # a trained network is sure of nearly every box
TOLERANCE = 1e-4
SCORE_THRESHOLD, IOU_THRESHOLD, TOP_K, KEEP_TOP_K = 0.01, 0.45, 400, 200
CLEARLY = 1e-5  # difference of IoUs, and part of a score, that no rounding turns round


def image_contest():
    """Turn the predictions of one image into detections."""
    priors_cxcywh = prior_boxes(SSD300_VOC)
    loc, conf = random_predictions(priors_cxcywh)
    ours = Contender("minissd", lambda: detect(loc[None], conf[None], priors_cxcywh)[0], _found)
    contenders = _torch_detectors(loc, conf, priors_cxcywh) if peers.find("torch") else []
    return Contest(ours, contenders, TOLERANCE)


def random_predictions(priors_cxcywh, num_objects=12, seed=6):
    """Draw predictions as of a trained network: sure of the background, but for boxes around some objects."""
    rng = np.random.default_rng(seed)
    num_priors = len(priors_cxcywh)
    loc = rng.standard_normal((num_priors, 4), np.float32) * np.float32(0.5)
    conf = rng.standard_normal((num_priors, NUM_CLASSES), np.float32)
    conf[:, 0] += BACKGROUND_LOGIT
    matched_gt = matching.match(random_boxes(rng, num_objects), priors_cxcywh)
    around = np.flatnonzero(matched_gt != matching.BACKGROUND)
    conf[around, 1 + matched_gt[around] % (NUM_CLASSES - 1)] += OBJECT_LOGIT
    return loc, conf


def _torch_detectors(loc, conf, priors_cxcywh):
    from minissd.bench import torch_boxes
    from minissd.bench.torch_boxes import torch

    tensors = [torch.from_numpy(array).float() for array in (loc, conf, priors_cxcywh)]
    ways = {
        "PyTorch, class by class": torch_boxes.suppress_by_class,
        "PyTorch, all classes": torch_boxes.suppress_together,
    }
    if peers.find("cv2"):
        ways["PyTorch and OpenCV"] = torch_boxes.suppress_opencv

    def contender(name, suppress):
        run = partial(torch_boxes.detect, *tensors, SSD300_VOC.variances, suppress)
        return Contender(name, torch.no_grad()(run), _found)

    return [contender(name, suppress) for name, suppress in ways.items()]


def _found(result):
    """Detections, or a tuple of tensors, as arrays in the order of prior and class."""
    fields = ("boxes_xyxy", "scores", "labels", "priors")
    values = result if isinstance(result, tuple) else [getattr(result, field) for field in fields]
    found = dict(zip(fields, map(np.asarray, values)))
    order = np.lexsort((found["labels"], found["priors"]))  # rounding may swap two nearly equal scores
    return {name: array[order] for name, array in found.items()}


# -- a batch, on a GPU ---------------------------------------------------------------------------------------


def batch_contest(batch_size, device=PROCESSOR):
    """Turn the predictions of a batch into detections in the processor's memory."""
    priors_cxcywh = prior_boxes(SSD300_VOC)
    loc, conf = clear_predictions(priors_cxcywh, batch_size)

    def ours(device):
        arrays = map(device.send, (loc, conf, priors_cxcywh.astype(np.float32)))
        return Contender("minissd", partial(detect, *arrays), _found_in_all)

    contenders = _torch_contenders(
        "detect", device, (loc, conf, priors_cxcywh), _found_in_all, SSD300_VOC.variances
    )
    return Contest.on(device, ours, contenders, TOLERANCE, traffic=loc.nbytes + conf.nbytes)


def nms_batch_contest(batch_size, device=PROCESSOR):
    """Threshold, the best 400 and suppression of each class of each image; scores and boxes are given."""
    priors_cxcywh = prior_boxes(SSD300_VOC)
    loc, conf = clear_predictions(priors_cxcywh, batch_size)
    boxes_xyxy = codec.decode(loc, priors_cxcywh, SSD300_VOC.variances).astype(np.float32)
    scores = np.ascontiguousarray(softmax(conf)[..., 1:].swapaxes(1, 2))  # (N, C - 1, P)

    def ours(device):
        suppress = partial(_suppress, *map(device.send, (scores, boxes_xyxy)))
        return Contender("minissd", suppress, lambda kept: {"survivors": _mask_of_keys(scores.shape, *kept)})

    def survivors(found):
        return {"survivors": _mask_of_torch(scores.shape, *found)}

    contenders = _torch_contenders("nms", device, (scores, boxes_xyxy), survivors)
    return Contest.on(device, ours, contenders, traffic=scores.nbytes + boxes_xyxy.nbytes)


def clear_predictions(priors_cxcywh, batch_size):
    """Draw the predictions of a batch whose detections do not hang on rounding.

    Returns
    -------
    loc : ndarray of float32, (N, P, 4)
    conf : ndarray of float32, (N, P, C)
    """
    drawn = (random_predictions(priors_cxcywh, seed=seed) for seed in itertools.count())
    clear = (pair for pair in drawn if _are_clear(*pair, priors_cxcywh))
    return tuple(map(np.stack, zip(*itertools.islice(clear, batch_size))))


def _are_clear(loc, conf, priors_cxcywh):
    """Whether other thresholds near the true one suppress the same, and the last that is kept is clear."""
    above, below = (
        detect(loc[None], conf[None], priors_cxcywh, iou_threshold=IOU_THRESHOLD + change, keep_top_k=None)[0]
        for change in (CLEARLY, -CLEARLY)
    )
    last, next_one = above.scores[KEEP_TOP_K - 1 : KEEP_TOP_K + 1]
    return np.array_equal(above.priors, below.priors) and last - next_one > CLEARLY * last


def _suppress(scores, boxes_xyxy):
    """Keys of the survivors, best first, and their number; see `minissd.kernels.cuda.detection.suppress`."""
    if is_cuda(scores):
        return on_gpu.suppress(scores, boxes_xyxy, _rules(scores.shape))
    kept = np.zeros((*scores.shape[:2], TOP_K), np.int64)
    counts = np.zeros(scores.shape[:2], np.int64)
    for n, c in np.ndindex(counts.shape):
        enough = np.flatnonzero(scores[n, c] > np.float32(SCORE_THRESHOLD))
        found = enough[nms(boxes_xyxy[n, enough], scores[n, c, enough], IOU_THRESHOLD, TOP_K)]
        kept[n, c, : len(found)], counts[n, c] = found, len(found)
    return kept, counts


def _rules(shape):
    num_images, num_rows, num_priors = shape
    sizes = num_images, num_priors, num_rows + 1
    limits = SCORE_THRESHOLD, IOU_THRESHOLD, TOP_K, None
    return postprocess.rules_of(sizes, *limits, SSD300_VOC.variances, NO_DEVIATION)


def _mask_of_keys(shape, keys, counts):
    """Which scores belong to survivors, of keys whose lower 32 bits are the prior."""
    keys, counts = to_cpu(keys), to_cpu(counts)
    priors = keys.astype(np.uint64) & np.uint64(2**32 - 1)
    return _mask(shape, priors, np.arange(keys.shape[2]) < counts[..., None])


def _mask_of_torch(shape, _, priors, kept):
    """The same, of what `minissd.bench.torch_boxes.nms_together` returns."""
    return _mask(shape, priors.cpu().numpy(), kept.cpu().numpy())


def _mask(shape, priors, kept):
    """True at the priors (N, C - 1, K) that are kept."""
    mask = np.zeros(shape, bool)
    n, c, k = np.nonzero(kept)
    mask[n, c, priors[n, c, k]] = True
    return mask


def _torch_contenders(task, device, arrays, results, *options):
    """Whoever does a task of `torch_boxes`, ``"detect"`` or ``"nms"``: all at once, or image by image."""
    if not peers.find("torch"):
        return []
    from minissd.bench import torch_boxes
    from minissd.bench.torch_ssd import as_tensor

    tensors = [as_tensor(array.astype(np.float32), device) for array in arrays]
    together, each = (getattr(torch_boxes, f"{task}_{how}") for how in ("together", "each"))
    ways = {"PyTorch, whole batch": together}
    ways["PyTorch, class by class"] = partial(each, suppress=torch_boxes.suppress_by_class)
    if peers.find("torchvision"):
        ways["torchvision, image by image"] = partial(each, suppress=torch_boxes.suppress_torchvision)
    run = torch_boxes.torch.no_grad()
    return [Contender(name, run(partial(way, *tensors, *options)), results) for name, way in ways.items()]


def _found_in_all(results):
    """The detections of all images, in a row."""
    found = [_found(result) for result in results]
    counts = {"counts": np.array([len(of_image["scores"]) for of_image in found])}
    return counts | {name: np.concatenate([of_image[name] for of_image in found]) for name in found[0]}
