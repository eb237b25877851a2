"""What must hold on a GPU and is too large, slow or rough for the suite: ``python tests/gpu_checks.py PART``.

Every check is printed as a row of a Markdown table as soon as it is done, and written to a CSV file.
`on_gpu.py` runs this beside everything else.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minissd import backend
from minissd.backend import to_cpu, to_device
from minissd.bench.workloads.network import random_images
from minissd.bench.workloads.training import random_targets
from minissd.config import SSD300_VOC, TINY
from minissd.loss import multibox_loss
from minissd.models import SSD
from minissd.nn import SGD, BatchNorm2d, Conv2d, L2Norm, MaxPool2d
from minissd.settings import settings_for

GPU = "cuda:0"
FLOAT32 = 1e-4  # largest error beside the largest number
STEPS = 10
RATE = 1e-4  # at 1e-3, in ten steps, rounding alone changes SSD300's loss by some thousandths


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what came out, and whether that will do (None: it is only stated)."""

    what: str
    found: str
    wanted: str = ""
    holds: bool | None = None

    @classmethod
    def of_error(cls, what, found, expected, bound=FLOAT32):
        """The error of an array beside its bound."""
        return cls.of_bound(what, relative_error(found, expected), bound)

    @classmethod
    def of_bound(cls, what, error, bound=FLOAT32):
        """An error beside its bound; without one it is only stated."""
        return cls(what, f"{error:.1e}", f"{bound:g}" if bound else "", error <= bound if bound else None)

    @classmethod
    def of_exception(cls, what, error):
        """Something that could not be looked at."""
        text = str(error).replace("\n", " ").replace("|", "/")
        return cls(what, f"{type(error).__name__}: {text[:500]}", "no error", False)


def relative_error(found, expected):
    """The largest difference as a part of the largest number expected; infinite where one is no number."""
    found, expected = (np.asarray(to_cpu(array), np.float64) for array in (found, expected))
    error = np.abs(found - expected).max(initial=0) / (np.abs(expected).max(initial=0) or 1)
    return float(error) if np.isfinite(error) else np.inf


# -- the GPU and the processor compute the same --------------------------------------------------------------


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


def run(part, checks, path):
    """Print and write the checks of a part as they come; returns how many do not hold.

    An exception is a check that does not hold, and the last one of its part.
    """
    print("| check | found | at most | |\n|---|---|---|---|", flush=True)
    failed = 0
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("part", "check", "found", "wanted", "holds"))
        for check in _until_error(checks):
            failed += check.holds is False
            verdict = {True: "ok", False: "**NOT**", None: ""}[check.holds]
            print(f"| {check.what} | {check.found} | {check.wanted} | {verdict} |", flush=True)
            writer.writerow((part, check.what, check.found, check.wanted, check.holds))
            file.flush()
    return failed


def _until_error(checks):
    try:
        yield from checks
    except Exception as error:  # whatever it is, the report shall hold it
        yield Check.of_exception("all of the rest", error)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--csv", type=Path, required=True)
    options = parser.parse_args(arguments)
    return run(options.part, PARTS[options.part](), options.csv) > 0


if __name__ == "__main__":
    sys.exit(main())
