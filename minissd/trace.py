"""One image followed through the network: what each detection was made of, and which boxes it silenced.

`minissd.explain` makes a page of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd import boxes, codec
from minissd.config import SSDConfig
from minissd.data import network_input
from minissd.detect import Detections, all_classes_together, class_by_class, detect
from minissd.models.summary import summary
from minissd.nms import suppressed_by
from minissd.places import Place, locate
from minissd.predict import detection_options, inference_mode
from minissd.softmax import softmax


@dataclass(frozen=True)
class TracedDetection:
    """One detection and all that led to it.

    Attributes
    ----------
    label : int
        Class, 1...C-1.
    score : float
    box_xyxy : ndarray, (4,)
        Fractions of the image.
    prior : int
        Number of the default box that made the detection.
    place : Place
        Where this default box stands.
    prior_cxcywh : ndarray, (4,)
    offsets : ndarray, (4,)
        What the head says about this default box; `minissd.codec.decode` makes the box of it.
    cut : bool
        Whether the box reached over the border of the image and was cut there (torchvision's rules).
    probabilities : ndarray, (C,)
        Of all classes, the background first.
    suppressed : Detections
        The boxes that it kept out, best first. One that ``keep_top_k`` cut off is not among them: nothing
        suppressed it.
    ious : ndarray, (B,)
        Overlap of each suppressed box with this one.
    """

    label: int
    score: float
    box_xyxy: np.ndarray
    prior: int
    place: Place
    prior_cxcywh: np.ndarray
    offsets: np.ndarray
    cut: bool
    probabilities: np.ndarray
    suppressed: Detections
    ious: np.ndarray


@dataclass(frozen=True)
class Trace:
    """One image's way through the network.

    Attributes
    ----------
    config : SSDConfig
    image : ndarray of uint8, (H, W, 3)
    input : ndarray of float32, (3, S, S)
        What the network saw of the image.
    sources : dict of str to ndarray, (C, H, W)
        The source maps as their heads see them: conv4_3 of VGG16 is normalised.
    receptive_fields : dict of str to int
        Side of the square of input pixels on which the predictions for one cell of a source map depend.
    normalized : tuple of str
        Which of the source maps have a normalisation before their head.
    options : dict
        With which `minissd.detect.detect` was called.
    detections : Detections
        The same as from `minissd.predict.predict`.
    found : list of TracedDetection
        One for each of the detections, in their order.
    """

    config: SSDConfig
    image: np.ndarray
    input: np.ndarray
    sources: dict[str, np.ndarray]
    receptive_fields: dict[str, int]
    normalized: tuple[str, ...]
    options: dict
    detections: Detections
    found: list[TracedDetection]


def trace(model, image, **thresholds):
    """Detect the objects in an image, and keep everything on the way.

    Parameters
    ----------
    model : SSD
        Used in inference mode and handed back in the mode it was in.
    image : ndarray of uint8, (H, W, 3)
        RGB, of any size.
    **thresholds
        As of `minissd.predict.predict`.

    Returns
    -------
    Trace

    Raises
    ------
    InputError
        If the image is not uint8 of shape (H, W, 3).

    Examples
    --------
    >>> from minissd.config import TINY
    >>> from minissd.models import SSD
    >>> seen = trace(SSD(TINY), np.zeros((90, 120, 3), np.uint8), keep_top_k=1)
    >>> len(seen.found), seen.sources["conv4_2"].shape
    (1, (64, 32, 32))
    """
    options = detection_options(model.config, **thresholds)
    x = network_input([image], model.config)
    loc, conf, outputs = _forward(model, x)
    (detections,) = detect(loc, conf, model.priors_cxcywh, **options)
    found = follow(model, detections, loc[0], softmax(conf)[0], options)
    names, rows = model.source_names, summary(model)
    sources = {name: outputs.get(f"{name}_norm", outputs[name])[0].copy() for name in names}
    fields = {name: rows[f"{name}_head"].receptive_field for name in names}
    normalized = tuple(name for name in names if f"{name}_norm" in outputs)
    return Trace(model.config, image, x[0], sources, fields, normalized, options, detections, found)


def _forward(model, x):
    """Offsets (1, P, 4), logits (1, P, C), and the output of every layer; the mode of the model stays."""
    outputs = {}
    with inference_mode(model):
        loc, conf = model.forward(x)  # as `predict` does it: a pass with a trace may round otherwise
        model.forward(x, outputs)
    return loc, conf, outputs


@np.errstate(over="ignore", invalid="ignore")  # an untrained network may ask for infinite boxes
def follow(model, detections, loc, probability, options):
    """Return a `TracedDetection` for each detection of an image; `loc` is (P, 4), `probability` (P, C)."""
    uncut_xyxy = codec.decode(loc, model.priors_cxcywh, options["variances"], options["max_log_size"])
    boxes_xyxy = boxes.clip(uncut_xyxy) if options["clip"] else uncut_xyxy  # (P, 4)
    cut = options["clip"] & ((uncut_xyxy < 0) | (uncut_xyxy > 1)).any(axis=1)  # (P,)
    losers = suppressions(boxes_xyxy, probability, options)
    found = []
    for d, (prior, label) in enumerate(zip(detections.priors.tolist(), detections.labels.tolist())):
        rows, labels = losers.get((prior, label), NOBODY)
        suppressed = Detections(boxes_xyxy[rows], probability[rows, labels], labels, rows)
        ious = boxes.iou(boxes_xyxy[prior][None], boxes_xyxy[rows])[0]
        box = label, float(detections.scores[d]), detections.boxes_xyxy[d]
        origin = prior, locate(model.config, prior), model.priors_cxcywh[prior], loc[prior], bool(cut[prior])
        found.append(TracedDetection(*box, *origin, probability[prior], suppressed, ious))
    return found


NOBODY = np.zeros((2, 0), np.int64)  # priors and labels


def suppressions(boxes_xyxy, probability, options):
    """Find out which boxes each kept box of an image suppressed.

    Parameters
    ----------
    boxes_xyxy : ndarray, (P, 4)
    probability : ndarray, (P, C)
    options : dict
        From `minissd.predict.detection_options`.

    Returns
    -------
    dict of (int, int) to (ndarray, ndarray)
        For the prior and the label of a kept box, priors and labels of those that it suppressed, best
        first. Who suppressed nobody is missing.
    """
    reaches = np.greater_equal if options["inclusive_scores"] else np.greater
    groups = all_classes_together if options["class_agnostic"] else class_by_class
    how = options["iou_threshold"], options["top_k"], options["inclusive_nms"]
    result = {}
    for priors, labels in groups(probability, reaches(probability, options["score_threshold"])):
        scores = probability[priors, labels]
        suppressor = suppressed_by(boxes_xyxy[priors], scores, *how)
        for kept in np.unique(suppressor[suppressor >= 0]):
            rows = np.flatnonzero(suppressor == kept)
            rows = rows[np.argsort(-scores[rows], kind="stable")]
            result[int(priors[kept]), int(labels[kept])] = priors[rows], labels[rows]
    return result


def as_picture(x, config):
    """Turn the input of a network back into a picture; undoes all of `network_input` but the resizing.

    Parameters
    ----------
    x : ndarray, (3, S, S)
    config : SSDConfig

    Returns
    -------
    ndarray of uint8, (S, S, 3)
        RGB.
    """
    rgb = x if config.channel_order == "rgb" else x[::-1]
    pixels = rgb.transpose(1, 2, 0) * config.pixel_scale + np.array(config.mean_rgb)
    return pixels.round().clip(0, 255).astype(np.uint8)
