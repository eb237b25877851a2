"""BatchNorm2d: by hand, running statistics, gradients, and sums that are exact in float32."""

import numpy as np
import pytest
from backends import every_backend

from minissd.nn import BatchNorm2d, batchnorm_readable, check_layer
from minissd.nn.fast import batchnorm as batchnorm_fast

pytestmark = every_backend("BatchNorm2d")
TWINS = pytest.mark.parametrize("twin", [batchnorm_fast, batchnorm_readable], ids=["fast", "readable"])


def batch_norm(rng, channels=3):
    norm = BatchNorm2d(channels)
    norm.params["weight"] = rng.uniform(0.5, 2, channels)
    norm.params["bias"] = rng.standard_normal(channels)
    return norm


def test_batch_norm_by_hand():
    """1, 2, 3, 4: mean 2.5, biased variance 1.25, unbiased 5/3."""
    norm = BatchNorm2d(1, eps=0.0)
    x = np.array([1.0, 2.0, 3.0, 4.0]).reshape(2, 1, 1, 2)
    np.testing.assert_allclose(norm.forward(x).ravel(), np.array([-1.5, -0.5, 0.5, 1.5]) / np.sqrt(1.25))
    np.testing.assert_allclose(norm.buffers["running_mean"], 0.1 * 2.5, rtol=1e-6)
    np.testing.assert_allclose(norm.buffers["running_var"], 0.9 * 1 + 0.1 * 5 / 3, rtol=1e-6)


def test_batch_norm_gradient_by_hand():
    """Two values -1, 1 have variance 1: x-hat is (-1, 1); of dy = (3, 0) mean and slope leave nothing."""
    norm = BatchNorm2d(1, eps=0.0)
    norm.params["weight"], norm.params["bias"] = np.array([2.0]), np.array([5.0])
    y = norm.forward(np.array([-1.0, 1.0]).reshape(1, 1, 1, 2))
    np.testing.assert_allclose(y.ravel(), [3, 7])
    dx = norm.backward(np.array([3.0, 0.0]).reshape(1, 1, 1, 2))
    np.testing.assert_allclose(dx, 0, atol=1e-15)
    np.testing.assert_allclose(norm.grads["weight"], [-3])
    np.testing.assert_allclose(norm.grads["bias"], [3])


def test_running_statistics_over_two_batches_by_hand():
    """Batches (1, 3) and (5, 9): means 2 and 7, unbiased variances 2 and 8; momentum 0.5, from 0 and 1."""
    norm = BatchNorm2d(1, momentum=0.5)
    norm.forward(np.array([1.0, 3.0]).reshape(2, 1, 1, 1))
    np.testing.assert_allclose(norm.buffers["running_mean"], [1])
    np.testing.assert_allclose(norm.buffers["running_var"], [1.5])
    norm.forward(np.array([5.0, 9.0]).reshape(1, 1, 2, 1))
    np.testing.assert_allclose(norm.buffers["running_mean"], [4])
    np.testing.assert_allclose(norm.buffers["running_var"], [4.75])
    norm.eval()
    y = norm.forward(np.full((1, 1, 1, 1), 4 + 2 * np.sqrt(4.75 + 1e-5)))
    np.testing.assert_allclose(y, 2)


def test_one_value_per_channel_is_normalised_to_the_bias():
    """The variance is 0 and has no unbiased form; nothing is divided by 0."""
    norm = BatchNorm2d(2)
    norm.params["bias"] = np.array([1.0, -1.0])
    np.testing.assert_array_equal(norm.forward(np.array([5.0, 6.0]).reshape(1, 2, 1, 1)).ravel(), [1, -1])
    np.testing.assert_allclose(norm.buffers["running_var"], 0.9)


@pytest.mark.large
def test_running_statistics_are_used_and_left_alone_at_inference(rng):
    norm = batch_norm(rng)
    for _ in range(200):
        norm.forward(rng.normal([[[4.0]], [[-2.0]], [[0.0]]], 3.0, (4, 3, 8, 8)))
    np.testing.assert_allclose(norm.buffers["running_mean"], [4, -2, 0], atol=0.3)
    np.testing.assert_allclose(norm.buffers["running_var"], 9, rtol=0.1)
    norm.eval()
    before = {name: buffer.copy() for name, buffer in norm.buffers.items()}
    x = rng.standard_normal((1, 3, 2, 2)).astype(np.float32)
    y = norm.forward(x)
    for name, buffer in norm.buffers.items():
        np.testing.assert_array_equal(buffer, before[name])
    per_channel = {name: array[:, None, None] for name, array in (norm.params | norm.buffers).items()}
    expected = (x - per_channel["running_mean"]) / np.sqrt(per_channel["running_var"] + 1e-5)
    expected = expected * per_channel["weight"] + per_channel["bias"]
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_batch_norm_ignores_shift_and_scale_of_its_input(rng):
    norm = batch_norm(rng)
    x = rng.standard_normal((4, 3, 5, 5))
    np.testing.assert_allclose(norm.forward(100 * x + 7), norm.forward(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 3, 4, 5), (1, 3, 2, 1), (2, 3, 1, 1)])
def test_batch_norm_gradients(shape, rng):
    check_layer(batch_norm(rng), rng.standard_normal(shape), rng)


@pytest.mark.large
@TWINS
@pytest.mark.parametrize("shape", [(4, 3, 17, 13), (1, 2, 1, 1), (2, 3, 40, 40)])
@pytest.mark.parametrize("mean", [0.0, 100.0])
@pytest.mark.parametrize("relu", [False, True])
def test_float32_agrees_with_float64(twin, shape, mean, relu, rng):
    """Both twins on float32, beside the readable one on the same numbers in float64."""
    x, dy = (rng.normal(mean, 1, shape).astype(np.float32) for _ in range(2))
    exact_x, exact_dy = x.astype(np.float64), dy.astype(np.float64)
    scale, factor, shift = rng.standard_normal((3, shape[1]))
    affine = (scale, 0.1 - mean * scale) if relu else None  # some of x on either side of the kink
    center = exact_x.mean(axis=(0, 2, 3))
    for results, right in (
        (twin.moments(x), batchnorm_readable.moments(exact_x)),
        (
            twin.gradient_sums(dy, x, center, affine),
            batchnorm_readable.gradient_sums(exact_dy, exact_x, center, affine),
        ),
    ):
        for result, exact in zip(results, right):
            assert result.dtype == np.float64
            np.testing.assert_allclose(result, exact, rtol=1e-3, atol=1e-5 * max(1, x.size))
    arguments = scale, shift, relu
    y, exact = twin.scale_shift(x, *arguments), batchnorm_readable.scale_shift(exact_x, *arguments)
    dx = twin.combine(dy, x, scale, factor, shift, affine)
    exact_dx = batchnorm_readable.combine(exact_dy, exact_x, scale, factor, shift, affine)
    for result, right in ((y, exact), (dx, exact_dx)):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, right, rtol=1e-4, atol=1e-4 * max(1, mean))


def test_statistics_of_a_large_map_with_a_large_mean_are_those_of_float64(rng):
    x = rng.normal(1000, 1, (2, 1, 256, 256)).astype(np.float32)
    mean, variance = batchnorm_fast.moments(x)
    np.testing.assert_allclose(mean, x.mean(dtype=np.float64), rtol=1e-9)
    np.testing.assert_allclose(variance, x.var(dtype=np.float64), rtol=1e-6)


@TWINS
def test_variance_counts_from_the_exact_mean(twin):
    """Two images of neighbours in float32, d apart: the mean lies between them, where float32 has nothing;
    the variance is (d / 2)^2, and about one of the two it would be twice that.
    """
    low = np.float32(1000)
    high = np.nextafter(low, np.float32(2000))
    x = np.array([low, low, high, high]).reshape(2, 1, 1, 2)
    half = (float(high) - float(low)) / 2
    mean, variance = twin.moments(x)
    np.testing.assert_allclose(mean - 1000, half, rtol=1e-6)
    np.testing.assert_allclose(variance, half**2, rtol=1e-6)


@TWINS
def test_gradient_sums_count_from_the_exact_mean(twin):
    """The compiled sums subtract the mean as float32 has it, and must make up for the difference."""
    mean = np.array([1000.00003])  # float32 has 1000 and 1000.00006 here
    x = np.full((2, 1, 256, 256), 1000, np.float32)
    sum_dy, sum_dy_x = twin.gradient_sums(np.ones_like(x), x, mean)
    np.testing.assert_allclose(sum_dy, x.size)
    np.testing.assert_allclose(sum_dy_x, x.size * (1000 - 1000.00003), rtol=1e-6)
