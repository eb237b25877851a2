"""Batch normalisation and pooling with the channels last, against their readable twins."""

import numpy as np
import pytest
from convolution_cases import channels_last

from minissd.nn import batchnorm_readable, pool_readable
from minissd.nn.fast import batchnorm, pool
from minissd.nn.fast.layout import is_channels_last

SHAPES = [(2, 16, 9, 7), (3, 5, 20, 30), (1, 33, 1, 1), (2, 1, 4, 5), (1, 64, 30, 31)]


@pytest.fixture(params=[channels_last, np.ascontiguousarray], ids=["channels-last", "channels-first"])
def layout(request):
    return request.param


@pytest.fixture(params=SHAPES, ids=str)
def maps(request, rng, layout):
    x, dy = rng.standard_normal((2, *request.param)).astype(np.float32)
    return layout(x * 3 + 100), layout(dy)  # far from 0, where careless sums lose their digits


def test_moments(maps):
    x, _ = maps
    for fast, readable in zip(batchnorm.moments(x), batchnorm_readable.moments(x.astype(np.float64))):
        assert fast.dtype == np.float64
        np.testing.assert_allclose(fast, readable, rtol=1e-6, atol=1e-9)


def test_gradient_sums(maps):
    x, dy = maps
    mean, _ = batchnorm_readable.moments(x)
    expected = batchnorm_readable.gradient_sums(dy.astype(np.float64), x.astype(np.float64), mean)
    for fast, readable in zip(batchnorm.gradient_sums(dy, x, mean), expected):
        np.testing.assert_allclose(fast, readable, rtol=1e-5, atol=1e-5 * np.abs(readable).max() + 1e-4)


def test_scale_shift_and_combine(maps, rng):
    x, dy = maps
    before = x.copy(), dy.copy()
    factors = rng.standard_normal((3, x.shape[1]))
    y = batchnorm.scale_shift(x, *factors[:2])
    expected = batchnorm_readable.scale_shift(x, *factors[:2])
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(batchnorm.scale_shift(x, *factors[:2], relu=True), np.maximum(y, 0))
    dx = batchnorm.combine(dy, x, *factors)
    np.testing.assert_allclose(dx, batchnorm_readable.combine(dy, x, *factors), rtol=1e-6, atol=1e-4)
    assert is_channels_last(y)
    assert y.dtype == dx.dtype == np.float32
    np.testing.assert_array_equal((x, dy), before)


def test_no_images():
    x = np.zeros((0, 4, 5, 5), np.float32)
    assert batchnorm.scale_shift(x, np.ones(4), np.ones(4)).shape == x.shape
    assert batchnorm.combine(x, x, *np.ones((3, 4))).shape == x.shape
    assert [sums.tolist() for sums in batchnorm.gradient_sums(x, x, np.ones(4))] == [[0] * 4] * 2
    y, winner = pool.pool(x, (0, 4, 2, 2), 2, 2, 0)
    assert y.shape == winner.shape == (0, 4, 2, 2)
    assert pool.unpool(y, winner, x.shape, 2, 2, 0).shape == x.shape


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "sides", "y_sides"),
    [
        (2, 2, 0, (8, 6), (4, 3)),
        (2, 2, 0, (5, 7), (3, 4)),  # rounded up: windows reach over the edge
        (3, 1, 1, (6, 5), (6, 5)),  # overlapping
        (3, 2, 1, (7, 7), (4, 4)),
        (2, 3, 0, (8, 8), (3, 3)),
    ],
)
@pytest.mark.parametrize(("images", "channels"), [(2, 16), (1, 40), (3, 3)])
def test_pooling(kernel, stride, padding, sides, y_sides, images, channels, rng, layout):
    x = layout(rng.integers(-3, 3, (images, channels, *sides)).astype(np.float32))  # with many equal values
    window = kernel, stride, padding
    y, winner = pool.pool(x, (images, channels, *y_sides), *window)
    expected, expected_winner = pool_readable.pool(x, (images, channels, *y_sides), *window)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(winner, expected_winner)
    assert winner.dtype == np.uint8
    dy = layout(rng.integers(-9, 9, y.shape).astype(np.float32))
    dx = pool.unpool(dy, winner, x.shape, *window)
    np.testing.assert_array_equal(dx, pool_readable.unpool(dy, winner, x.shape, *window))
    assert is_channels_last(dx)


def test_the_largest_window():
    """16 x 16 places: the last one is number 255."""
    x = np.zeros((1, 2, 16, 16), np.float32)
    x[0, 1, 15, 15] = 1
    y, winner = pool.pool(x, (1, 2, 1, 1), 16, 16, 0)
    assert winner.ravel().tolist() == [0, 255]
    np.testing.assert_array_equal(pool.unpool(y, winner, x.shape, 16, 16, 0), x)
