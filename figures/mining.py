"""Hard negative mining before any training and after some: how few negatives still teach anything."""

from __future__ import annotations

import tempfile
from dataclasses import replace

import numpy as np

from minissd import demo
from minissd.config import TINY
from minissd.data import DrawnScenes, network_input
from minissd.loss import cross_entropy
from minissd.models import SSD
from minissd.settings import TrainSettings
from minissd.targets import make_targets
from minissd.train import Trainer
from minissd.viz.losses import draw_sorted_losses

TRAINS = "a small model, some seconds"
STEPS, BATCH, SCENE = 20, 4, 44


def draw():
    """Train a few seconds and draw the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rest = {"augmentation": "none", "evaluate_every": 0, "checkpoint_every": 0}
    settings = TrainSettings(steps=STEPS, batch_size=BATCH, **rest)
    scenes = DrawnScenes(length=STEPS * BATCH, seed=0, **demo.SCENES)
    model = SSD(replace(TINY, num_classes=len(scenes.class_names) + 1), np.random.default_rng(0))
    sample = DrawnScenes(length=SCENE + 1, seed=1, **demo.SCENES)[SCENE]
    _, conf_target = make_targets(sample.gt_xyxy, sample.labels, model.priors_cxcywh)
    before = losses_of(model, sample, conf_target)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(model.train(), scenes, settings, folder, None, scenes.class_names, progress=False).run()
    conf_loss = np.stack([before, losses_of(model, sample, conf_target)])
    positive = np.stack([conf_target > 0] * 2)
    titles = ("before training", f"after {STEPS} steps")
    return draw_sorted_losses(conf_loss, positive, 3, titles, "Losses of all negatives of one scene")


def losses_of(model, sample, conf_target):
    """The confidence loss of every default box, (P,)."""
    _, conf = model.eval().forward(network_input([sample.image], model.config))
    return cross_entropy(conf, conf_target[None])[0]
