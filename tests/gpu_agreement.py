"""The GPU and the processor compute the same: predictions, gradients and losses of whole models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from check_table import FLOAT32, Check, relative_error

from minissd import backend
from minissd.backend import to_cpu, to_device
from minissd.bench.workloads.network import random_images
from minissd.bench.workloads.training import random_targets
from minissd.config import SSD300_VOC, TINY
from minissd.loss import multibox_loss
from minissd.models import SSD
from minissd.nn import SGD, Conv2d
from minissd.settings import settings_for

GPU = "cuda:0"
STEPS = 10
RATE = 1e-4  # at 1e-3, in ten steps, rounding alone changes SSD300's loss by some thousandths


@dataclass(frozen=True)
class Outcome:
    """What a model computes: its predictions, the gradients of its first loss, and its first losses."""

    loc: np.ndarray
    conf: np.ndarray
    grads: dict[str, np.ndarray]
    losses: np.ndarray


def train(config, batch_size, device, algorithm=None, steps=STEPS):
    """Train a model for some steps on one batch; the convolutions may be given another algorithm."""
    model = SSD(config)
    for layer in model.layers.values():
        for conv in (layer, getattr(layer, "conv", None)):
            if algorithm and isinstance(conv, Conv2d):
                conv.algorithm = algorithm
    model.to(device)
    batch = random_images(config, batch_size), *random_targets(model, batch_size)
    images, *targets = (to_device(array, device) for array in batch)
    predictions = [to_cpu(array) for array in model.eval().forward(images)]
    model.train()
    settings = settings_for(config)
    optimizer = SGD(model, RATE, settings.momentum, max_gradient_norm=settings.max_gradient_norm)
    losses, grads = [], {}
    for _ in range(steps):
        loss = multibox_loss(*model.forward(images), *targets)
        model.backward(loss.dloc, loss.dconf)
        grads = grads or {name: to_cpu(array).copy() for name, array in model.grads.items()}
        optimizer.step()
        losses.append(float(loss.value))
    return Outcome(*predictions, grads, np.array(losses))


def agreement(configs=((SSD300_VOC, 2), (TINY, 8)), steps=STEPS):
    """Forward, gradients and losses, beside those of the processor, and with TF32 (which is only stated).

    A ReLU or a maximum whose inputs rounding moves past each other sends its gradient elsewhere. What that
    comes to is seen on the processor alone, in two algorithms: the GPU may be off by twice as much.
    """
    for config, batch_size in configs:
        what = f"{config.name}, batch {batch_size}"
        expected = train(config, batch_size, backend.CPU, steps=steps)
        spread = errors(train(config, batch_size, backend.CPU, algorithm="im2col", steps=steps), expected)
        yield from checks_of(f"{what}, two algorithms of the CPU", spread)
        found = errors(train(config, batch_size, GPU, steps=steps), expected)
        yield from checks_of(what, found, {row: max(FLOAT32, 2 * error) for row, error in spread.items()})
        with backend.tf32():
            found = errors(train(config, batch_size, GPU, steps=steps), expected)
        yield from checks_of(f"{what}, TF32", found)


def checks_of(what, found, bounds=None):
    """A check for each of the `errors` found; without bounds they are only stated."""
    for row, error in found.items():
        yield Check.of_bound(f"{what}: {row}", error, bounds and bounds[row])


def errors(found, expected):
    """How far two outcomes are apart."""
    differences = [found.grads[name] - grad for name, grad in expected.grads.items()]
    return {
        "loc": relative_error(found.loc, expected.loc),
        "conf": relative_error(found.conf, expected.conf),
        "gradients, the worst of a parameter": max(
            relative_error(found.grads[name], grad) for name, grad in expected.grads.items()
        ),
        "gradients, norm of the difference": norm(differences) / norm(expected.grads.values()),
        "training losses": relative_error(found.losses / expected.losses, np.ones(len(expected.losses))),
    }


def norm(arrays):
    """The length of all arrays as one vector."""
    return np.sqrt(sum(np.square(array, dtype=np.float64).sum() for array in arrays))
