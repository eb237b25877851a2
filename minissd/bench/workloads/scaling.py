"""How our own cost grows: with the batch, with the pixels, and how it shrinks with a second thread."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import numpy as np

from minissd.bench.child import Child, Task
from minissd.bench.contest import Contest, Work, hold
from minissd.bench.operations import forward_operations, training_operations
from minissd.bench.row import Row
from minissd.bench.timing import Contender, Spread, interleaved
from minissd.bench.workloads.network import random_images
from minissd.bench.workloads.setting import model_name
from minissd.config import SSD300_VOC, TINY
from minissd.models import SSD
from minissd.nn.threads import num_threads

BATCH_SIZES = (1, 2, 4, 8)
SIDES = (128, 256, 512)  # of TINY's image, in pixels
PIXELS_BATCH = 8
OPERATIONS = {"forward": forward_operations, "training": training_operations}
THREADS_BATCH = 8


def works(setting):
    """List the rows."""
    yield Work("scaling", f"{model_name(SSD300_VOC)} forward, growing batch", measure_batches)
    yield Work("scaling", f"{model_name(TINY)} forward, growing image", measure_pixels)
    if num_threads() > 1:
        for work in OPERATIONS:
            name = f"{model_name(SSD300_VOC)} {work}, batch {THREADS_BATCH}: 1 thread to {num_threads()}"
            yield Work("scaling", name, partial(measure_threads, which=work))


def measure_batches(work, plan, config=SSD300_VOC, batch_sizes=BATCH_SIZES):
    """Measure forward passes of growing batches: the time per image should stay the same."""
    model = SSD(config).eval()
    cases = {f"batch {n}": (model, n, n) for n in batch_sizes}
    return _measure_growth(work, plan, cases, "image")


def measure_pixels(work, plan, sides=SIDES, batch_size=PIXELS_BATCH):
    """Measure forward passes of growing images: the time per pixel should stay the same."""
    cases = {
        f"{side} pixels, batch {batch_size}": (SSD(tiny_of_side(side)).eval(), batch_size, side * side)
        for side in sides
    }
    return _measure_growth(work, plan, cases, "pixel")


def tiny_of_side(side):
    """TINY for square images of another side, a multiple of 64.

    Examples
    --------
    >>> tiny_of_side(128).feature_maps
    (16, 8, 4, 2)
    """
    feature_maps = tuple(side // int(step) for step in TINY.steps)
    return replace(TINY, image_size=side, feature_maps=feature_maps)


def _measure_growth(work, plan, cases, unit):
    """One row per case (model, batch size, units of cost), all of them interleaved."""
    images = {name: random_images(model.config, n) for name, (model, n, _) in cases.items()}
    contenders = [
        Contender(name, partial(model.forward, images[name])) for name, (model, _, _) in cases.items()
    ]
    for contender in contenders:
        contender.run()
    spreads = {name: Spread.of(values) for name, values in interleaved(contenders, plan).items()}
    costs = {name: spreads[name].median / units for name, (_, _, units) in cases.items()}
    first = next(iter(cases))

    def note(name):
        return "" if name == first else f"{costs[name] / costs[first]:.2f} x the time per {unit} of {first}"

    kind = work.name.partition(",")[0]
    return [
        Row(
            work.group,
            f"{kind}, {name}",
            ours=spreads[name],
            operations=forward_operations(model, n),
            note=note(name),
        )
        for name, (model, n, _) in cases.items()
    ]


def measure_threads(work, plan, which, config=SSD300_VOC, batch_size=THREADS_BATCH):
    """Measure the same work in two processes, one of which has a single thread."""
    task = Task("minissd", which, config.name, batch_size)
    with ExitStack() as stack:

        def contender(name, threads):
            child = stack.enter_context(Child(task, threads))
            return Contender(name, child.run, lambda answer: {"value": np.array(answer["value"])})

        contest = Contest(
            contender("minissd", num_threads()),
            [contender("minissd, 1 thread", 1)],
            tolerance=1e-5,
            operations=OPERATIONS[which](SSD(config), batch_size),
        )
        return [hold(contest, work, plan)]
