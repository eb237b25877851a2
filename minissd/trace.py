"""One image followed through the network: what each detection was made of, and which boxes it silenced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minissd import boxes, codec
from minissd.config import SSDConfig
from minissd.data import network_input
from minissd.detect import Detections, all_classes_together, class_by_class, detect
from minissd.errors import InputError
from minissd.models.summary import summary
from minissd.nms import suppressed_by
from minissd.predict import detection_options
from minissd.softmax import softmax


class Place(NamedTuple):
    """Where a default box stands: feature map, row and column of the cell, number in the cell; all from 0."""

    map: int
    row: int
    column: int
    box: int


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
    map_name : str
        The source map, as in ``model.source_names``.
    shape : str
        Which of the shapes of a cell it has, see `minissd.viz.shape_names`.
    prior_cxcywh : ndarray, (4,)
    offsets : ndarray, (4,)
        What the head says about this default box; ``decode(offsets, prior_cxcywh, variances)`` is the box.
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
    map_name: str
    shape: str
    prior_cxcywh: np.ndarray
    offsets: np.ndarray
    probabilities: np.ndarray
    suppressed: Detections
    ious: np.ndarray

    def describe_offsets(self, image_size):
        """Say of each offset what it does to the default box, in pixels of the network's input.

        Returns
        -------
        list of str
            Of x, y, width and height: ``"moved 2.9 px to the right"``, ``"1.13 times as wide: 54 to 61 px"``.
        """
        before, after = self.prior_cxcywh * image_size, boxes.xyxy_to_cxcywh(self.box_xyxy) * image_size
        moves, factors = after[:2] - before[:2], after[2:] / before[2:]
        ways = (("to the left", "to the right"), ("up", "down"))
        texts = [_moved(move, way) for move, way in zip(moves, ways)]
        for factor, word, old, new in zip(factors, ("wide", "high"), before[2:], after[2:]):
            texts.append(f"{factor:.2f} times as {word}: {old:.0f} to {new:.0f} px")
        return texts


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

    def describe_input(self):
        """Say what was done to the image before the network saw it."""
        config, (height, width) = self.config, self.image.shape[:2]
        mean = ", ".join(f"{value:g}" for value in config.mean_rgb)
        scale = f", and the rest is divided by {config.pixel_scale:g}" if config.pixel_scale != 1 else ""
        return (
            f"The picture of {width} × {height} is resized to {config.image_size} × {config.image_size}, "
            f"whatever its shape. The mean of red, green and blue ({mean}) is subtracted{scale}. The "
            f"channels go in as {config.channel_order.upper()}, in numbers from {self.input.min():.2f} to "
            f"{self.input.max():.2f}."
        )

    def describe_source(self, k):
        """Say what source map `k` is and what a cell of it stands for."""
        config, (name, maps) = self.config, list(self.sources.items())[k]
        (channels, side, _), field = maps.shape, self.receptive_fields[name]
        small, large = config.min_sizes[k], np.sqrt(config.min_sizes[k] * config.max_sizes[k])
        normalized = ", L2-normalised as its head sees them" if name in self.normalized else ""
        return (
            f"{channels} channels of {side} × {side} cells, {config.steps[k]:g} px apart{normalized}. What "
            f"is predicted for a cell depends on {field} × {field} px around it, and starts from default "
            f"boxes such as squares of {small:.0f} and {large:.0f} px."
        )

    def describe_origin(self, one):
        """Say where one of the detections comes from."""
        side = self.config.feature_maps[one.place.map]
        return (
            f"Found by map {one.place.map} ({one.map_name}, {side} × {side} cells), row {one.place.row}, "
            f"column {one.place.column}, with the default box “{one.shape}”, number {one.prior} of "
            f"{self.config.num_priors}."
        )


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
    was_training, outputs = model.training, {}
    model.eval()
    try:
        loc, conf = model.forward(x)  # as `predict` does it: a pass with a trace may round otherwise
        model.forward(x, outputs)
    finally:
        model.train(was_training)
    return loc, conf, outputs


def _moved(move, ways):
    return f"moved {abs(move):.1f} px {ways[int(move > 0)]}" if abs(move) >= 0.05 else "not moved"


def follow(model, detections, loc, probability, options):
    """Return a `TracedDetection` for each detection of an image; `loc` is (P, 4), `probability` (P, C)."""
    boxes_xyxy = codec.decode(loc, model.priors_cxcywh, options["variances"], options["max_log_size"])
    boxes_xyxy = boxes.clip(boxes_xyxy) if options["clip"] else boxes_xyxy  # (P, 4)
    losers = suppressions(boxes_xyxy, probability, options)
    found = []
    for d, (prior, label) in enumerate(zip(detections.priors.tolist(), detections.labels.tolist())):
        rows, labels = losers.get((prior, label), NOBODY)
        suppressed = Detections(boxes_xyxy[rows], probability[rows, labels], labels, rows)
        ious = boxes.iou(boxes_xyxy[prior][None], boxes_xyxy[rows])[0]
        box = label, float(detections.scores[d]), detections.boxes_xyxy[d]
        origin = describe_origin(model, prior)
        found.append(TracedDetection(*box, *origin, loc[prior], probability[prior], suppressed, ious))
    return found


def describe_origin(model, prior):
    """Number, place, map name, shape name and box (cx, cy, w, h) of a default box."""
    from minissd.viz import shape_names

    place = locate(model.config, prior)
    shape = shape_names(model.config, place.map)[place.box]
    return prior, place, model.source_names[place.map], shape, model.priors_cxcywh[prior]


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


def locate(config, prior):
    """Find the place of a default box from its number.

    Parameters
    ----------
    config : SSDConfig
    prior : int
        Row of ``prior_boxes(config)``.

    Returns
    -------
    Place

    Raises
    ------
    InputError
        If there is no such default box.

    Examples
    --------
    The first map of SSD300 has 38 * 38 * 4 = 5776 default boxes, the second 6 in each of its 19 * 19 cells.

    >>> from minissd.config import SSD300_VOC
    >>> locate(SSD300_VOC, 5776 + 6 * 20 + 2)
    Place(map=1, row=1, column=1, box=2)
    """
    rest = prior
    for k, (side, per_cell) in enumerate(zip(config.feature_maps, config.boxes_per_cell)):
        if 0 <= rest < per_cell * side * side:
            cell, box = divmod(rest, per_cell)
            return Place(k, *divmod(cell, side), box)
        rest -= per_cell * side * side
    raise InputError(f"prior: {prior} of {config.name} (choose 0...{config.num_priors - 1})")


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
