"""Every number of the official augmentation, measured on what the augmentation does.

Sources: ssd_pascal.py (train_transform_param), annotated_data_layer.cpp (order of the steps),
im_transforms.cpp; paper, sections 2.2 and 3.6. The numbers of the crops are in `test_crop_facts`.
"""

import dataclasses
from collections import Counter
from functools import partial

import numpy as np
import pytest
from chance import is_uniform, share_is

from minissd.config import SSD300_VOC
from minissd.data import augmentation
from minissd.data.augmentation import SSDAugmentation
from minissd.data.batches import collate
from minissd.data.geometry import CAFFE_SAMPLERS, WHOLE_IMAGE, expand_window
from minissd.data.photometric import Photometric, rgb_to_hsv
from minissd.data.sample import Sample
from minissd.targets import make_batch_targets

CONFIG = dataclasses.replace(SSD300_VOC, image_size=24)
NO_OBJECTS = np.zeros((0, 4))
NO_LABELS = NO_OBJECTS, np.zeros(0, np.int64)
NOTHING = {"brightness": 0.0, "contrast": (1.0, 1.0), "saturation": (1.0, 1.0), "hue_degrees": 0.0}


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
