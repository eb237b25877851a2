"""Conventions: where the known implementations of SSD deviate from one another, as data.

Weights are trained under one set of rules and must be used under the same. Each `Convention` below is one
implementation's, written as its differences from Caffe's, which are the defaults everywhere in minissd::

    from minissd.conventions import CONVENTIONS

    torchvision = CONVENTIONS["torchvision"]
    config = torchvision.config(SSD300_COCO)
    found = torchvision.detect(loc, conf, priors.prior_boxes(config))

The parts of a convention are named as the keyword arguments of the functions that obey them, so
``match(gt_xyxy, priors_cxcywh, **vars(convention.matching))`` is all there is to it. The whole table is in
``conventions.md`` beside this file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from minissd import codec, detect, evaluate, loss, matching, priors
from minissd.choice import chosen


@dataclass(frozen=True)
class DefaultBoxes:
    """Default boxes, and what else the configuration of a network says.

    Attributes
    ----------
    centers : str
        ``"step"``: centres are ``(i + .5) * step / S`` with Caffe's steps, which for SSD300 are not the
        distance of the cells; ``"cell"``: ``(i + .5) / side``, as in the paper.
    integer_sizes : bool
        Whether sizes are cut to whole pixels, see `minissd.priors.integer_sizes`.
    clip : bool or str
        As `SSDConfig.clip`.
    l2norm_guard, l2norm_epsilon : str, float
        As `minissd.nn.L2Norm`.
    sizes : dict
        For the configurations of these names, the fields that have other values.
    """

    centers: str = "step"
    integer_sizes: bool = False
    clip: bool | str = False
    l2norm_guard: str = "inside"
    l2norm_epsilon: float = 1e-10
    sizes: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Matching:
    """Keyword arguments of `minissd.matching.match`."""

    iou_threshold: float = 0.5
    rule: str = "bipartite"
    strict: bool = False
    union_epsilon: float = 0.0


@dataclass(frozen=True)
class Encoding:
    """Keyword arguments of `minissd.codec.encode`."""

    log_epsilon: float = 0.0


@dataclass(frozen=True)
class Loss(loss.Deviations):
    """Keyword arguments of `minissd.loss.multibox_loss`, its deviations among them."""

    neg_pos_ratio: float = 3
    alpha: float = 1.0


@dataclass(frozen=True)
class Detection(detect.Deviations):
    """Keyword arguments of `minissd.detect.detect`, its deviations among them."""

    score_threshold: float = 0.01
    iou_threshold: float = 0.45
    top_k: int | None = 400
    keep_top_k: int | None = 200


@dataclass(frozen=True)
class Evaluation:
    """Keyword arguments of `minissd.evaluate.evaluate_voc`, or the metric ``"coco"`` alone.

    With `inclusive_pixels` the boxes must be in pixels.
    """

    iou_threshold: float = 0.5
    metric: str = "11point"
    strict: bool = False
    inclusive_pixels: bool = False


@dataclass(frozen=True)
class Convention:
    """The rules of one implementation.

    Attributes
    ----------
    name : str
        Key in `CONVENTIONS`.
    title : str
        Whose rules they are.
    offset_order : str
        In which order the weights predict the four offsets of a box. Loading brings them to ``cx cy w h``.
    boxes, matching, encoding, loss, detection, evaluation
        One small object for each step.
    """

    name: str
    title: str
    offset_order: str = "cx cy w h"
    boxes: DefaultBoxes = DefaultBoxes()
    matching: Matching = Matching()
    encoding: Encoding = Encoding()
    loss: Loss = Loss()
    detection: Detection = Detection()
    evaluation: Evaluation = Evaluation()

    def config(self, config, **changes):
        """Return a configuration with the default boxes of this convention.

        Parameters
        ----------
        config : SSDConfig
            With the sizes and steps of the Caffe scripts.
        **changes
            Further fields to change.

        Returns
        -------
        SSDConfig

        Examples
        --------
        >>> from minissd.config import SSD300_VOC
        >>> CONVENTIONS["paper"].config(SSD300_VOC).steps[2]  # 300 / 10 instead of Caffe's 32
        30.0
        """
        if self.boxes.centers == "cell":
            config = priors.cell_centers(config)
        if self.boxes.integer_sizes:
            config = priors.integer_sizes(config)
        same_names = {name: getattr(self.boxes, name) for name in ("clip", "l2norm_guard", "l2norm_epsilon")}
        sizes = self.boxes.sizes.get(config.name, {})
        return replace(config, **{"convention": self.name} | same_names | sizes | changes)

    def match(self, gt_xyxy, priors_cxcywh):
        """Call `minissd.matching.match` by these rules."""
        return matching.match(gt_xyxy, priors_cxcywh, **vars(self.matching))

    def encode(self, gt_xyxy, priors_cxcywh, variances=(0.1, 0.2)):
        """Call `minissd.codec.encode` by these rules."""
        return codec.encode(gt_xyxy, priors_cxcywh, variances, **vars(self.encoding))

    def multibox_loss(self, loc, conf, loc_target, conf_target):
        """Call `minissd.loss.multibox_loss` by these rules."""
        return loss.multibox_loss(loc, conf, loc_target, conf_target, **vars(self.loss))

    def detect(self, loc, conf, priors_cxcywh, **changes):
        """Call `minissd.detect.detect` by these rules; `changes` are arguments that shall be others."""
        return detect.detect(loc, conf, priors_cxcywh, **vars(self.detection) | changes)

    def evaluate(self, detections, ground_truths):
        """Call `minissd.evaluate.evaluate_voc`, or `evaluate_coco`, by these rules."""
        if self.evaluation.metric == "coco":
            return evaluate.evaluate_coco(detections, ground_truths)
        return evaluate.evaluate_voc(detections, ground_truths, **vars(self.evaluation))


CAFFE = Convention(
    name="caffe",
    title="weiliu89/caffe, the authors' own",
    evaluation=Evaluation(metric="11point_float32", inclusive_pixels=True),
)

CAFFE_INTEGER = replace(
    CAFFE,
    name="caffe_integer",
    title="the same since June 2016, when its layer began to cut sizes to whole pixels (SSD300's are whole)",
    boxes=DefaultBoxes(integer_sizes=True),
)

PAPER = Convention(
    name="paper",
    title="the paper, where it differs from its code",
    boxes=DefaultBoxes(
        centers="cell",
        sizes={  # equation 4 without rounding to percents, which SSD512 has already
            "ssd300-voc": {
                "min_sizes": (30.0, 60.0, 112.5, 165.0, 217.5, 270.0),
                "max_sizes": (60.0, 112.5, 165.0, 217.5, 270.0, 322.5),
            },
            "ssd300-coco": {
                "min_sizes": (21.0, 45.0, 101.25, 157.5, 213.75, 270.0),
                "max_sizes": (45.0, 101.25, 157.5, 213.75, 270.0, 326.25),
            },
        },
    ),
    matching=Matching(strict=True),  # "higher than a threshold (0.5)"
    detection=Detection(top_k=None),
)

AMDEGROOT = Convention(
    name="amdegroot",
    title="amdegroot/ssd.pytorch",
    boxes=DefaultBoxes(clip="center_size", l2norm_guard="added"),
    matching=Matching(rule="argmax"),
    loss=Loss(normalization="positives_or_nan"),
    detection=Detection(top_k=200, keep_top_k=None),
    evaluation=Evaluation(metric="11point_arange", strict=True),
)

TORCHVISION = Convention(
    name="torchvision",
    title="torchvision's ssd300_vgg16",
    boxes=DefaultBoxes(clip="size", l2norm_guard="clamp", l2norm_epsilon=1e-12),
    matching=Matching(rule="torchvision"),
    loss=Loss(mining_overflow=True),
    detection=Detection(clip=True, max_log_size=math.log(1000 / 16)),
    evaluation=Evaluation(metric="coco"),
)

LUFFICC = Convention(
    name="lufficc",
    title="lufficc/SSD",
    boxes=DefaultBoxes(
        clip="center_size",
        l2norm_guard="added",
        sizes={"ssd512-voc": {"max_sizes": (76.8, 153.6, 230.4, 307.2, 384.0, 460.8, 537.65)}},
    ),
    matching=Matching(rule="argmax", union_epsilon=1e-5),
    loss=Loss(normalization="positives_or_nan"),
    detection=Detection(top_k=None, keep_top_k=100),
    evaluation=Evaluation(metric="11point_arange", inclusive_pixels=True),
)

SGRVINOD = Convention(
    name="sgrvinod",
    title="sgrvinod/a-PyTorch-Tutorial-to-Object-Detection",
    boxes=DefaultBoxes(
        centers="cell",
        clip="center_size",
        l2norm_guard="none",
        sizes={
            "ssd300-voc": {
                "min_sizes": (30.0, 60.0, 112.5, 165.0, 217.5, 270.0),
                "max_sizes": (60.0, 112.5, 165.0, 217.5, 270.0, 300 / 0.9),  # a last square of scale 1
                "aspect_ratios": ((2, 0.5), *[(2, 3, 0.5, 0.333)] * 3, (2, 0.5), (2, 0.5)),
                "flip": False,
            }
        },
    ),
    matching=Matching(rule="argmax"),
    loss=Loss(loc_loss="l1", normalization="coordinates"),
    detection=Detection(top_k=None),
    evaluation=Evaluation(strict=True),
)

D2L = Convention(
    name="d2l",
    title="Dive into Deep Learning",
    boxes=DefaultBoxes(centers="cell"),
    matching=Matching(rule="d2l"),
    encoding=Encoding(log_epsilon=1e-6),
    loss=Loss(loc_loss="l1", normalization="priors", mining_scope="none"),
    detection=Detection(
        score_threshold=0.009999999,
        inclusive_scores=True,
        iou_threshold=0.5,
        top_k=None,
        keep_top_k=None,
        class_agnostic=True,
    ),
)

CHAINERCV = Convention(
    name="chainercv",
    title="chainer/chainercv",
    offset_order="cy cx h w",
    boxes=DefaultBoxes(l2norm_guard="added", l2norm_epsilon=1e-5),
    detection=Detection(inclusive_scores=True, inclusive_nms=True, top_k=None, keep_top_k=None),
    evaluation=Evaluation(metric="11point_arange", inclusive_pixels=True),
)

CONVENTIONS = {
    convention.name: convention
    for convention in (CAFFE, CAFFE_INTEGER, PAPER, AMDEGROOT, TORCHVISION, LUFFICC, SGRVINOD, D2L, CHAINERCV)
}


def convention_of(config):
    """Return the convention of a configuration; raise InputError if it has one that is not known."""
    return convention_named(config.convention)


def convention_named(name):
    """Return the convention of this name; raise InputError if there is none."""
    return chosen(CONVENTIONS, name, "convention", "convention")
