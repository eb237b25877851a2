"""Colours: worked numbers, the slow twin, OpenCV's HSV."""

import colorsys

import numpy as np
import pytest

from minissd.data.photometric import (
    Photometric,
    adjust_brightness,
    adjust_contrast,
    adjust_hsv,
    adjust_hsv_by_arrays,
    adjust_hue,
    adjust_saturation,
    hsv_to_rgb,
    rgb_to_hsv,
)


@pytest.fixture
def image(rng):
    pixels = rng.integers(0, 256, (16, 16, 3)).astype(np.float32)
    pixels[0, :4] = [[0, 0, 0], [255, 255, 255], [90, 90, 90], [255, 0, 0]]
    return pixels


def pixel(*values):
    return np.array(values, np.float32).reshape(1, 1, 3)


def test_brightness_and_contrast_are_limited():
    assert adjust_brightness(pixel(10, 100, 250), 20).ravel().tolist() == [30, 120, 255]
    assert adjust_brightness(pixel(10, 100, 250), -20).ravel().tolist() == [0, 80, 230]
    assert adjust_contrast(pixel(10, 100, 250), 1.5).ravel().tolist() == [15, 150, 255]


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(120, (0, 200, 0)), (-120, (0, 0, 200)), (30, (200, 100, 0)), (-30, (200, 0, 100))],
)
def test_hue_of_red(degrees, expected):
    np.testing.assert_allclose(adjust_hue(pixel(200, 0, 0), degrees).ravel(), expected, atol=1e-3)


def test_saturation_by_hand():
    # V = 200, distances from it 0, 50, 100. Halved: 0, 25, 50. Times 3, S would be 1.5: limited to 1.
    for factor, expected in ((0.5, [200, 175, 150]), (3.0, [200, 100, 0])):
        result = adjust_saturation(pixel(200, 150, 100), factor)
        np.testing.assert_allclose(result.ravel(), expected, atol=1e-3)


def test_hsv_agrees_with_the_standard_library(image):
    expected = [colorsys.rgb_to_hsv(*rgb) for rgb in image.reshape(-1, 3).tolist()]
    np.testing.assert_allclose(
        rgb_to_hsv(image).reshape(-1, 3), np.array(expected) * [360, 1, 1], rtol=1e-4, atol=1e-3
    )
    np.testing.assert_allclose(hsv_to_rgb(rgb_to_hsv(image)), image, atol=1e-3)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.7, 9.0])
@pytest.mark.parametrize("degrees", [-350.0, -36.0, 0.0, 17.0, 180.0])
def test_compiled_loop_equals_arrays(image, factor, degrees):
    before = image.copy()
    fast, slow = adjust_hsv(image, factor, degrees), adjust_hsv_by_arrays(image, factor, degrees)
    assert fast.dtype == slow.dtype == np.float32
    np.testing.assert_allclose(fast, slow, atol=2e-3)
    np.testing.assert_array_equal(image, before)


def test_opencv_hsv(shared_numbers):
    numbers = shared_numbers("augment")
    image = numbers["photo_bgr_u8"][..., ::-1].astype(np.float32)
    np.testing.assert_allclose(rgb_to_hsv(image), numbers["photo_hsv_f32"], atol=2e-4)
    for degrees in ("-18", "+7", "+18"):
        expected = numbers[f"photo_hue_{degrees}deg_f32"][..., ::-1]
        np.testing.assert_allclose(adjust_hue(image, float(degrees)), expected, atol=1e-3)
    saturation = numbers["photo_hsv_f32"][..., 1]
    for factor in ("0.5", "0.8", "1.5"):
        within = saturation * float(factor) <= 1  # the reference does not limit S
        assert within.sum() > 50
        expected = numbers[f"photo_saturation_{factor}_f32"][..., ::-1]
        np.testing.assert_allclose(
            adjust_saturation(image, float(factor))[within], expected[within], atol=1e-3
        )


def test_both_orders_occur_and_differ():
    # Contrast 2 on 200 is cut at 255: before the saturation change or after it makes a difference.
    distort = Photometric(brightness=0, contrast=(2, 2), saturation=(0.5, 0.5), hue_degrees=0, probability=1)
    # 200 100 0 -> contrast 255 200 0 -> saturation 255 227.5 127.5
    contrast_first = adjust_saturation(adjust_contrast(pixel(200, 100, 0), 2), 0.5)
    np.testing.assert_allclose(contrast_first.ravel(), [255, 227.5, 127.5], atol=1e-3)
    # 200 100 0 -> saturation 200 150 100 -> contrast 255 255 200
    contrast_last = adjust_contrast(adjust_saturation(pixel(200, 100, 0), 0.5), 2)
    np.testing.assert_allclose(contrast_last.ravel(), [255, 255, 200], atol=1e-3)
    results = [distort(pixel(200, 100, 0), np.random.default_rng(i)) for i in range(30)]
    seen = {tuple(result.ravel().round(1).tolist()) for result in results}
    assert seen == {(255.0, 227.5, 127.5), (255.0, 255.0, 200.0)}


def test_never_and_always(image):
    np.testing.assert_array_equal(Photometric(probability=0)(image, np.random.default_rng(0)), image)
    changed = Photometric(probability=1)(image, np.random.default_rng(0))
    assert changed.dtype == np.float32
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert np.abs(changed - image).mean() > 1
    again = Photometric(probability=1)(image, np.random.default_rng(0))
    np.testing.assert_array_equal(changed, again)


def test_ranges_of_the_official_scripts():
    grey = np.full((1, 1, 3), 100, np.float32)
    values = [Photometric(saturation=(1, 1))(grey, np.random.default_rng(i))[0, 0, 0] for i in range(3000)]
    # Grey knows brightness +-32 and contrast x 0.5...1.5 only; a quarter of all draws has neither.
    assert min(values) >= 68 * 0.5 - 1e-3
    assert max(values) <= 132 * 1.5 + 1e-3
    assert min(values) < 45
    assert max(values) > 180
    assert abs(np.mean(np.array(values) == 100) - 0.25) < 4.5 * (0.25 * 0.75 / 3000) ** 0.5
