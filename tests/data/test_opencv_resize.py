"""Resizing bytes: the numbers of OpenCV, bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_numbers import copied_numbers

from minissd.data.opencv_resize import resize_bytes, resize_bytes_by_arrays
from minissd.data.resample import resize

RESULTS = copied_numbers("opencv_resize")  # by "source height x width _ new height x width"


def photograph(height, width):
    return np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("sizes", RESULTS)
def test_every_bit_of_opencv(sizes):
    source, new = ([int(side) for side in size.split("x")] for size in sizes.split("_"))
    np.testing.assert_array_equal(resize(photograph(*source), *new), RESULTS[sizes])


def test_the_stored_images_of_opencv(shared_numbers):
    numbers = shared_numbers("augment")
    for i in range(3):
        for width, height in ((30, 30), (20, 13)):
            expected = numbers[f"img{i}_linear_{width}x{height}_u8"]
            np.testing.assert_array_equal(resize(numbers[f"img{i}"], height, width), expected)


@given(*[st.integers(1, 40)] * 4)
def test_the_compiled_loop_is_the_definition(height, width, new_height, new_width):
    image = photograph(height, width)
    result = resize_bytes(image, new_height, new_width)
    assert (result.shape, result.dtype) == ((new_height, new_width, 3), np.uint8)
    np.testing.assert_array_equal(result, resize_bytes_by_arrays(image, new_height, new_width))


@given(*[st.integers(1, 40)] * 4)
def test_it_is_at_most_one_off_the_exact_result(height, width, new_height, new_width):
    image = photograph(height, width)
    exact = resize(image.astype(np.float32), new_height, new_width)
    result = resize_bytes(image, new_height, new_width)
    assert (np.abs(result - exact) <= 1.1).all()
