"""Every number of the official crops, measured on the windows that are drawn.

Sources: ssd_pascal.py (batch_sampler), sampler.cpp (GenerateBatchSamples, SampleBBox); paper, section 2.2.
"""

import math

import numpy as np
import pytest
from chance import is_uniform, share_is

from minissd import boxes
from minissd.config import SSD300_VOC
from minissd.data.augmentation import SSDAugmentation
from minissd.data.geometry import (
    CAFFE_SAMPLERS,
    WHOLE_IMAGE,
    Sampler,
    boxes_in_window,
    crop_window,
    draw_crops,
    meets_constraint,
    sample_crop,
)


def test_the_seven_samplers():
    """batch_sampler in ssd_pascal.py: the whole image, min IoU 0.1 ... 0.9 with 0.5, max IoU 1."""
    whole, *constrained, free = CAFFE_SAMPLERS
    assert whole == Sampler(scale=(1, 1), aspect=(1, 1), trials=1)
    assert [sampler.min_iou for sampler in constrained] == [0.1, 0.3, 0.5, 0.7, 0.9]
    assert (free.min_iou, free.max_iou) == (None, 1.0)
    for sampler in (*constrained, free):
        assert (sampler.scale, sampler.aspect, sampler.trials) == ((0.3, 1.0), (0.5, 2.0), 50)
    assert SSDAugmentation(SSD300_VOC).samplers == CAFFE_SAMPLERS


def share_of_whole_images(gt_xyxy, draws=1500):
    rng = np.random.default_rng(7)
    windows = [crop_window(gt_xyxy, rng) for _ in range(draws)]
    return np.mean([tuple(window) == WHOLE_IMAGE for window in windows])


@pytest.mark.parametrize(
    ("name", "box", "share"),
    [
        # IoU with a crop is at most 0.0004 / 0.09: only the whole image and "any crop" are left.
        ("tiny", [0.49, 0.49, 0.51, 0.51], 1 / 2),
        # A crop reaches 0.9 if s^2 >= 0.9, in 50 trials with probability 0.977: 1/7, hardly ever 1/6.
        ("whole", [0.0, 0.0, 1.0, 1.0], 0.977 / 7 + 0.023 / 6),
    ],
)
def test_share_of_whole_images_is_one_seventh_or_more(name, box, share):
    """One of the successful samplers is drawn: the fewer succeed, the more often the image stays whole."""
    observed = share_of_whole_images(np.array([box]))
    assert share_is(observed, share, 1500)
    assert observed > 1 / 7 - 4.5 * math.sqrt(1 / 7 * 6 / 7 / 1500)


def test_without_objects_the_image_always_stays_whole():
    assert share_of_whole_images(np.zeros((0, 4)), draws=50) == 1


def test_a_sampler_has_50_trials():
    """With success p in one trial it succeeds with 1 - (1 - p)^50: here the area must be 0.9 of the image."""
    gt_xyxy, p = np.array([WHOLE_IMAGE]), (1 - math.sqrt(0.9)) / 0.7
    rng = np.random.default_rng(3)
    found = [sample_crop(CAFFE_SAMPLERS[5], gt_xyxy, rng) is not None for _ in range(3000)]
    assert share_is(np.mean(found), 1 - (1 - p) ** 50, 3000)


@pytest.fixture(scope="module")
def crops():
    """Width and height of crops of the constrained samplers' sizes."""
    windows = draw_crops(CAFFE_SAMPLERS[1], 20_000, np.random.default_rng(11))
    return (windows[:, 2:] - windows[:, :2]).T


def test_the_scale_is_of_the_side_and_not_of_the_area(crops):
    """The paper says "[0.1, 1] of the original image size"; Caffe draws s from 0.3...1, the area is s^2."""
    width, height = crops
    assert is_uniform(np.sqrt(width * height), 0.3, 1)
    assert not is_uniform(width * height, 0.1, 1)


def test_the_aspect_is_drawn_and_then_clamped(crops):
    """sampler.cpp since 2017: a in 0.5...2, clamped to s^2...1/s^2, so that many crops are as wide or as high
    as the image. Drawn within the clamped range, as before and as in ChainerCV, none would be.

    P(clamped) is the mean of ((s^2 - 1/2) + (2 - 1/s^2)) / 1.5 over s, for s above sqrt(1/2).
    """
    width, height = crops
    assert 0.5 - 1e-9 < (width / height).min() < (width / height).max() < 2 + 1e-9

    def integral(s):
        return s**3 / 3 + 1.5 * s + 1 / s

    clamped = (integral(1) - integral(math.sqrt(0.5))) / 1.5 / 0.7
    touches = np.maximum(width, height) > 1 - 1e-9
    assert clamped == pytest.approx(0.2292, abs=1e-4)
    assert share_is(touches.mean(), clamped, len(touches))


def test_the_aspect_is_uniform_where_nothing_is_clamped(crops):
    width, height = crops
    small = np.sqrt(width * height) < 0.7
    assert is_uniform((width / height)[small], 0.5, 2)


def test_one_object_that_fits_is_enough():
    """SatisfySampleConstraint returns at the first; ChainerCV and NVIDIA ask it of all objects."""
    window = np.array([[0.0, 0.0, 0.5, 0.5]])
    gt_xyxy = np.array([[0.0, 0.0, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]])
    assert boxes.iou(window, gt_xyxy).tolist() == [[1, 0]]  # of the second they would ask 0.9 as well
    assert meets_constraint(Sampler(min_iou=0.9), window, gt_xyxy).tolist() == [True]


def test_a_crop_below_the_minimum_is_refused():
    """amdegroot refuses it if overlap.min() < min_iou and max_iou < overlap.max(): never, max_iou is inf."""
    window, gt_xyxy = np.array([[0.0, 0.0, 0.5, 0.5]]), np.array([[0.4, 0.4, 0.9, 0.9]])
    assert meets_constraint(Sampler(min_iou=0.9), window, gt_xyxy).tolist() == [False]


@pytest.mark.parametrize(("center", "kept"), [(0.5, True), (0.75, True), (0.4999, False), (0.7501, False)])
def test_an_object_is_kept_if_its_centre_lies_in_the_crop_borders_included(center, kept):
    """MeetEmitConstraint, CENTER; ChainerCV leaves out the right and the lower border."""
    window = [0.5, 0.0, 0.75, 1.0]
    gt_xyxy = np.array([[center - 0.125, 0.25, center + 0.125, 0.75]])
    assert boxes_in_window(gt_xyxy, window)[1].tolist() == [kept]


def test_a_kept_box_is_cut_only_after_its_centre_was_judged():
    """The box's centre, 0.45, is in the crop; that of what is seen of it, 0.25, plays no part."""
    window, gt_xyxy = [0.0, 0.0, 0.5, 1.0], np.array([[0.0, 0.0, 0.9, 1.0]])
    boxes_xyxy, _ = boxes_in_window(gt_xyxy, window)
    np.testing.assert_allclose(boxes_xyxy, [[0, 0, 1, 1]])
    assert gt_xyxy.tolist() == [[0.0, 0.0, 0.9, 1.0]]  # the box given stays as it was
