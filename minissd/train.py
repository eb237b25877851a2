"""Training: take a batch, look at the loss, step; and be able to stop and go on at any time.

Batch t depends on nothing but the seed and t, and the learning rate on nothing but t. So a run that was
stopped and resumed computes the very same losses as one that was not.
"""

from __future__ import annotations

import csv
import json
import math
import signal
import threading
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from minissd import matching, weights
from minissd.data import BatchLoader, Resize, SSDAugmentation, mild
from minissd.errors import InputError, input_error
from minissd.files import writable_folder, written_whole
from minissd.loss import multibox_loss
from minissd.nn import SGD, schedule
from minissd.predict import evaluate_model
from minissd.targets import make_targets

AUGMENTATIONS = {"ssd": SSDAugmentation, "mild": mild, "none": Resize}

SCHEDULES = {
    "one-cycle": lambda rate, steps: schedule.one_cycle(rate, steps),
    "cosine": lambda rate, steps: schedule.cosine(rate, steps),
    "step": lambda rate, steps: schedule.step_decay(rate, (steps * 2 // 3, steps * 5 // 6)),
    "constant": lambda rate, steps: schedule.constant(rate),
}

NUMBERS = (  # fields of TrainSettings, what they must be; NaN is none of it
    ("steps batch_size", "a whole number of 1 or more", lambda value: value >= 1),
    ("min_negatives seed", "a whole number of 0 or more", lambda value: value >= 0),
    ("evaluate_every checkpoint_every", "a whole number of 0 or more", lambda value: value >= 0),
    ("learning_rate", "a number over 0", lambda value: 0 < value < math.inf),
    ("weight_decay neg_pos_ratio alpha", "a number of 0 or more", lambda value: 0 <= value < math.inf),
    ("momentum iou_threshold", "a number from 0 to 1", lambda value: 0 <= value <= 1),
)

COLUMNS = ("step", "learning_rate", "loss", "conf", "loc", "num_pos", "mAP")


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
        See `minissd.matching.match`.
    neg_pos_ratio, min_negatives, alpha
        See `minissd.loss.multibox_loss`.
    evaluate_every, checkpoint_every : int
        In steps; 0 is only at the end.
    seed : int
    """

    steps: int = 1200
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
    evaluate_every: int = 300
    checkpoint_every: int = 100
    seed: int = 0

    def __post_init__(self):
        for field, noun, choices in (
            ("schedule", "schedule", SCHEDULES),
            ("augmentation", "augmentation", AUGMENTATIONS),
            ("matching_rule", "matching rule", matching.RULES),
        ):
            if getattr(self, field) not in choices:
                raise InputError(
                    f"{field}: no {noun} {getattr(self, field)!r} (choose one of {', '.join(choices)})"
                )
        for names, wanted, holds in NUMBERS:
            for field in names.split():
                if not holds(getattr(self, field)):
                    raise InputError(f"{field}: {getattr(self, field)} is not {wanted}")


class Interrupted(KeyboardInterrupt):
    """Training was stopped by the user; the message says how to go on."""


class Trainer:
    """Trains a model and keeps its run in a folder.

    The folder receives ``weights.safetensors`` (weights only), ``checkpoint.safetensors`` (weights and
    all that is needed to resume), ``settings.json``, ``curves.csv`` and ``curves.png``.

    Parameters
    ----------
    model : SSD
    dataset : sequence of Sample
        What to learn from.
    settings : TrainSettings
    output : str or Path
        The run's folder; created if needed.
    validation : sequence of Sample, optional
        What to evaluate on.
    class_names : sequence of str
        Stored with the weights.
    progress : bool
        Whether to show a progress bar.

    Attributes
    ----------
    step : int
        Steps done.
    rows : list of dict
        One per step, with the keys `COLUMNS`; ``mAP`` is None where nothing was evaluated.
    """

    def __init__(self, model, dataset, settings, output, validation=None, class_names=(), progress=True):
        self.model, self.dataset, self.settings = model, dataset, settings
        self.validation, self.class_names, self.progress = validation, tuple(class_names), progress
        if len(dataset) == 0:
            raise InputError("dataset: holds no pictures (check the split's list)")
        self.output = writable_folder(output)
        self.learning_rate = SCHEDULES[settings.schedule](settings.learning_rate, settings.steps)
        self.optimizer = SGD(
            model,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            bias_learning_rate_factor=settings.bias_learning_rate_factor,
            decay_biases=settings.decay_biases,
            max_gradient_norm=settings.max_gradient_norm,
        )
        self.step = 0
        self.rows: list[dict] = []
        self._stop_requested = False

    def run(self):
        """Train to the end, evaluating and saving on the way.

        Returns
        -------
        float or None
            mAP on the validation set at the end, None without one.

        Raises
        ------
        Interrupted
            After Ctrl-C; the checkpoint is saved.
        InputError
            If the loss is no longer a finite number: the message names step and pictures. The last
            checkpoint stays as it was.
        """
        self._write_settings()
        with _stop_on_ctrl_c(self), self._batches() as batches, self._progress_bar() as bar:
            for batch in batches if self.step < self.settings.steps else ():
                row = self.train_step(batch)
                bar.set_postfix_str(f"conf {row['conf']:.2f}, loc {row['loc']:.2f}", refresh=False)
                bar.update(len(batch))
                self._evaluate_and_save_when_due(bar)
                if self.step == self.settings.steps:
                    break
                if self._stop_requested:
                    self._stop_now()
        return self.rows[-1]["mAP"]

    def train_step(self, batch):
        """Learn from one batch: forward, loss, backward, update.

        Parameters
        ----------
        batch : minissd.data.Batch
            With targets.

        Returns
        -------
        dict
            The new row of `rows`.
        """
        settings = self.settings
        with np.errstate(over="ignore", invalid="ignore"):  # a loss that is not finite is reported below
            loss = multibox_loss(
                *self.model.forward(batch.images),
                batch.loc_target,
                batch.conf_target,
                settings.neg_pos_ratio,
                settings.alpha,
                settings.min_negatives,
            )
        if not np.isfinite(loss.value):
            raise InputError(
                f"step {self.step + 1}: the loss is {loss.value} on {', '.join(batch.names)} "
                "(look at the boxes of these pictures, or lower the learning rate)"
            )
        self.model.backward(loss.dloc, loss.dconf)
        rate = self.learning_rate(self.step)
        self.optimizer.step(rate)
        self.step += 1
        row = dict(zip(COLUMNS, (self.step, rate, loss.value, loss.conf, loss.loc, loss.num_pos, None)))
        self.rows.append(row)
        return row

    def evaluate(self):
        """Return the model's mAP (area, IoU 0.5) on the validation set, None without one."""
        if self.validation is None or len(self.validation) == 0:
            return None
        return evaluate_model(self.model, self.validation).mAP

    def save(self):
        """Write weights, checkpoint and curves."""
        from minissd import viz

        weights.save(self.model, self.output / "weights.safetensors", self.class_names)
        weights.save(
            self.model,
            self.output / "checkpoint.safetensors",
            self.class_names,
            state=self.optimizer.velocity,
            details={"step": self.step, "rows": self.rows},
        )
        with written_whole(self.output / "curves.csv") as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        viz.save(viz.draw_training_curves(self.rows), self.output / "curves.png")

    def resume(self):
        """Go on from the folder's checkpoint.

        Raises
        ------
        InputError
            If there is none, or it is for another model, other classes or other settings.
        """
        path = self.output / "checkpoint.safetensors"
        stored = read_settings(self.output)["training"]
        if stored != asdict(self.settings):
            differing = [name for name, value in asdict(self.settings).items() if stored.get(name) != value]
            raise input_error(
                self.output / "settings.json",
                f"the run was started with other settings: {', '.join(differing)}",
                "resume with the same ones, or choose another output folder",
            )
        if not path.is_file():
            raise input_error(self.output, "holds no checkpoint to resume", "train without --resume")
        checkpoint = weights.load(self.model, path, self.class_names)
        if checkpoint.state.keys() != self.optimizer.velocity.keys():
            raise input_error(path, "holds no state of a training run", "train without --resume")
        for name, velocity in checkpoint.state.items():
            self.optimizer.velocity[name][...] = velocity
        self.step, self.rows = checkpoint.details["step"], checkpoint.details["rows"]

    def _batches(self):
        settings, config = self.settings, self.model.config
        targets = partial(
            make_targets,
            priors_cxcywh=self.model.priors_cxcywh,
            iou_threshold=settings.iou_threshold,
            rule=settings.matching_rule,
            variances=config.variances,
        )
        return BatchLoader(
            self.dataset,
            config,
            settings.batch_size,
            augmentation=AUGMENTATIONS[settings.augmentation](config),
            seed=settings.seed,
            start_step=self.step,
            target_fn=targets,
        )

    def _progress_bar(self):
        batch_size = self.settings.batch_size
        return tqdm(
            total=self.settings.steps * batch_size,
            initial=self.step * batch_size,
            unit="image",  # so that it shows images per second
            disable=not self.progress,
            dynamic_ncols=True,
        )

    def _evaluate_and_save_when_due(self, bar):
        settings = self.settings
        at_end = self.step == settings.steps
        if at_end or _due(self.step, settings.evaluate_every):
            self.rows[-1]["mAP"] = mean_ap = self.evaluate()
            if mean_ap is not None:
                bar.write(f"step {self.step}: mAP {mean_ap:.4f}")
        if at_end or _due(self.step, settings.checkpoint_every):
            self.save()

    def _write_settings(self):
        values = {"config": self.model.config.to_dict(), "training": asdict(self.settings)}
        values["class_names"] = list(self.class_names)
        with written_whole(self.output / "settings.json") as path:
            path.write_text(json.dumps(values, indent=2) + "\n")

    def _stop_now(self):
        self.save()
        raise Interrupted(
            f"stopped after step {self.step} of {self.settings.steps}; everything is saved. "
            f"To go on: the same command with --resume (output folder {self.output})"
        )


def read_settings(folder):
    """Return the dictionary in a run's ``settings.json``.

    Raises
    ------
    InputError
        If the folder holds no run, or the file is damaged.
    """
    path = Path(folder) / "settings.json"
    try:
        settings = json.loads(path.read_text())
        if not isinstance(settings, dict) or not isinstance(settings.get("training"), dict):
            raise ValueError("it holds no training settings")
        return settings
    except FileNotFoundError as error:
        raise input_error(folder, "holds no run to resume", "train without --resume first") from error
    except ValueError as error:
        raise input_error(path, f"is damaged: {error}", "train without --resume") from error


def setting_names():
    """Return the names of all training settings."""
    return [field.name for field in fields(TrainSettings)]


def _due(step, interval):
    return interval > 0 and step % interval == 0


class _stop_on_ctrl_c:
    """Within the block Ctrl-C asks the trainer to stop after the current step; a second one stops at once."""

    def __init__(self, trainer):
        self.trainer = trainer
        self.in_main_thread = threading.current_thread() is threading.main_thread()

    def __enter__(self):
        if self.in_main_thread:
            self.previous = signal.signal(signal.SIGINT, self.ask)

    def ask(self, signum, frame):
        self.trainer._stop_requested = True
        signal.signal(signal.SIGINT, self.previous)

    def __exit__(self, *_):
        if self.in_main_thread:
            signal.signal(signal.SIGINT, self.previous)
