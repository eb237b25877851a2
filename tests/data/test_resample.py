"""Resampling against worked numbers, matrices of weights, and OpenCV's results."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minissd.data.resample import (
    TAPS,
    _blend,
    apply_taps,
    apply_taps_by_matrices,
    axis_taps,
    resample_window,
    resize,
)
from minissd.errors import InputError

OPENCV_NAMES = {name: name for name in TAPS} | {"lanczos": "lanczos4"}


@pytest.mark.parametrize("interpolation", TAPS)
@pytest.mark.parametrize("size", [(30, 30), (20, 13)])
def test_resize_gives_opencv_numbers(shared_numbers, interpolation, size):
    numbers = shared_numbers("augment")
    width, height = size
    for i in range(3):
        image = numbers[f"img{i}"]
        expected = numbers[f"img{i}_{OPENCV_NAMES[interpolation]}_{width}x{height}_f32"]
        np.testing.assert_allclose(
            resize(image.astype(np.float32), height, width, interpolation), expected, atol=4e-4
        )


@pytest.mark.parametrize(
    ("interpolation", "expected"),
    [
        # Row 0 30 60 90 to two pixels. Centres at 0.5 and 2.5: between the pixels 0 | 1 and 2 | 3.
        ("linear", [15, 75]),
        ("area", [15, 75]),
        ("nearest", [0, 60]),  # floor(j * 2)
        # Keys' weights at 1/2 for a = -3/4: -3/32, 19/32, 19/32, -3/32, the edge repeated.
        # -3/32 * 0 + 19/32 * 0 + 19/32 * 30 - 3/32 * 60 = 12.1875, and 90 minus it by symmetry.
        ("cubic", [12.1875, 77.8125]),
    ],
)
def test_row_of_four_becomes_two(interpolation, expected):
    row = np.array([0, 30, 60, 90], np.float32).reshape(1, 4, 1)
    np.testing.assert_allclose(resize(row, 1, 2, interpolation)[0, :, 0], expected, rtol=1e-6)


def test_linear_does_not_smooth_when_shrinking():
    image = np.zeros((1, 9, 1), np.float32)
    image[0, 3] = 90  # not under any of the three centres 1, 4, 7
    assert resize(image, 1, 3, "linear").max() == 0
    np.testing.assert_allclose(resize(image, 1, 3, "area")[0, :, 0], [0, 30, 0], rtol=1e-6)


@pytest.mark.parametrize("interpolation", TAPS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_compiled_loops_equal_matrices(rng, interpolation, dtype):
    image = rng.integers(0, 256, (17, 23, 3)).astype(dtype)
    rows = axis_taps(interpolation, 2.3, 15.9, 17, 9)
    columns = axis_taps(interpolation, -1.5, 25.0, 23, 31)
    fast, slow = (f(image, *rows, *columns) for f in (apply_taps, apply_taps_by_matrices))
    assert fast.dtype == slow.dtype == np.float32
    np.testing.assert_allclose(fast, slow, atol=1e-3)


@given(st.sampled_from(sorted(TAPS)), st.integers(1, 40), st.integers(1, 40), st.data())
def test_weights_sum_to_one_and_stay_in_the_image(interpolation, size_in, size_out, data):
    start = data.draw(st.floats(0, size_in * 0.9))
    stop = data.draw(st.floats(start + 0.05 * size_in, size_in))
    index, weight = axis_taps(interpolation, start, stop, size_in, size_out)
    assert index.min() >= 0
    assert index.max() < size_in
    np.testing.assert_allclose(weight.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("interpolation", TAPS)
def test_full_window_is_a_resize(rng, interpolation):
    image = rng.integers(0, 256, (12, 20, 3)).astype(np.float32)
    pixels, rows, columns = resample_window(image, [0, 0, 1, 1], 7, 9, interpolation)
    assert (rows, columns) == (slice(0, 7), slice(0, 9))
    np.testing.assert_array_equal(pixels, resize(image, 7, 9, interpolation))


def test_window_of_whole_pixels_cuts_them_out(rng):
    image = rng.integers(0, 256, (10, 20, 3), dtype=np.uint8)
    pixels, _, _ = resample_window(image, [0.25, 0.2, 0.75, 0.6], 4, 10)
    np.testing.assert_allclose(pixels, image[2:6, 5:15], atol=1e-3)


def test_window_beyond_the_image_says_where_the_image_is(rng):
    image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    pixels, rows, columns = resample_window(image, [-1, -2, 1, 2], 32, 16)  # 8 px per side of the image
    assert (rows, columns) == (slice(16, 24), slice(8, 16))
    np.testing.assert_allclose(pixels, image, atol=1e-3)


def test_window_that_misses_the_image_shows_nothing():
    pixels, rows, _ = resample_window(np.ones((8, 8, 3), np.uint8), [2, 2, 3, 3], 4, 4)
    assert pixels.shape == (0, 0, 3)
    assert rows == slice(0, 0)


def test_resize_leaves_its_input_alone_and_gives_no_view(rng):
    image = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    before = image.copy()
    for size in (6, 9):
        resize(image, size, size, "lanczos")[:] = 0
        np.testing.assert_array_equal(image, before)


def test_one_kernel_for_images_that_can_be_written_to_and_others(rng):
    image = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    first = resize(image, 5, 9)
    assert image.flags.writeable
    compiled_for = len(_blend.signatures)
    image.flags.writeable = False
    np.testing.assert_array_equal(resize(image, 5, 9), first)
    assert len(_blend.signatures) == compiled_for


def test_resize_takes_mirrored_and_tiny_images(rng):
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize(image[:, ::-1], 3, 4), resize(image[:, ::-1].copy(), 3, 4))
    for interpolation in TAPS:
        assert (resize(np.full((1, 1, 3), 77, np.uint8), 5, 4, interpolation) == 77).all()


def test_unknown_interpolation_is_refused():
    with pytest.raises(InputError, match=r"'bilinear' is not known \(use one of linear"):
        resize(np.zeros((2, 2, 3), np.uint8), 4, 4, "bilinear")
