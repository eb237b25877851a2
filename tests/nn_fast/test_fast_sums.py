"""Sums over places, and the gradient of a ReLU."""

import numpy as np
import pytest
from convolution_cases import channels_last

from minissd.nn.fast import sums
from minissd.nn.fast.layout import is_channels_last

SHAPES = [
    (1, 1, 1, 1),
    (2, 3, 5, 7),
    (1, 16, 32, 16),
    (1, 5, 27, 19),
    (3, 33, 19, 27),
    (1, 64, 1, 513),
    (0, 4, 5, 5),
]


LAYOUTS = pytest.mark.parametrize("layout", [channels_last, np.ascontiguousarray, np.asfortranarray])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_channel_sums(shape, rng):
    """512, 513 and 1539 places lie on either side of what is summed up at a time."""
    dy = np.ascontiguousarray(rng.standard_normal(shape).astype(np.float32).transpose(0, 2, 3, 1))
    before = dy.copy()
    total = sums.channel_sums(dy)
    exact = dy.sum(axis=(0, 1, 2), dtype=np.float64)
    assert total.dtype == np.float32
    np.testing.assert_allclose(total, exact, rtol=0, atol=1e-6 * max(np.abs(dy).sum(), 1e-30))
    np.testing.assert_array_equal(dy, before)


def test_sums_of_many_numbers_keep_their_digits(rng):
    """A million numbers around 1: one float32 counter would lose the last four digits."""
    dy = (1 + rng.random((1, 600, 600, 3))).astype(np.float32)
    exact = dy.sum(axis=(0, 1, 2), dtype=np.float64)
    np.testing.assert_allclose(sums.channel_sums(dy), exact, rtol=1e-6)
    _, total = sums.relu_gradient(dy.transpose(0, 3, 1, 2), dy.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(total, exact, rtol=1e-6)


@LAYOUTS
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_relu_gradient(shape, layout, rng):
    dy, y = rng.standard_normal((2, *shape)).astype(np.float32)
    y = np.maximum(y, 0)
    arrays = layout(dy), layout(y)
    dx, total = sums.relu_gradient(*arrays)
    np.testing.assert_array_equal(dx, dy * (y > 0))
    np.testing.assert_allclose(
        total, (dy * (y > 0)).sum(axis=(0, 2, 3), dtype=np.float64), atol=1e-6 * max(dy.size, 1)
    )
    assert dx.dtype == total.dtype == np.float32
    assert is_channels_last(dx)
    assert not np.shares_memory(dx, arrays[0])
    np.testing.assert_array_equal(arrays, (dy, y))


def test_relu_gradient_of_special_numbers():
    """0, -0 and NaN let nothing through; what is let through arrives as it is, NaN too."""
    y = np.float32([0, -0.0, np.nan, -1, 1e-45, np.inf, 1]).reshape(1, 1, 1, 7)
    dy = np.float32([1, 2, 3, 4, 5, 6, np.nan]).reshape(1, 1, 1, 7)
    dx, total = sums.relu_gradient(dy, y)
    np.testing.assert_array_equal(dx.ravel(), [0, 0, 0, 0, 5, 6, np.nan])
    assert np.isnan(total).all()


@pytest.mark.parametrize("channels", [1, 16, 17, 40])
def test_padded_bias(channels, rng):
    bias = rng.standard_normal(channels).astype(np.float32)
    padded = sums.padded_bias(bias, channels)
    np.testing.assert_array_equal(padded[:channels], bias)
    assert not padded[channels:].any()
    assert padded.size % (2 * sums.LANES) == 0
    assert not sums.padded_bias(None, channels).any()


def test_only_the_bias_where_no_input_arrives():
    bias = np.float32([1, -2])
    for relu, expected in ((False, [1, -2]), (True, [1, 0])):
        y = sums.bias_only(np.full((2, 2, 3, 3), np.nan, np.float32), bias, relu)
        np.testing.assert_array_equal(y[1, :, 2, 2], expected)
        np.testing.assert_array_equal(y, np.broadcast_to(np.float32(expected)[:, None, None], y.shape))
    assert not sums.bias_only(np.full((1, 2, 1, 1), np.nan, np.float32), None, False).any()
