"""Whole networks, forward: SSD300 and SSD512 on images that are already the network's input."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np

from minissd.bench import peers
from minissd.bench.blueprint import blueprint, weights_in_order
from minissd.bench.contest import Contest, Work, against_peers
from minissd.bench.device import PROCESSOR
from minissd.bench.operations import forward_operations, forward_traffic
from minissd.bench.timing import Contender
from minissd.bench.workloads.setting import model_name
from minissd.config import SSD300_VOC, SSD512_VOC
from minissd.models import SSD

USUAL = {SSD300_VOC: (1, 8), SSD512_VOC: (1,)}
USUAL_ON_GPU = {SSD300_VOC: (1, 8, 32), SSD512_VOC: (8,)}
TOLERANCE = 1e-4


def works(setting):
    """List the rows."""
    sizes = USUAL_ON_GPU if setting.device.on_gpu else USUAL
    for device, (config, usual) in itertools.product(setting.device.precisions(), sizes.items()):
        for batch_size in setting.sizes(*usual):
            name = device.title(f"{model_name(config)} forward, batch {batch_size}")
            yield Work("network", name, against_peers(partial(contest, config, batch_size, device)))


def random_images(config, batch_size):
    """Noise of the size and scale of a network's input."""
    shape = (batch_size, 3, config.image_size, config.image_size)
    scale = np.float32(50 / config.pixel_scale)
    return scale * np.random.default_rng(1).standard_normal(shape, np.float32)


def contest(config, batch_size, device=PROCESSOR):
    """Build the contest of one forward pass."""
    images, model = random_images(config, batch_size), SSD(config)
    return Contest.on(
        device,
        partial(_ours, config, images),
        _torch_contenders(model, images, device) if peers.find("torch") else [],
        TOLERANCE,
        operations=forward_operations(model, batch_size),
        traffic=forward_traffic(model, batch_size),
    )


def _ours(config, images, device):
    model, images = SSD(config).eval().to(device.name), device.send(images)
    return Contender("minissd", lambda: model.forward(images), _predictions)


def _torch_contenders(model, images, device):
    from minissd.bench.torch_ssd import LAYOUTS, as_input, torch, twin

    def contender(layout):
        network = twin(blueprint(model), weights_in_order(model), layout, device).eval()
        x = as_input(images, layout, device)
        run = torch.no_grad()(lambda: network(x))
        return Contender(layout, run, lambda y: _predictions([tensor.cpu().numpy() for tensor in y]))

    return [contender(layout) for layout in LAYOUTS]


def _predictions(pair):
    return dict(zip(("loc", "conf"), pair))
