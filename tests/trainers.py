"""Trainers of a small network on a few drawn scenes."""

import dataclasses

import numpy as np
from command_line import SMALL

from minissd.backend import CPU
from minissd.data import DrawnScenes, Sample
from minissd.models import SSD
from minissd.settings import TrainSettings
from minissd.train import Trainer

SCENES = DrawnScenes(length=16, image_size=64, seed=5, max_objects=3)
CONFIG = dataclasses.replace(SMALL, name="tiny-64", num_classes=len(SCENES.class_names) + 1)
SETTINGS = TrainSettings(
    steps=10,
    batch_size=4,
    learning_rate=0.01,
    augmentation="ssd",
    evaluate_every=5,
    checkpoint_every=3,
    seed=1,
)
WITHOUT_OBJECTS = [
    Sample(np.zeros((9, 7, 3), np.uint8), np.zeros((0, 4)), np.zeros(0, np.int64), name="empty")
]


def make_trainer(output, settings=SETTINGS, dataset=SCENES, config=CONFIG, device=CPU, **kwargs):
    model = SSD(config, np.random.default_rng(settings.seed)).to(device)
    names = SCENES.class_names
    return Trainer(model, dataset, settings, output, class_names=names, progress=False, **kwargs)


def losses(trainer):
    return [row["loss"] for row in trainer.rows]


def first_batch(trainer):
    with trainer._batches() as batches:
        return next(iter(batches))
