"""Every number of the official augmentation, measured on what the augmentation does.

Sources: ssd_pascal.py (train_transform_param and batch_sampler), annotated_data_layer.cpp (order of
the steps), sampler.cpp (GenerateBatchSamples, SampleBBox), im_transforms.cpp; paper, sections 2.2 and 3.6.
"""

import dataclasses
import math
from collections import Counter
from functools import partial

import numpy as np
import pytest

from minissd import boxes
from minissd.config import SSD300_VOC
from minissd.data import augmentation
from minissd.data.augmentation import SSDAugmentation
from minissd.data.batches import collate
from minissd.data.geometry import (
    CAFFE_SAMPLERS,
    WHOLE_IMAGE,
    Sampler,
    boxes_in_window,
    crop_window,
    draw_crops,
    expand_window,
    meets_constraint,
    sample_crop,
)
from minissd.data.photometric import Photometric, rgb_to_hsv
from minissd.data.sample import Sample
from minissd.targets import make_batch_targets

CONFIG = dataclasses.replace(SSD300_VOC, image_size=24)
NO_OBJECTS = np.zeros((0, 4))
NO_LABELS = NO_OBJECTS, np.zeros(0, np.int64)
NOTHING = {"brightness": 0.0, "contrast": (1.0, 1.0), "saturation": (1.0, 1.0), "hue_degrees": 0.0}


def share_is(observed, probability, count):
    """Whether a share of so many draws is within 4.5 standard deviations of its probability."""
    return abs(observed - probability) < 4.5 * math.sqrt(probability * (1 - probability) / count)


def is_uniform(values, low, high):
    """Whether all values lie within the bounds, come near both, and have the deciles of a uniform spread."""
    values = np.sort((np.asarray(values) - low) / (high - low))
    steps = (np.arange(len(values)) + 0.5) / len(values)
    within = values[0] > -1e-5 and values[-1] < 1 + 1e-5  # float32 pixels
    return within and np.abs(values - steps).max() < 2.0 / math.sqrt(len(values))  # Kolmogorov's test, 0.1 %


# -- colour ------------------------------------------------------------------------------------------------


def drawn(name, pixel, measure, count=1500):
    """What one of the four changes, left at its default, makes of a pixel, `count` times."""
    only = {key: value for key, value in NOTHING.items() if key != name}
    image = np.array(pixel, np.float32).reshape(1, 1, 3)
    distort = Photometric(**only)
    return np.array([measure(distort(image, np.random.default_rng(i))[0, 0]) for i in range(count)])


def hue_of(pixel):
    """In degrees, -180...180."""
    return (float(rgb_to_hsv(pixel)[0]) + 180) % 360 - 180


COLOUR = {
    # name: pixel, what is measured, its range, its value where nothing happened
    "brightness": ((100, 100, 100), lambda p: p[0] - 100, (-32, 32), 0),
    "contrast": ((100, 100, 100), lambda p: p[0] / 100, (0.5, 1.5), 1),
    "saturation": ((200, 150, 100), lambda p: (200 - p[2]) / 100, (0.5, 1.5), 1),
    "hue_degrees": ((200, 0, 0), hue_of, (-36, 36), 0),
}


@pytest.mark.parametrize("name", COLOUR)
def test_each_change_of_colour_has_probability_half_and_its_range(name):
    """ssd_pascal.py: brightness_prob ... 0.5, brightness_delta 32, contrast and saturation 0.5 to 1.5,
    hue_delta 18, which in OpenCV's bytes are units of 2 degrees."""
    pixel, measure, bounds, unchanged = COLOUR[name]
    values = drawn(name, pixel, measure)
    happened = np.abs(values - unchanged) > 1e-4
    assert share_is(happened.mean(), 0.5, len(values))
    assert is_uniform(values[happened], *bounds)


def test_the_four_changes_happen_independently():
    """Nothing at all happens to one image in 16; with one coin for all four it would be every second."""
    image = np.array([200, 150, 100], np.float32).reshape(1, 1, 3)
    same = [np.array_equal(Photometric()(image, np.random.default_rng(i)), image) for i in range(2000)]
    assert share_is(np.mean(same), 1 / 16, 2000)


def test_brightness_comes_first_and_contrast_before_or_after_the_rest_by_a_coin():
    """ApplyDistort: twice (200 + delta) is up to 64 away from 400 / 2; delta after the contrast only 32."""
    twice = partial(Photometric, contrast=(2, 2), probability=1)
    pixel = np.full((1, 1, 3), 50, np.float32)
    brightest = [twice(saturation=(1, 1), hue_degrees=0)(pixel, np.random.default_rng(i)) for i in range(300)]
    away = np.array(brightest)[:, 0, 0, 0] - 100
    assert 60 < np.abs(away).max() <= 64 + 1e-3
    red = np.array([200, 100, 0], np.float32).reshape(1, 1, 3)
    paler = twice(brightness=0, saturation=(0.5, 0.5), hue_degrees=0)
    greens = [paler(red, np.random.default_rng(i))[0, 0, 1].round(1) for i in range(1000)]
    # Contrast first: 255 200 0, then half the saturation. Contrast last: 200 150 100, then doubled, cut.
    assert Counter(greens).keys() == {np.float32(227.5), np.float32(255)}
    assert share_is(np.mean(np.array(greens) == 255), 0.5, 1000)


def test_channels_are_never_shuffled():
    """random_order_prob is 0: where nothing but brightness and contrast happens, the order stays."""
    image = np.array([200, 150, 100], np.float32).reshape(1, 1, 3)
    distort = Photometric(saturation=(1, 1), hue_degrees=0)
    for i in range(300):
        red, green, blue = distort(image, np.random.default_rng(i))[0, 0]
        assert red >= green >= blue


# -- expansion ---------------------------------------------------------------------------------------------


def test_an_image_is_expanded_with_probability_half():
    """expand_prob 0.5."""
    augment = SSDAugmentation(CONFIG, samplers=CAFFE_SAMPLERS[:1])
    sides = np.array([np.diff(draw_window(augment, i)[::2])[0] for i in range(2000)])
    assert share_is((sides > 1 + 1e-12).mean(), 0.5, 2000)


def draw_window(augment, seed, gt_xyxy=NO_OBJECTS):
    return augment.draw_window(gt_xyxy, np.random.default_rng(seed))


def test_expansion_is_1_to_4_times_each_side_so_up_to_16_times_the_area():
    """max_expand_ratio 4; the paper's section 3.6: "a canvas of 16x of the original image size"."""
    windows = np.array([expand_window(np.random.default_rng(i)) for i in range(2000)])
    width, height = (windows[:, 2:] - windows[:, :2]).T
    np.testing.assert_allclose(width, height)
    assert is_uniform(width, 1, 4)
    assert 15 < (width * height).max() <= 16
    assert SSDAugmentation(CONFIG).max_expand == 4


def test_the_image_lies_anywhere_on_the_canvas():
    windows = np.array([expand_window(np.random.default_rng(i)) for i in range(2000)])
    room = windows[:, 2] - windows[:, 0] - 1
    for edge in (0, 1):
        assert is_uniform(-windows[:, edge] / room, 0, 1)


def test_the_canvas_has_the_colour_of_the_mean_which_becomes_0_in_the_network():
    """mean_value 104, 117, 123 in BGR."""
    augment = SSDAugmentation(CONFIG, expand_probability=1, samplers=CAFFE_SAMPLERS[:1])
    white = Sample(np.full((8, 8, 3), 255, np.uint8), *NO_LABELS)
    image = augment(white, np.random.default_rng(1)).image
    filled = (image == (123, 117, 104)).all(axis=2)
    assert filled.mean() > 0.3
    assert not collate([Sample(image, *NO_LABELS)], CONFIG).images[0][:, filled].any()


# -- crops -------------------------------------------------------------------------------------------------


def test_the_seven_samplers():
    """batch_sampler in ssd_pascal.py: the whole image, min IoU 0.1 ... 0.9 with 0.5, max IoU 1."""
    whole, *constrained, free = CAFFE_SAMPLERS
    assert whole == Sampler(scale=(1, 1), aspect=(1, 1), trials=1)
    assert [sampler.min_iou for sampler in constrained] == [0.1, 0.3, 0.5, 0.7, 0.9]
    assert (free.min_iou, free.max_iou) == (None, 1.0)
    for sampler in (*constrained, free):
        assert (sampler.scale, sampler.aspect, sampler.trials) == ((0.3, 1.0), (0.5, 2.0), 50)
    assert SSDAugmentation(CONFIG).samplers == CAFFE_SAMPLERS


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
    assert share_of_whole_images(NO_OBJECTS, draws=50) == 1


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


# -- the rest ----------------------------------------------------------------------------------------------


def test_the_crop_is_drawn_on_the_expanded_image(monkeypatch):
    """annotated_data_layer.cpp: distort, expand, crop. A crop's IoU is with objects that became smaller."""
    seen = []

    def remember(gt_xyxy, rng, samplers):
        seen.append(gt_xyxy)
        return np.array(WHOLE_IMAGE)

    monkeypatch.setattr(augmentation, "crop_window", remember)
    augment = SSDAugmentation(CONFIG, expand_probability=1)
    window = draw_window(augment, 1, np.array([WHOLE_IMAGE]))
    ((seen_box,),) = seen
    assert seen_box[2] - seen_box[0] == pytest.approx(1 / (window[2] - window[0])) and seen_box[2] < 1


def test_one_of_five_interpolations_is_drawn_evenly(monkeypatch):
    """resize_param: LINEAR, AREA, NEAREST, CUBIC, LANCZOS4."""
    used, resample = [], augmentation.resample_window

    def remember(image, window, height, width, interpolation):
        used.append(interpolation)
        return resample(image, window, height, width, interpolation)

    monkeypatch.setattr(augmentation, "resample_window", remember)
    augment = SSDAugmentation(CONFIG, photometric=None)
    sample = Sample(np.zeros((4, 4, 3), np.uint8), *NO_LABELS)
    for i in range(1000):
        augment(sample, np.random.default_rng(i))
    counts = Counter(used)
    assert counts.keys() == {"linear", "area", "nearest", "cubic", "lanczos"}
    assert all(share_is(count / 1000, 1 / 5, 1000) for count in counts.values())


def test_mirroring_has_probability_half_and_x_becomes_1_minus_x():
    """mirror true. In pixels W - x: with W - 1 - x, as some ports have it, boxes would move by one."""
    still = {"photometric": None, "expand_probability": 0, "samplers": CAFFE_SAMPLERS[:1]}
    sample = Sample(np.zeros((4, 4, 3), np.uint8), np.array([[0.0, 0.25, 0.25, 1.0]]), np.array([1]))
    augment = SSDAugmentation(CONFIG, **still)
    found = [tuple(augment(sample, np.random.default_rng(i)).gt_xyxy[0]) for i in range(1000)]
    assert set(found) == {(0.0, 0.25, 0.25, 1.0), (0.75, 0.25, 1.0, 1.0)}
    assert share_is(np.mean([box[0] > 0 for box in found]), 0.5, 1000)


def test_difficult_objects_stay_and_are_learned_from():
    """use_difficult_gt is true in ssd_pascal.py; amdegroot drops them."""
    image = np.zeros((4, 4, 3), np.uint8)
    sample = Sample(image, np.array([[0.2, 0.2, 0.8, 0.8]]), np.array([3]), np.array([True]))
    augment = SSDAugmentation(CONFIG, expand_probability=0, samplers=CAFFE_SAMPLERS[:1])
    augmented = augment(sample, np.random.default_rng(0))
    assert augmented.difficult.tolist() == [True]
    targets = partial(make_batch_targets, priors_cxcywh=np.array([[0.5, 0.5, 0.6, 0.6]]))
    assert collate([augmented], CONFIG, targets).conf_target.tolist() == [[3]]
