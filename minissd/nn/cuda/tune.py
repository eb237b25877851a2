"""Measure the layers of SSD300 on this GPU, and what the constants of the convolutions should be.

``python -m minissd.nn.cuda.tune 32`` does it for batches of 32. Every time is the median of several rounds,
measured by the GPU itself.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from statistics import median

import numpy as np

from minissd.backend import cuda, tf32
from minissd.nn.conv_shape import output_side
from minissd.nn.cuda import choose, direct, im2col, products, winograd
from minissd.nn.fast.choose import PackedWeights

ROUNDS, WARM_UP = 9, 3
LAYERS = {  # inputs, outputs, side of the input, kernel, stride, padding, dilation; how often it occurs
    "conv1_1": ((3, 64, 300, 3, 1, 1, 1), 1),
    "conv1_2": ((64, 64, 300, 3, 1, 1, 1), 1),
    "conv2_1": ((64, 128, 150, 3, 1, 1, 1), 1),
    "conv2_2": ((128, 128, 150, 3, 1, 1, 1), 1),
    "conv3_1": ((128, 256, 75, 3, 1, 1, 1), 1),
    "conv3_2": ((256, 256, 75, 3, 1, 1, 1), 2),
    "conv4_1": ((256, 512, 38, 3, 1, 1, 1), 1),
    "conv4_2": ((512, 512, 38, 3, 1, 1, 1), 2),
    "conv5_1": ((512, 512, 19, 3, 1, 1, 1), 3),
    "fc6": ((512, 1024, 19, 3, 1, 6, 6), 1),
    "fc7": ((1024, 1024, 19, 1, 1, 0, 1), 1),
    "conv8_1": ((1024, 256, 19, 1, 1, 0, 1), 1),
    "conv8_2": ((256, 512, 19, 3, 2, 1, 1), 1),
    "conv9_1": ((512, 128, 10, 1, 1, 0, 1), 1),
    "conv9_2": ((128, 256, 10, 3, 2, 1, 1), 1),
    "head of conv4_3": ((512, 100, 38, 3, 1, 1, 1), 1),
    "head of fc7": ((1024, 150, 19, 3, 1, 1, 1), 1),
    "head of conv8_2": ((512, 150, 10, 3, 1, 1, 1), 1),
    "head of conv9_2": ((256, 150, 5, 3, 1, 1, 1), 1),
}
CONSTANTS = {  # module, name, values to try
    "sides of tiles": (winograd, "SIDES", [(4,), (4, 6)]),
    "the same of exact outputs": (winograd, "EXACT_SIDES", [(4,), (4, 6)]),
    "tiles at a time": (winograd, "WORKSPACE_BYTES", [1 << n for n in (25, 26, 27, 28, 29, 30, 31)]),
    "columns at a time": (im2col, "COLUMN_BYTES", [1 << n for n in (24, 26, 28, 29, 30)]),
    "an image, a product": (im2col, "PLACES_OF_A_PRODUCT", [1, 64, 128, 256, 512, 1024]),
    "blocks that share a sum": (products, "BLOCKS", [512, 1024, 2048, 4096]),
    "outputs of a thread": (direct, "OUTPUTS", [8, 16, 32]),
    "places of a thread": (direct, "PLACES", [2, 4, 8]),
}


def milliseconds(function):
    """Median time that the GPU takes for a call."""
    cupy = cuda()
    times = []
    for _ in range(WARM_UP + ROUNDS):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        function()
        end.record()
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(begin, end))
    return median(times[WARM_UP:])


class Case:
    """One layer with arrays for a batch."""

    def __init__(self, layer, batch):
        cupy, rng = cuda(), np.random.default_rng(0)
        inputs, outputs, side, kernel, *self.geometry = layer
        out_side = output_side(side, kernel, *self.geometry)
        shapes = (batch, inputs, side, side), (outputs, inputs, kernel, kernel), (outputs,)
        self.x, self.weight, self.bias = (
            cupy.asarray(rng.standard_normal(shape, np.float32)) for shape in shapes
        )
        self.dy = cupy.ones((batch, outputs, out_side, out_side), np.float32)
        self.operations = 2 * self.weight.size * batch * out_side**2
        self.packed = PackedWeights()

    def forward(self, name="auto"):
        """A layer of a network at inference."""
        arrays = self.x, self.weight, self.bias
        choose.ALGORITHMS[name].forward(*arrays, *self.geometry, relu=True, packed=self.packed)

    def backward(self, name="auto"):
        """A layer of a network in training."""
        choose.ALGORITHMS[name].backward(self.dy, self.x, self.weight, *self.geometry)

    def module(self):
        """Name of the module that is chosen."""
        chosen = choose.best(self.x.shape, self.weight.shape, *self.geometry)
        return chosen.__name__.rpartition(".")[2]

    def steps(self):
        """Times of Winograd's steps for as many tiles as are done at a time, and how many times that is."""
        (_, padding, dilation), cupy = self.geometry, cuda()
        tiles = winograd.tiles_of(self.dy.shape, dilation)
        channels = self.x.shape[1], self.dy.shape[1]
        length = winograd._chunk(tiles, sum(channels))
        v, m = (cupy.zeros((1, tiles.points, c, length), np.float32) for c in channels)
        u, y = winograd.transform_weight(self.weight, tiles.side), cupy.empty_like(self.dy)
        steps = [
            partial(winograd._transform_input, self.x, v, padding, tiles, 0),
            partial(winograd.multiply, u, v[0], m[0]),
            partial(winograd._transform_output, m, self.bias, True, y, y.shape, tiles, 0),
        ]
        return [milliseconds(step) for step in steps], -(-tiles.count // length), v, m


def show_layers(batch):
    """Print a line for every layer: time, direct operations per second, and Winograd's steps."""
    print(f"batch {batch}; TFLOP/s as if computed directly; input, products and output of one of n pieces")
    for name, (layer, _) in LAYERS.items():
        case = Case(layer, batch)
        forward, backward = milliseconds(case.forward), milliseconds(case.backward)
        rate = case.operations / forward / 1e9
        line = f"{name:16} {case.module():9} {forward:7.3f} ms {rate:6.1f} TFLOP/s, back {backward:7.3f} ms"
        if case.module() == "winograd":
            (read, multiply, write), pieces, v, m = case.steps()
            products = 2 * m.size * v.shape[2] / multiply / 1e9
            line += f"; {v.nbytes / read / 1e9:.2f} TB/s, {products:.1f} TFLOP/s, "
            line += f"{m.nbytes / write / 1e9:.2f} TB/s x {pieces}"
        print(line, flush=True)


def show_choices(batch):
    """Print where Winograd's algorithm is faster, and what was expected."""
    for name, (layer, _) in LAYERS.items():
        if layer[3:5] == (3, 1) and layer[0] > 3:
            case = Case(layer, batch)
            times = [milliseconds(partial(case.forward, kind)) for kind in ("winograd", "direct")]
            print(f"{name:16} winograd {times[0]:7.3f}, columns {times[1]:7.3f} ms; chosen: {case.module()}")


def show_constants(batch):
    """Print the time of all layers together, forward and backward, for values of the constants."""
    cases = [(Case(layer, batch), count) for layer, count in LAYERS.values()]
    for what, (module, name, values) in CONSTANTS.items():
        print(f"{what}, {name} (now {getattr(module, name)}):")
        for value in values:
            with constant(module, name, value):
                totals = [
                    sum(count * milliseconds(getattr(case, kind)) for case, count in cases)
                    for kind in ("forward", "backward")
                ]
            print(f"  {value!s:12}: forward {totals[0]:8.3f} ms, backward {totals[1]:8.3f} ms", flush=True)


@contextmanager
def constant(module, name, value):
    """Another value for a constant."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def main(batches):
    """Measure everything, with full precision, and the layers with TF32 too."""
    for batch in batches:
        show_layers(batch)
        show_choices(batch)
        show_constants(batch)
        with tf32():
            print("TF32")
            show_layers(batch)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [32])
