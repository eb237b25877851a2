"""The whole augmentation: that pixels and boxes move together, its odds, its determinism."""

import dataclasses

import numpy as np
import pytest

from minissd.config import TINY
from minissd.data.augmentation import Chain, Resize, SSDAugmentation, mild
from minissd.data.geometry import Sampler
from minissd.data.sample import Sample

CONFIG = dataclasses.replace(TINY, image_size=96)
WHOLE = (Sampler(scale=(1, 1), aspect=(1, 1), trials=1),)
PLAIN = {"photometric": False, "interpolations": ("area",)}


def red_square(box_px=(30, 12, 78, 60), size=(96, 128)):
    """A red rectangle on black, with its box."""
    image = np.zeros((*size, 3), np.uint8)
    x1, y1, x2, y2 = box_px
    image[y1:y2, x1:x2] = (255, 0, 0)
    height, width = size
    gt_xyxy = np.array([[x1 / width, y1 / height, x2 / width, y2 / height]])
    return Sample(image, gt_xyxy, np.array([3]), np.array([True]), "red")


def box_of_red(image):
    red = (image[..., 0].astype(int) - image[..., 1]) > 127
    (rows,), (columns,) = np.nonzero(red.any(axis=1)), np.nonzero(red.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / len(image)


@pytest.mark.parametrize("seed", range(40))
def test_the_box_stays_on_its_object(seed):
    augment = SSDAugmentation(CONFIG, vertical_flip_probability=0.5, **PLAIN)
    result = augment(red_square(), np.random.default_rng(seed))
    assert result.image.shape == (96, 96, 3)
    if len(result.gt_xyxy):
        np.testing.assert_allclose(box_of_red(result.image), result.gt_xyxy[0], atol=1.01 / 96)
        assert result.labels.tolist() == [3]
        assert result.difficult.tolist() == [True]
        assert result.name == "red"
    else:
        assert len(result.labels) == len(result.difficult) == 0


def test_input_is_unchanged_and_chance_comes_from_rng_alone():
    sample = red_square()
    image, gt_xyxy = sample.image.copy(), sample.gt_xyxy.copy()
    first, second = (SSDAugmentation(CONFIG)(sample, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.gt_xyxy, second.gt_xyxy)
    np.testing.assert_array_equal(sample.image, image)
    np.testing.assert_array_equal(sample.gt_xyxy, gt_xyxy)


def test_expanded_image_lies_on_the_mean():
    config = dataclasses.replace(CONFIG, mean_rgb=(10.0, 20.0, 30.0))
    augment = SSDAugmentation(config, expand_probability=1, samplers=WHOLE, photometric=True)
    white = Sample(np.full((60, 60, 3), 255, np.uint8), np.zeros((0, 4)), np.zeros(0, np.int64))
    result = augment(white, np.random.default_rng(1))
    filled = (result.image == (10, 20, 30)).all(axis=2)
    x1, _, x2, _ = augment.draw_window(white.gt_xyxy, np.random.default_rng(1))
    # The colour distortion must not touch the fill; the image covers 1 / ratio^2.
    np.testing.assert_allclose(1 - filled.mean(), 1 / (x2 - x1) ** 2, atol=0.03)


def test_without_chance_it_is_a_resize():
    augment = SSDAugmentation(
        CONFIG, photometric=None, expand_probability=0, samplers=WHOLE, flip_probability=0,
        interpolations=("linear",),
    )  # fmt: skip
    sample = red_square()
    result, expected = augment(sample, np.random.default_rng(0)), Resize(CONFIG)(sample)
    np.testing.assert_array_equal(result.image, expected.image)
    np.testing.assert_allclose(result.gt_xyxy, expected.gt_xyxy)


@pytest.mark.parametrize("flips", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_mirrored_pixels_lie_in_order(rng, flips):
    sample = Sample(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8), np.zeros((0, 4)), np.zeros(0, int))
    settings = {"flip_probability": flips[0], "vertical_flip_probability": flips[1], "expand_probability": 0}
    result = SSDAugmentation(CONFIG, samplers=WHOLE, **settings, **PLAIN)(sample, rng)
    steps = [-1 if flip else 1 for flip in flips]
    np.testing.assert_array_equal(result.image, sample.image[:: steps[1], :: steps[0]])
    assert result.image.flags.c_contiguous


def test_probabilities_of_flip_and_expansion():
    left = red_square((0, 0, 64, 96))
    augment = SSDAugmentation(CONFIG, samplers=WHOLE, **PLAIN)
    results = [augment(left, np.random.default_rng(i)) for i in range(600)]
    width = np.array([r.gt_xyxy[0, 2] - r.gt_xyxy[0, 0] for r in results])
    assert abs((width < 0.4999).mean() - 0.5) < 4.5 * 0.5 / 600**0.5
    whole = [r.gt_xyxy[0, 0] for r, w in zip(results, width) if w > 0.4999]
    assert abs(np.mean(np.array(whole) > 0.25) - 0.5) < 4.5 * 0.5 / len(whole) ** 0.5


def test_sample_without_objects_and_strange_sizes(rng):
    augment = SSDAugmentation(CONFIG)
    for size in ((1, 1), (3, 500), (500, 3)):
        empty = Sample(np.zeros((*size, 3), np.uint8), np.zeros((0, 4)), np.zeros(0, np.int64))
        result = augment(empty, rng)
        assert result.image.shape == (96, 96, 3)
        assert result.gt_xyxy.shape == (0, 4)


def test_mild_keeps_most_of_the_picture():
    augment = mild(CONFIG)
    areas = []
    for seed in range(50):
        result = augment(red_square(), np.random.default_rng(seed))
        assert result.image.shape == (96, 96, 3)
        x1, y1, x2, y2 = augment.draw_window(red_square().gt_xyxy, np.random.default_rng(seed))
        areas.append((x2 - x1) * (y2 - y1))
    assert min(areas) >= 0.36 - 1e-9
    assert max(areas) <= 2.25 + 1e-9


def test_an_own_step_can_be_chained():
    def grey(sample, rng):
        pixels = sample.image.mean(axis=2, keepdims=True).astype(np.uint8)
        return dataclasses.replace(sample, image=pixels.repeat(3, axis=2))

    result = Chain(grey, Resize(CONFIG))(red_square(), np.random.default_rng(0))
    assert result.image.shape == (96, 96, 3)
    assert (result.image[..., 0] == result.image[..., 2]).all()
    assert result.image.max() == 85
