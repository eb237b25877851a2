"""What a network says about one image, at several moments of its training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minissd.data import BatchLoader, network_input
from minissd.models import SSD
from minissd.settings import TrainSettings
from minissd.train import Trainer, target_function

STEPS = (0, 5, 10, 20, 40, 60)


@dataclass(frozen=True)
class Snapshot:
    """The predictions for one image after some steps of training.

    Attributes
    ----------
    step : int
        0 is a network that has learned nothing.
    loc : ndarray, (P, 4)
        Predicted offsets.
    conf : ndarray, (P, C)
        Logits.
    """

    step: int
    loc: np.ndarray
    conf: np.ndarray


def snapshot(model, image, step=0):
    """Return what a model says about an image; the model is left in the mode it was in.

    Parameters
    ----------
    model : SSD
    image : ndarray of uint8, (H, W, 3)
    step : int
        What to call the moment.

    Returns
    -------
    Snapshot
    """
    was_training = model.training
    loc, conf = model.eval().forward(network_input([image], model.config))
    model.train(was_training)
    return Snapshot(step, loc[0].copy(), conf[0].copy())


def record_training(config, samples, image, steps=STEPS, seed=0, batch_size=4):
    """Train a network for a moment, and ask it about one image on the way.

    With a few samples, which it sees again and again, a network learns these in a minute. It has then learned
    them by heart: enough to see what changes in training, and no measure of how good it is.

    Parameters
    ----------
    config : SSDConfig
        As `minissd.config.TINY`, with as many classes as the samples have and the background.
    samples : sequence of Sample
        To learn from, as some of `minissd.data.DrawnScenes`.
    image : ndarray of uint8, (H, W, 3)
    steps : sequence of int
        When to ask; the largest ends the training.
    seed : int
        Of the first weights and of the order of the samples.
    batch_size : int

    Returns
    -------
    list of Snapshot
        One for each of the steps, in ascending order.
    """
    settings = TrainSettings(steps=max(*steps, 1), batch_size=batch_size, augmentation="none", seed=seed)
    model = SSD(config, np.random.default_rng(seed))
    trainer = Trainer(model, samples, settings, output=".", class_names=(), progress=False)
    targets = target_function(model, settings)
    taken = []
    with BatchLoader(samples, config, batch_size, seed=seed, target_fn=targets) as batches:
        for batch in batches:
            if trainer.step in steps:
                taken.append(snapshot(model, image, trainer.step))
            if trainer.step == max(steps):
                return taken
            trainer.train_step(batch)
