"""A sample that cannot be meant is refused before anything is learned from it."""

import numpy as np
import pytest

from minissd.config import TINY
from minissd.data.batches import BatchLoader
from minissd.data.sample import Sample, sample_of
from minissd.errors import InputError
from minissd.models import SSD
from minissd.predict import evaluate_model

IMAGE = np.zeros((60, 80, 3), np.uint8)


def sample(box=(0.1, 0.2, 0.5, 0.6), label=1):
    return Sample(IMAGE, np.array([box], np.float64), np.array([label]), name="cat.jpg")


FAULTS = {
    "pixels": (
        sample((8, 12, 40, 30)),
        r"cat\.jpg: a box of gt_xyxy is in pixels \(divide by width and height\)",
    ),
    "corners": (sample((0.5, 0.5, 0.2, 0.6)), r"wrong order \(give x1, y1, x2, y2\)"),
    "no number": (sample((0.1, np.nan, 0.5, 0.6)), r"is no number \(remove or correct it\)"),
    "background": (sample(label=0), r"a label is below 1 \(0 is the background"),
    "labels": (Sample(IMAGE, sample().gt_xyxy, np.array([1, 2])), r"gt_xyxy has shape \(1, 4\) for 2 labels"),
    "lists": (
        Sample(IMAGE, [[0.1, 0.2, 0.5, 0.6]], [1]),
        r"gt_xyxy is a list, labels a list \(give",
    ),
    "flat": (Sample(IMAGE, sample().gt_xyxy[0], np.array([1])), r"gt_xyxy has shape \(4,\) for 1 labels"),
    "nothing": (
        Sample(IMAGE, np.array([]), np.array([])),
        r"gt_xyxy has shape \(0,\) for 0 labels \(.* shape \(0, 4\)\)",
    ),
    "column": (Sample(IMAGE, sample().gt_xyxy, np.array([[1]])), r"labels has shape \(1, 1\) \(give one"),
    "names": (sample(label="cat"), r"gt_xyxy holds float64, labels <U3 \(give numbers\)"),
    "objects": (
        Sample(IMAGE, sample().gt_xyxy.astype(object), np.array([1])),
        r"gt_xyxy holds object, labels int\d+ \(give numbers\)",
    ),
    "tuple": ((IMAGE, sample().gt_xyxy, [1]), r"dataset\[0\]: is a tuple \(give a minissd\.data\.Sample\)"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_cannot_be_meant_is_refused(case):
    faulty, words = FAULTS[case]
    with pytest.raises(InputError, match=words):
        sample_of([faulty], 0)
    for cache_bytes in (0, 1 << 20):
        with pytest.raises(InputError, match=words):
            BatchLoader([faulty], TINY, 1, workers=0, cache_bytes=cache_bytes).batch(0)
    with pytest.raises(InputError, match=words):
        evaluate_model(SSD(TINY), [faulty])


def test_what_can_be_meant_is_handed_on_as_it_is():
    nothing = Sample(IMAGE, np.zeros((0, 4)), np.zeros(0, np.int64))
    reaching_out = sample((-0.1, 0.2, 1.2, 0.9))
    flat = sample((0.1, 0.2, 0.1, 0.6))
    compact = Sample(IMAGE, sample().gt_xyxy.astype(np.float32), np.array([1], np.uint8))
    samples = [sample(), nothing, reaching_out, flat, compact]
    assert all(sample_of(samples, i) is samples[i] for i in range(5))
