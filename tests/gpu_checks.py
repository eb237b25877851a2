"""What must hold on a GPU and is too large, slow or rough for the suite: ``python tests/gpu_checks.py PART``.

Every check is a row of a table, see `check_table`; `on_gpu.py` runs this beside everything else.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from check_table import Check, relative_error, run
from gpu_agreement import GPU, agreement

from minissd import backend
from minissd.backend import to_cpu, to_device
from minissd.bench.workloads.network import random_images
from minissd.config import SSD300_VOC
from minissd.models import SSD
from minissd.nn import BatchNorm2d, Conv2d, L2Norm, MaxPool2d

# -- sizes that fill no tile ---------------------------------------------------------------------------------

# N, I, O, H, W, kernel, stride, padding, dilation
RAGGED = (
    (1, 1, 1, 1, 1, 3, 1, 1, 1),
    (1, 1, 1, 5, 7, 3, 1, 1, 1),
    (1, 3, 64, 37, 41, 3, 1, 1, 1),
    (2, 5, 7, 6, 3, 3, 1, 0, 1),
    (3, 33, 65, 19, 19, 3, 1, 1, 1),
    (1, 17, 31, 19, 19, 3, 1, 6, 6),
    (2, 31, 33, 10, 11, 3, 2, 1, 1),
    (1, 129, 127, 5, 5, 1, 1, 0, 1),
    (5, 1, 9, 8, 8, 5, 3, 2, 2),
)


def ragged(shapes=RAGGED):
    """Convolutions of odd sizes with every algorithm, beside the readable one in float64."""
    for shape in shapes:
        *_, kernel, stride, _, _ = shape
        for algorithm in ("auto", "direct", *(["winograd"] if (kernel, stride) == (3, 1) else [])):
            what = f"convolution {shape}, {algorithm}"
            try:
                yield Check.of_bound(what, max(_convolution_errors(shape, algorithm)))
            except Exception as error:  # the other algorithms may do
                yield Check.of_exception(what, error)


def _convolution_errors(shape, algorithm):
    n, inputs, outputs, height, width, *geometry = shape
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, inputs, height, width))
    exact = Conv2d(inputs, outputs, *geometry, algorithm="im2col", rng=rng)
    ours = Conv2d(inputs, outputs, *geometry, algorithm=algorithm).to(GPU)
    for name, array in exact.params.items():
        array[...] = rng.standard_normal(array.shape)
        ours.params[name] = to_device(array, GPU)
    exact.astype(np.float64)
    y = exact.forward(x)
    dy = rng.standard_normal(y.shape)
    pairs = [(ours.forward(to_device(x.astype(np.float32), GPU)), y)]
    pairs.append((ours.backward(to_device(dy.astype(np.float32), GPU)), exact.backward(dy)))
    return [relative_error(*pair) for pair in [*pairs, *((ours.grads[n], g) for n, g in exact.grads.items())]]


# -- arrays over 4 GiB ---------------------------------------------------------------------------------------

LARGE = (136, 64, 500, 500)  # 2.2e9 numbers, 8.1 GiB: a 32-bit index, with or without sign, does not suffice
WIDE = (1, 8, 16400, 16500)  # the same in one image


def large(shape=LARGE, wide=WIDE):
    """Layers on arrays whose places and bytes no 32-bit number counts, beside the same on a few images."""
    channels = shape[1]
    layers = {
        "convolution, winograd": Conv2d(channels, channels, 3, padding=1, algorithm="winograd"),
        "convolution, direct": Conv2d(channels, channels, 3, padding=1, algorithm="direct"),
        "convolution 1x1": Conv2d(channels, channels, 1),
        "max pooling": MaxPool2d(2, 2),
        "L2 norm": L2Norm(channels),
        "batch norm, inference": BatchNorm2d(channels).eval(),
    }
    for name, layer in layers.items():
        for what, found, expected in _images_of(layer.to(GPU), shape):
            yield Check.of_error(f"{name} on {_size(shape)}: {what}", found, expected)
        if isinstance(layer, Conv2d):
            whole, parts = _weight_gradients(layer, shape)
            yield Check.of_error(f"{name} on {_size(shape)}: weight gradient", whole, parts)
        layer.forget()
        backend.free_memory()
    conv = Conv2d(wide[1], wide[1], 3, padding=1, algorithm="winograd").eval().to(GPU)
    x = _numbers(wide)
    corner = conv.forward(x[..., -64:, -64:].copy())[..., -32:, -32:]
    whole = conv.forward(x)[..., -32:, -32:]
    yield Check.of_error(f"convolution, winograd on {_size(wide)}: the last corner", whole, corner)


def _images_of(layer, shape):
    """What a layer makes of a large batch, and of some of its images alone."""
    x = _numbers(shape)
    some = slice(None, None, -(shape[0] // 2))  # the last, one in the middle, and maybe the first
    y = layer.forward(x)
    kept = {"y": y[some].copy()}
    if layer.training:
        kept["dx"] = layer.backward(y)[some]  # y serves as its gradient
    del y
    for name in kept:
        layer.forget()
        alone = layer.forward(x[some])
        expected = alone if name == "y" else layer.backward(alone)
        yield name, kept[name], expected


def _weight_gradients(conv, shape, parts=8):
    """That of a large batch, and the sum of those of its parts; the output serves as its gradient."""
    x, found = _numbers(shape), []
    conv.needs_input_gradient = False
    for part in (x, *backend.get_array_module(x).split(x, parts)):
        conv.backward(conv.forward(part))
        found.append(conv.grads["weight"].astype(np.float64))
    return found[0], sum(found[1:])


def _numbers(shape):
    """Random numbers on the GPU: one image, with a factor for each."""
    rng, xp = np.random.default_rng(0), backend.cuda()
    image = to_device(rng.standard_normal(shape[1:], np.float32), GPU)
    factors = to_device(rng.uniform(0.5, 2, shape[0]).astype(np.float32), GPU)
    x = xp.empty(shape, np.float32)
    for n in range(shape[0]):
        x[n] = image * factors[n]
    return x


def _size(shape):
    return f"{' x '.join(map(str, shape))} ({4 * np.prod(shape, dtype=np.int64) / backend.GIB:.1f} GiB)"


# -- a full GPU ----------------------------------------------------------------------------------------------


def memory(config=SSD300_VOC, batch_size=64, gib=1.0):
    """A GPU without room for a batch says so, and is of use afterwards."""
    model = SSD(config).eval().to(GPU)
    images = to_device(random_images(config, 1), GPU)
    before = to_cpu(model.forward(images)[1])
    many = backend.cuda().concatenate([images] * batch_size)
    backend.free_memory()
    backend.limit_memory(gib)
    message = "no error"
    try:
        with backend.out_of_memory(batch_size):
            model.forward(many)
    except MemoryError as error:
        message = str(error)
    finally:
        backend.limit_memory(None)
    said = "GiB" in message and f"(take {batch_size // 2})" in message
    yield Check(f"batch {batch_size} with {gib:g} GiB", message, "the size asked, a smaller batch", said)
    yield Check.of_error("the same model afterwards, batch 1", model.forward(images)[1], before, 1e-6)


# -- all of them ---------------------------------------------------------------------------------------------

PARTS = {"agreement": agreement, "ragged": ragged, "large": large, "memory": memory}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--csv", type=Path, required=True)
    options = parser.parse_args(arguments)
    return run(options.part, PARTS[options.part](), options.csv) > 0


if __name__ == "__main__":
    sys.exit(main())
