"""What the published models take as input: order of the channels, mean, scale.

Sources: ssd_pascal.py (mean_value 104, 117, 123); amdegroot's BaseTransform; torchvision's ssd300_vgg16.
"""

import dataclasses

import numpy as np
import pytest

from minissd.config import SSD300_VOC
from minissd.data.image import network_input
from minissd.nn import Conv2d

RGB = dataclasses.replace(SSD300_VOC, image_size=8)
BGR = dataclasses.replace(RGB, channel_order="bgr")


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)


def test_caffes_input_is_bgr_minus_104_117_123_undivided(image):
    expected = image[..., ::-1].transpose(2, 0, 1) - np.array([104.0, 117, 123])[:, None, None]
    np.testing.assert_array_equal(network_input([image], BGR)[0], expected)


def test_torchvisions_mean_is_the_same_within_a_thousandth(image):
    """It scales pixels to 0...1, subtracts (0.48235, 0.45882, 0.40784) and divides by 1/255."""
    mean = np.array([0.48235, 0.45882, 0.40784])
    assert np.abs(mean * 255 - RGB.mean_rgb).max() < 1e-3
    theirs = ((image / 255 - mean) / (1 / 255)).transpose(2, 0, 1)
    np.testing.assert_allclose(network_input([image], RGB)[0], theirs, rtol=0, atol=1e-3)


def test_amdegroot_subtracts_in_bgr_and_turns_to_rgb_afterwards(image):
    theirs = (image[..., ::-1] - np.array([104.0, 117, 123]))[..., ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(network_input([image], RGB)[0], theirs)


def test_a_first_layer_is_converted_from_bgr_to_rgb_by_turning_its_input_channels(image, rng):
    """So amdegroot's weights became those for RGB. Fed with the other order they give another map."""
    of_caffe, converted = Conv2d(3, 4, 3, rng=rng), Conv2d(3, 4, 3)
    converted.params["weight"] = of_caffe.params["weight"][:, ::-1].copy()
    bgr, rgb = network_input([image], BGR), network_input([image], RGB)
    expected = of_caffe.forward(bgr)
    np.testing.assert_allclose(converted.forward(rgb), expected, rtol=1e-4, atol=1e-3)
    assert np.abs(of_caffe.forward(rgb) - expected).max() > 1
