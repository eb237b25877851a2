"""Every convolution of SSD300 and TINY by itself: forward, and each of the two gradients.

The maps have the channels last, as they have inside our network on the processor, or on a GPU the order of
their shape; PyTorch gets them in either layout.
"""

from __future__ import annotations

import copy
import itertools
from functools import partial

import numpy as np

from minissd.bench import peers
from minissd.bench.contest import Contest, Work, against_peers
from minissd.bench.device import PROCESSOR
from minissd.bench.operations import convolutions
from minissd.bench.timing import Contender
from minissd.bench.workloads.setting import model_name
from minissd.config import SSD300_VOC, TINY
from minissd.models import SSD
from minissd.nn import Conv2d

BATCH_SIZES = {SSD300_VOC: 8, TINY: 32}  # those of training
BATCH_SIZES_ON_GPU = {SSD300_VOC: 32}
TOLERANCE = 1e-4
FORWARD, DATA, WEIGHT = "forward", "data gradient", "weight gradient"


def works(setting):
    """List the rows."""
    sizes = BATCH_SIZES_ON_GPU if setting.device.on_gpu else BATCH_SIZES
    for device, (config, usual) in itertools.product(setting.device.precisions(), sizes.items()):
        for batch_size in setting.sizes(usual):
            first, *others = alike(convolutions(SSD(config), batch_size))
            yield from _rows(config, first, (FORWARD, WEIGHT), device)  # the images need no gradient
            for group in others:
                yield from _rows(config, group, (FORWARD, WEIGHT, DATA), device)


def alike(layers):
    """Group layers that are the same piece of work, in the order of the first of each."""
    groups = {}
    for layer in layers:
        key = layer.x_shape, layer.weight_shape, layer.geometry, layer.bias
        groups.setdefault(key, []).append(layer)
    return list(groups.values())


def _rows(config, group, passes, device):
    network, layer = model_name(config), group[0]
    batch = device.title(f"batch {layer.x_shape[0]}")
    label = layer.name + (f" ({len(group)} alike)" if len(group) > 1 else "")
    for which in passes:
        yield Work(
            "layers",
            f"{network} {label} {which}, {batch}",
            against_peers(partial(contest, layer, which, device)),
            place=(which, f"{network}, {batch}", label),
        )


def contest(layer, which, device=PROCESSOR):
    """Build the contest of one convolution.

    Parameters
    ----------
    layer : minissd.bench.operations.Convolution
    which : str
        `FORWARD`, `DATA` or `WEIGHT` (with the bias).
    device : Device
    """
    rng = np.random.default_rng(0)
    x, dy = (_channels_last(rng, shape) for shape in (layer.x_shape, layer.y_shape))
    out_channels, in_channels, kernel, _ = layer.weight_shape
    conv = Conv2d(in_channels, out_channels, kernel, *layer.geometry, bias=layer.bias, rng=rng)
    contenders = []
    if peers.find("torch"):
        from minissd.bench import torch_layers

        contenders = torch_layers.contenders(x, dy, conv, which, device)
    ours = partial(_ours, conv, x, dy, which)
    counts = {"operations": layer.operations, "traffic": layer.traffic}
    return Contest.on(device, ours, contenders, TOLERANCE, **counts)


def _ours(conv, x, dy, which, device):
    conv, x, dy = copy.deepcopy(conv).to(device.name), device.send(x), device.send(dy)
    if which == FORWARD:
        return Contender("minissd", lambda: conv.eval().forward(x), lambda y: {"y": y})
    conv.train().forward(x)

    def backward(need_dx):
        conv.needs_input_gradient = need_dx
        return conv.backward(dy)

    if which == DATA:  # the weight gradient is always computed, so its time is taken off
        return Contender(
            "minissd", lambda: backward(True), lambda dx: {"dx": dx}, without=lambda: backward(False)
        )
    return Contender("minissd", lambda: backward(False), lambda _: dict(conv.grads))


def _channels_last(rng, shape):
    """A random map (N, C, H, W), channels last in memory unless they are the colours of an image."""
    n, c, h, w = shape
    if c <= 3:
        return rng.standard_normal(shape, np.float32)
    return rng.standard_normal((n, h, w, c), np.float32).transpose(0, 3, 1, 2)
