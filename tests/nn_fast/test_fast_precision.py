"""How far float32 convolutions are from float64, on layers like those of SSD300."""

import functools

import numpy as np
import pytest
from convolution_cases import assert_close, in_float64, run

from minissd.nn.fast import direct, winograd

# images, channels, side, outputs, kernel, stride, padding, dilation; large maps cut to a part
LAYERS = {
    "conv1_1": (1, 3, 96, 64, 3, 1, 1, 1),
    "conv1_2": (1, 64, 75, 64, 3, 1, 1, 1),
    "conv3_2": (2, 256, 38, 256, 3, 1, 1, 1),
    "conv4_2": (1, 512, 38, 512, 3, 1, 1, 1),
    "conv5_1": (2, 512, 19, 512, 3, 1, 1, 1),
    "fc6": (1, 512, 19, 1024, 3, 1, 6, 6),
    "fc7": (1, 1024, 19, 1024, 1, 1, 0, 1),
    "conv8_2": (2, 256, 19, 512, 3, 2, 1, 1),
    "conv10_2": (2, 128, 5, 256, 3, 1, 0, 1),
    "conv4_3_head": (1, 512, 38, 100, 3, 1, 1, 1),
    "conv11_2_head": (2, 256, 1, 100, 3, 1, 1, 1),
}
PAIRS = [(module, name) for name, layer in LAYERS.items() for module in (direct, winograd)]
PAIRS = [(m, name) for m, name in PAIRS if m is direct or LAYERS[name][4:6] == (3, 1)]


@functools.cache
def layer_and_results(name):
    """Arrays as in a network, and what float64 makes of them: inputs after a ReLU, weights as drawn."""
    images, channels, side, outputs, kernel, stride, padding, dilation = LAYERS[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((images, channels, side, side), np.float32).clip(0)
    weight = rng.standard_normal((outputs, channels, kernel, kernel), np.float32)
    weight *= np.float32(np.sqrt(2 / (channels * kernel**2)))
    y_side = (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    dy = rng.standard_normal((images, outputs, y_side, y_side), np.float32)
    bias = rng.standard_normal(outputs, np.float32)
    given_arrays = x, weight, bias, dy, (stride, padding, dilation)
    return given_arrays, in_float64(*given_arrays)


@pytest.mark.parametrize(("module", "name"), PAIRS, ids=lambda value: getattr(value, "__name__", value))
def test_the_largest_error_is_small_beside_the_largest_value(module, name):
    given_arrays, exact = layer_and_results(name)
    assert_close(run(module, *given_arrays), exact, tolerance=2e-5)


@pytest.mark.parametrize("channels", [16, 64])
def test_winograd_is_as_exact_as_it_can_be(channels, rng):
    """With the points 0, +-sqrt(1/2), +-sqrt(2); the points 0, +-1, +-2 come to 6e-6."""
    x = rng.random((1, channels, 24, 24)).astype(np.float32)  # positive, as after a ReLU
    weight = (rng.standard_normal((channels, channels, 3, 3)) / np.sqrt(4.5 * channels)).astype(np.float32)
    dy = rng.standard_normal((1, channels, 24, 24)).astype(np.float32)
    given_arrays = x, weight, np.zeros(channels, np.float32), dy, (1, 1, 1)
    assert_close(run(winograd, *given_arrays), in_float64(*given_arrays), tolerance=3e-6)
