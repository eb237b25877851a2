"""Initial weights: bounds, spread, dtype, and the seed."""

import math

import numpy as np
import pytest

from minissd.nn import Conv2d
from minissd.nn.initialization import caffe_xavier, glorot_uniform, he_normal

SHAPE = (64, 32, 3, 3)
FAN_IN, FAN_OUT = 32 * 9, 64 * 9


@pytest.mark.parametrize(
    ("init", "bound"),
    [(caffe_xavier, math.sqrt(3 / FAN_IN)), (glorot_uniform, math.sqrt(6 / (FAN_IN + FAN_OUT)))],
)
def test_uniform_ones_fill_their_interval(init, bound, rng):
    weight = init(SHAPE, rng)
    assert np.abs(weight).max() <= bound * (1 + 1e-6)
    assert np.abs(weight).max() > 0.99 * bound
    assert weight.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert abs(weight.mean()) < 0.02 * bound


def test_he_keeps_the_variance_through_a_relu(rng):
    weight = he_normal(SHAPE, rng)
    assert weight.std() == pytest.approx(math.sqrt(2 / FAN_IN), rel=0.02)


@pytest.mark.parametrize("init", [caffe_xavier, glorot_uniform, he_normal])
def test_float32_and_decided_by_the_generator(init):
    first, again, other = (init(SHAPE, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("name", "init"), [("he", he_normal), ("xavier", caffe_xavier), ("glorot", glorot_uniform)]
)
def test_names_lead_to_their_function(name, init):
    conv = Conv2d(4, 5, 3, init=name, rng=np.random.default_rng(7))
    np.testing.assert_array_equal(conv.params["weight"], init((5, 4, 3, 3), np.random.default_rng(7)))
    np.testing.assert_array_equal(conv.params["bias"], np.zeros(5, np.float32))


def test_he_is_a_normal_distribution(rng):
    """68.3 % within one standard deviation, 95.4 % within two; of a uniform one it would be 58 and 100."""
    weight = he_normal(SHAPE, rng) / math.sqrt(2 / FAN_IN)
    assert np.mean(np.abs(weight) < 1) == pytest.approx(0.683, abs=0.01)
    assert np.mean(np.abs(weight) < 2) == pytest.approx(0.954, abs=0.01)
