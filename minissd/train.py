"""Training: take a batch, look at the loss, step; and be able to stop and go on at any time.

Batch t depends on nothing but the seed and t, and the learning rate on nothing but t. So a run that was
stopped and resumed computes the very same losses as one that was not.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from minissd import weights
from minissd.backend import CPU, out_of_memory, to_cpu, to_device
from minissd.data import BatchLoader, on_device
from minissd.errors import InputError, input_error
from minissd.files import writable_folder, written_whole
from minissd.interrupt import CtrlC, Interrupted
from minissd.loss import multibox_loss
from minissd.loss_readout import COLUMNS, LossReadout
from minissd.nn import SGD
from minissd.predict import evaluate_model
from minissd.settings import AUGMENTATIONS, SCHEDULES, loss_options, target_options, write_settings
from minissd.targets import make_batch_targets

CHECKPOINT = "checkpoint.safetensors"
CHANGEABLE = {"evaluate_every", "checkpoint_every"}  # settings that may change when a run is resumed


class Trainer:
    """Trains a model and keeps its run in a folder.

    The folder receives ``weights.safetensors`` (weights only), ``checkpoint.safetensors`` (weights and
    all that is needed to resume), ``settings.json``, ``curves.csv`` and ``curves.png``.

    Parameters
    ----------
    model : SSD
        On the device that shall train it; see its `to`.
    dataset : sequence of Sample
        What to learn from.
    settings : minissd.settings.TrainSettings
    output : str or Path
        The run's folder; `run` creates it if needed.
    validation : sequence of Sample, optional
        What to evaluate on.
    class_names : sequence of str, optional
        Stored with the weights; by default those of the dataset, if it has any.
    progress : bool
        Whether to show a progress bar. The mAP of each evaluation is printed in any case.
    read_every : int
        Steps from one reading of the losses to the next, on a GPU, which does not wait in between.

    Attributes
    ----------
    step : int
        Steps done.
    rows : list of dict
        One per step whose loss is read, with the keys of `minissd.loss_readout.COLUMNS`; ``mAP`` is None
        where nothing was evaluated.

    Raises
    ------
    InputError
        If the dataset is empty, or the number of names does not fit the model.
    """

    def __init__(
        self,
        model,
        dataset,
        settings,
        output,
        validation=None,
        class_names=None,
        progress=True,
        read_every=10,
    ):
        self.model, self.dataset, self.settings = model, dataset, settings
        self.validation, self.progress = validation, progress
        names = getattr(dataset, "class_names", ()) if class_names is None else class_names
        self.class_names = tuple(names)
        weights.require_fitting_names(model.config, self.class_names, "class_names")
        if len(dataset) == 0:
            raise InputError("dataset: holds no pictures (check the split's list)")
        self.output = Path(output)
        self.learning_rate = SCHEDULES[settings.schedule](settings.learning_rate, settings.steps)
        self.optimizer = SGD(
            model,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            bias_learning_rate_factor=settings.bias_learning_rate_factor,
            decay_biases=settings.decay_biases,
            max_gradient_norm=settings.max_gradient_norm,
        )
        model.first_layer.needs_input_gradient = False  # nobody uses the gradient for the images
        self.readout = LossReadout(model.config, 1 if model.device == CPU else read_every)
        self.step = 0
        self.rows: list[dict] = []

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
        writable_folder(self.output)
        write_settings(self.output, self.settings, self.model.config, self.class_names)
        with CtrlC() as ctrl_c, self._batches() as batches, self._progress_bar() as bar:
            sent = on_device(batches, self.model.device)
            for batch in sent if self.step < self.settings.steps else ():
                if row := self.train_step(batch):
                    bar.set_postfix_str(f"conf {row['conf']:.2f}, loc {row['loc']:.2f}", refresh=False)
                bar.update(len(batch))
                self._evaluate_and_save_when_due(bar)
                if self.step == self.settings.steps:
                    break
                if ctrl_c.pressed:
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
        dict or None
            The last row of `rows`: this step's, where its loss is read.
        """
        rate = self.learning_rate(self.step)
        with out_of_memory(len(batch)):
            loss = self._loss(batch.to(self.model.device))
            self.rows += self.readout.add(self.step + 1, rate, loss, batch.names)  # raises for NaN
            self.model.backward(loss.dloc, loss.dconf)
            self.optimizer.step(rate)
        self.step += 1
        return self.rows[-1] if self.rows else None

    @np.errstate(over="ignore", invalid="ignore")  # a loss that is not finite is reported when it is read
    def _loss(self, batch):
        return multibox_loss(
            *self.model.forward(batch.images),
            batch.loc_target,
            batch.conf_target,
            **loss_options(self.model.config, self.settings),
        )

    def evaluate(self):
        """Return the model's mAP (area, IoU 0.5) on the validation set, None without one."""
        if self.validation is None or len(self.validation) == 0:
            return None
        return evaluate_model(self.model, self.validation).mAP

    def save(self):
        """Write weights, checkpoint and curves.

        Raises
        ------
        InputError
            If a parameter is no longer a finite number; the files stay as they were.
        """
        from minissd import viz

        self.rows += self.readout.read()
        for name, parameter in self.model.params.items():
            if not np.isfinite(to_cpu(parameter)).all():
                raise InputError(f"step {self.step}: {name} is not finite (lower the learning rate)")
        weights.save(self.model, self.output / "weights.safetensors", self.class_names)
        weights.save(
            self.model,
            self.output / CHECKPOINT,
            self.class_names,
            state=self.optimizer.velocity,
            details={"step": self.step, "rows": self.rows, "settings": asdict(self.settings)},
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
        path = self.output / CHECKPOINT
        if not path.is_file():
            raise input_error(self.output, "holds no run to resume", "train without --resume first")
        checkpoint = weights.load(self.model, path, self.class_names)
        details = checkpoint.details
        if not details.keys() >= {"step", "rows", "settings"}:
            raise input_error(path, "holds no state of a training run", "train without --resume")
        settings = asdict(self.settings)
        earlier = details["settings"]
        differing = [n for n in sorted(settings.keys() - CHANGEABLE) if earlier.get(n) != settings[n]]
        if differing:
            other = ", ".join(f"{name} {earlier.get(name)}" for name in differing)
            raise input_error(
                path,
                f"the run was started with other settings: {other}",
                "resume with the same ones, or choose another output folder",
            )
        for name, velocity in checkpoint.state.items():
            self.optimizer.velocity[name][...] = to_device(velocity, self.model.device)
        self.step, self.rows = details["step"], details["rows"]

    def _batches(self):
        settings, config = self.settings, self.model.config
        return BatchLoader(
            self.dataset,
            config,
            settings.batch_size,
            augmentation=AUGMENTATIONS[settings.augmentation](config),
            seed=settings.seed,
            start_step=self.step,
            target_fn=target_function(self.model, settings),
        )

    def _progress_bar(self):
        batch_size = self.settings.batch_size
        return tqdm(
            total=self.settings.steps * batch_size,
            initial=self.step * batch_size,
            unit="image",  # so that it shows images per second
            disable=not self.progress,
            mininterval=_seconds_between_updates(),
            dynamic_ncols=True,
        )

    def _evaluate_and_save_when_due(self, bar):
        settings = self.settings
        at_end = self.step == settings.steps
        if at_end or _due(self.step, settings.evaluate_every):
            self.rows += self.readout.read()
            self.rows[-1]["mAP"] = mean_ap = self.evaluate()
            if mean_ap is not None:
                bar.write(f"step {self.step}: mAP {mean_ap:.4f}")
        if at_end or _due(self.step, settings.checkpoint_every):
            self.save()

    def _stop_now(self):
        self.save()
        raise Interrupted(
            f"stopped after step {self.step} of {self.settings.steps}; everything is saved. "
            f"To go on: the same command with --resume (output folder {self.output})"
        )


def target_function(model, settings):
    """Return `minissd.targets.make_batch_targets` with the default boxes of a model and settings filled in.

    Parameters
    ----------
    model : SSD
    settings : minissd.settings.TrainSettings

    Returns
    -------
    callable
        The ``target_fn`` of `minissd.data.BatchLoader`. It can be pickled.
    """
    return partial(
        make_batch_targets,
        priors_cxcywh=model.priors_cxcywh,
        variances=model.config.variances,
        **target_options(model.config, settings),
    )


def _due(step, interval):
    return interval > 0 and step % interval == 0


def _seconds_between_updates():
    """The pace of the progress bar: slow in a file, where all that it was stays."""
    in_file = sys.stderr is sys.__stderr__ and not sys.stderr.isatty()
    return 10 if in_file else 0.1
