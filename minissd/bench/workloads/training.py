"""Training steps: SSD300 with targets given, and on the processor TINY with all that makes its batches."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np

from minissd.backend import to_cpu
from minissd.bench import peers
from minissd.bench.blueprint import blueprint, names_in_order, weights_in_order
from minissd.bench.contest import Contest, Work, against_peers
from minissd.bench.device import PROCESSOR
from minissd.bench.operations import forward_traffic, training_operations
from minissd.bench.timing import Contender
from minissd.bench.workloads.network import random_images
from minissd.bench.workloads.setting import model_name
from minissd.config import SSD300_VOC, TINY
from minissd.data import BatchLoader, DrawnScenes
from minissd.loss import multibox_loss
from minissd.models import SSD
from minissd.nn import SGD
from minissd.settings import AUGMENTATIONS, settings_for
from minissd.targets import make_batch_targets
from minissd.train import target_function

USUAL = {SSD300_VOC: (8,), TINY: (8, 32)}
USUAL_ON_GPU = (8, 32)  # of SSD300
LEARNING_RATE = 1e-6  # so small that the weights stay as they are, and with them the work of every step
# Of the loss, and of the largest of all velocities. Rounding moves some values over 0, where that switches a
# ReLU and with it a part of the gradient: PyTorch's two layouts differ by some thousandths from each other.
TOLERANCE = 1e-2
OBJECTS, SCENES = 8, 128
IMAGES_PER_TURN, STEPS_PER_TURN = 192, 8  # with the pipeline, at least: more than it keeps ready
SETTLE = 4  # steps that use up what the pipeline made ready while others had their turn
PIPELINE_PAUSE = 1.0  # seconds in which the pipeline that was just used fills up and falls silent


def works(setting):
    """List the rows."""
    on_gpu = setting.device.on_gpu
    sizes = setting.sizes(*(USUAL_ON_GPU if on_gpu else USUAL[SSD300_VOC]))
    for device, batch_size in itertools.product(setting.device.precisions(), sizes):
        name = device.title(f"{model_name(SSD300_VOC)} training step, batch {batch_size}")
        yield Work("training", name, against_peers(partial(step_contest, SSD300_VOC, batch_size, device)))
    if on_gpu:
        return
    for batch_size in setting.sizes(*USUAL[TINY]):
        name = f"{model_name(TINY)} training with its data, batch {batch_size}"
        yield Work("training", name, against_peers(partial(pipeline_contest, TINY, batch_size)))


class Learner:
    """A model with its optimiser: forward, loss, backward, update, as `minissd.train.Trainer` does it."""

    def __init__(self, config, device=PROCESSOR):
        self.model = SSD(config).to(device.name)
        self.model.first_layer.needs_input_gradient = False
        self.settings = settings = settings_for(config)
        self.optimizer = SGD(
            self.model,
            LEARNING_RATE,
            settings.momentum,
            settings.weight_decay,
            settings.bias_learning_rate_factor,
            settings.decay_biases,
            settings.max_gradient_norm,
        )

    def step(self, images, loc_target, conf_target):
        """Learn from one batch; returns the loss, which on a GPU nobody has waited for."""
        loss = multibox_loss(*self.model.forward(images), loc_target, conf_target)
        self.model.backward(loss.dloc, loss.dconf)
        self.optimizer.step()
        return loss.value

    def velocities(self):
        """Velocity of every parameter, in the order of the blueprint."""
        return [to_cpu(self.optimizer.velocity[name]) for name in names_in_order(self.model)]


def torch_learners(learner, device=PROCESSOR):
    """Twins of a learner in PyTorch by the name of their layout; none where it is not installed."""
    if not peers.find("torch"):
        return {}
    from minissd.bench import torch_ssd

    plan, weights = blueprint(learner.model), weights_in_order(learner.model)
    twins = {layout: torch_ssd.twin(plan, weights, layout, device) for layout in torch_ssd.LAYOUTS}
    return {
        layout: torch_ssd.Learner(network, learner.settings, LEARNING_RATE)
        for layout, network in twins.items()
    }


# -- a step, the batch given ---------------------------------------------------------------------------------


def step_contest(config, batch_size, device=PROCESSOR):
    """Build the contest of training steps on a batch that is there already."""
    learner = Learner(config)
    batch = (random_images(config, batch_size), *random_targets(learner.model, batch_size))

    def ours(device):
        sent = [device.send(array) for array in batch]
        return _contender("minissd", Learner(config, device), lambda: sent)

    return Contest.on(
        device,
        ours,
        [_torch_step(*twin, batch, device) for twin in torch_learners(learner, device).items()],
        TOLERANCE,
        operations=training_operations(learner.model, batch_size),
        traffic=3 * forward_traffic(learner.model, batch_size),
    )


def _torch_step(layout, twin, batch, device):
    from minissd.bench.torch_ssd import as_input, as_tensor

    tensors = as_input(batch[0], layout, device), *(as_tensor(target, device) for target in batch[1:])
    return _contender(layout, twin, lambda: tensors)


def random_targets(model, batch_size):
    """Targets of a batch with `OBJECTS` objects in every image."""
    rng = np.random.default_rng(2)
    objects = [
        (random_boxes(rng, OBJECTS), rng.integers(1, model.config.num_classes, OBJECTS))
        for _ in range(batch_size)
    ]
    return make_batch_targets(*zip(*objects), model.priors_cxcywh, variances=model.config.variances)


def random_boxes(rng, count):
    """Draw boxes within the image: sides of 0.1 to 0.7 of it, the longer one at most twice the shorter."""
    scale = np.exp(rng.uniform(np.log(0.15), np.log(0.5), (count, 1)))
    stretch = np.exp(rng.uniform(-0.5, 0.5, (count, 1)) * np.log(2))
    size = np.hstack([scale * stretch, scale / stretch])
    corner = rng.uniform(0, 1, (count, 2)) * (1 - size)
    return np.concatenate([corner, corner + size], axis=1)


def _contender(name, learner, next_batch, settle=0):
    def arrays(loss):
        velocities = np.concatenate([velocity.ravel() for velocity in learner.velocities()])
        return {"loss": np.array(float(loss)), "velocities": velocities}

    return Contender(name, lambda: learner.step(*next_batch()), arrays, settle=settle)


# -- with the data pipeline ----------------------------------------------------------------------------------


def pipeline_contest(config, batch_size):
    """Build the contest of training steps whose batches are augmented, matched and encoded meanwhile.

    Both sides take the same scenes, drawn beforehand, through the same augmentation and matching.
    """
    learner = Learner(config)
    make_loader = _loader_maker(learner, batch_size)
    steps = iter(make_loader())

    def next_batch():
        batch = next(steps)
        return batch.images, batch.loc_target, batch.conf_target

    return Contest(
        _contender("minissd", learner, next_batch, SETTLE),
        _dataloader_contenders(config, make_loader, batch_size) if peers.find("torch") else [],
        TOLERANCE,
        training_operations(learner.model, batch_size),
        calls=max(IMAGES_PER_TURN // batch_size, STEPS_PER_TURN),
        pause=PIPELINE_PAUSE,
    )


def _loader_maker(learner, batch_size):
    config, settings = learner.model.config, learner.settings
    targets = target_function(learner.model, settings)
    scenes = list(DrawnScenes(length=SCENES, image_size=config.image_size))
    augmentation = AUGMENTATIONS[settings.augmentation](config)
    return partial(BatchLoader, scenes, config, batch_size, augmentation, target_fn=targets)


def _dataloader_contenders(config, make_loader, batch_size):
    from minissd.bench import torch_data
    from minissd.bench.torch_ssd import LAYOUTS

    def contender(layout, workers):
        twin = torch_learners(Learner(config))[layout]
        batches = torch_data.batches(make_loader, batch_size, workers)

        def next_batch():
            images, *targets = next(batches)
            return (images.contiguous(memory_format=LAYOUTS[layout]), *targets)

        return _contender(f"{layout}, {workers} workers", twin, next_batch, SETTLE)

    return [contender(layout, workers) for layout in LAYOUTS for workers in torch_data.WORKERS]
