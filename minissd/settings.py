"""What decides the course of a training run: the settings, their checks and their file."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from numbers import Integral
from pathlib import Path

from minissd import matching
from minissd.choice import chosen
from minissd.conventions import convention_of
from minissd.data import Resize, SSDAugmentation, mild
from minissd.errors import InputError
from minissd.files import written_whole
from minissd.nn import schedule

FILE = "settings.json"

AUGMENTATIONS = {"ssd": SSDAugmentation, "mild": mild, "none": Resize}

SCHEDULES = {
    "one-cycle": schedule.one_cycle,
    "cosine": schedule.cosine,
    "step": lambda rate, steps: schedule.step_decay(rate, (steps * 2 // 3, steps * 5 // 6)),
    "constant": lambda rate, steps: schedule.constant(rate),
}

NUMBERS = (  # fields of TrainSettings, what they must be; NaN is none of it
    ("steps batch_size", "a whole number of 1 or more", lambda value: _is_whole(value) and value >= 1),
    (
        "min_negatives evaluate_every checkpoint_every seed",
        "a whole number of 0 or more",
        lambda value: _is_whole(value) and value >= 0,
    ),
    ("learning_rate", "a number over 0", lambda value: 0 < value < math.inf),
    (
        "weight_decay bias_learning_rate_factor neg_pos_ratio alpha",
        "a number of 0 or more",
        lambda value: 0 <= value < math.inf,
    ),
    ("max_gradient_norm", "a number over 0, or None", lambda value: value is None or value > 0),
    ("momentum iou_threshold", "a number from 0 to 1", lambda value: 0 <= value <= 1),
)


def _is_whole(value):
    return isinstance(value, Integral)


@dataclass(frozen=True)
class TrainSettings:
    """Everything that decides what a training run computes; stored beside its weights.

    Attributes
    ----------
    steps, batch_size : int
    learning_rate : float
        The peak; `schedule`, a key of `SCHEDULES`, says how it changes with the step.
    momentum, weight_decay, bias_learning_rate_factor, decay_biases, max_gradient_norm
        See `minissd.nn.SGD`.
    augmentation : str
        ``"ssd"`` (the paper's), ``"mild"`` (flips and mild crops, for few pictures) or ``"none"``.
    matching_rule, iou_threshold
        See `minissd.matching.match`. The rest of the matching is as the model's convention says.
    neg_pos_ratio, min_negatives, alpha
        See `minissd.loss.multibox_loss`. The rest of the loss is as the model's convention says.
    evaluate_every, checkpoint_every : int
        In steps; 0 is only at the end.
    seed : int
    """

    steps: int = 800
    batch_size: int = 8
    learning_rate: float = 0.04
    schedule: str = "one-cycle"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    bias_learning_rate_factor: float = 1.0
    decay_biases: bool = True
    max_gradient_norm: float | None = 10.0
    augmentation: str = "mild"
    matching_rule: str = "bipartite"
    iou_threshold: float = 0.5
    neg_pos_ratio: float = 3
    min_negatives: int = 0
    alpha: float = 1.0
    evaluate_every: int = 200
    checkpoint_every: int = 100
    seed: int = 0

    def __post_init__(self):
        for field, noun, choices in (
            ("schedule", "schedule", SCHEDULES),
            ("augmentation", "augmentation", AUGMENTATIONS),
            ("matching_rule", "matching rule", matching.RULES),
        ):
            chosen(choices, getattr(self, field), field, noun)
        for names, wanted, holds in NUMBERS:
            for field in names.split():
                if not holds(getattr(self, field)):
                    raise InputError(f"{field}: {getattr(self, field)} is not {wanted}")


# What suits a base network better than the defaults. The paper trains VGG16 like this (section 3); in Caffe's
# scripts biases learn twice as fast and are not decayed.
PRESETS = {
    "vgg16": {
        "learning_rate": 1e-3,
        "schedule": "step",
        "augmentation": "ssd",
        "bias_learning_rate_factor": 2.0,
        "decay_biases": False,
    }
}


def settings_for(config, **given):
    """Return the settings that suit a network and its convention, with some of them given.

    Parameters
    ----------
    config : SSDConfig
    **given
        Fields of `TrainSettings`.

    Returns
    -------
    TrainSettings

    Examples
    --------
    >>> from minissd.config import SSD300_VOC
    >>> settings_for(SSD300_VOC, steps=9).learning_rate
    0.001
    """
    convention = convention_of(config)
    of_convention = {
        "matching_rule": convention.matching.rule,
        "iou_threshold": convention.matching.iou_threshold,
        "neg_pos_ratio": convention.loss.neg_pos_ratio,
        "alpha": convention.loss.alpha,
    }
    return TrainSettings(**PRESETS.get(config.base, {}) | of_convention | given)


def target_options(config, settings):
    """Return what `minissd.targets.make_batch_targets` is told: the convention's rules, then the settings."""
    convention = convention_of(config)
    given = {"rule": settings.matching_rule, "iou_threshold": settings.iou_threshold}
    return vars(convention.matching) | vars(convention.encoding) | given


def loss_options(config, settings):
    """Return what `minissd.loss.multibox_loss` is told: the convention's rules, then the settings."""
    given = {name: getattr(settings, name) for name in ("neg_pos_ratio", "alpha", "min_negatives")}
    return vars(convention_of(config).loss) | given


def write_settings(folder, settings, config, class_names):
    """Write a run's ``settings.json``: settings, configuration and class names."""
    values = {
        "training": asdict(settings),
        "config": config.to_dict(),
        "class_names": list(class_names),
    }
    with written_whole(Path(folder) / FILE) as path:
        path.write_text(json.dumps(values, indent=2) + "\n")
