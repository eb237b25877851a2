"""The parts that assignment A5 hands out or asks for give what the library gives."""

import numpy as np
import pytest

from minissd import loss
from minissd.assignments.A5.head import flatten_predictions, unflatten_gradients
from minissd.assignments.A5.layers import Conv3x3
from minissd.assignments.A5.loss import multibox_loss
from minissd.assignments.A5.network import SmallSSD
from minissd.models.head import Head
from minissd.nn import Conv2d


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [5, 6])
def test_the_convolution_is_the_librarys(rng, stride, side):
    ours, theirs = Conv3x3(2, 3, stride, rng), Conv2d(2, 3, 3, stride=stride, padding=1)
    ours.params["bias"] = rng.normal(size=3)
    theirs.params.update(ours.params)
    x = rng.normal(size=(2, 2, side, side))
    y = ours.forward(x)
    np.testing.assert_allclose(y, theirs.forward(x), rtol=1e-12, atol=1e-12)
    dy = rng.normal(size=y.shape)
    np.testing.assert_allclose(ours.backward(dy), theirs.backward(dy), rtol=1e-12, atol=1e-12)
    for name, gradient in ours.grads.items():
        np.testing.assert_allclose(gradient, theirs.grads[name], rtol=1e-12, atol=1e-12)


def test_the_loss_is_the_librarys(rng):
    shape = 3, 40
    loc, conf, loc_target = (rng.normal(size=(*shape, length)) for length in (4, 5, 4))
    conf_target = np.where(rng.random(shape) < 0.1, rng.integers(1, 5, shape), 0)
    conf_target[2] = 0
    value, dloc, dconf = multibox_loss(loc, conf, loc_target, conf_target)
    expected = loss.multibox_loss(loc, conf, loc_target, conf_target)
    np.testing.assert_allclose(value, expected.value, rtol=1e-12)
    np.testing.assert_allclose(dloc, expected.dloc, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(dconf, expected.dconf, rtol=1e-12, atol=1e-15)


def test_rows_are_those_of_the_librarys_head(rng):
    head = Head(3, 2, 4, rng).astype(np.float64)
    x = rng.normal(size=(2, 3, 3, 5))
    y = Conv2d.forward(head, x)
    for ours, theirs in zip(flatten_predictions(y, 2, 4), head.forward(x)):
        np.testing.assert_array_equal(ours, theirs)
    dloc, dconf = rng.normal(size=(2, 30, 4)), rng.normal(size=(2, 30, 4))
    expected = head.backward(dloc, dconf)
    Conv2d.forward(head, x)
    dx = Conv2d.backward(head, unflatten_gradients(dloc, dconf, y.shape))
    np.testing.assert_allclose(dx, expected, rtol=1e-12)


def test_gradients_of_a_network_that_forks(rng):
    network = SmallSSD(((2,), (3,)), (1, 2), 2, seed=1)
    images = rng.normal(size=(2, 3, 8, 8))
    loc, conf = network.forward(images)
    dloc, dconf = rng.normal(size=loc.shape), rng.normal(size=conf.shape)
    dimages, grads = network.backward(dloc, dconf), network.grads
    arrays = {**network.params, "images": images}
    for name, gradient in {**grads, "images": dimages}.items():
        place = tuple(rng.integers(0, arrays[name].shape))
        values = []
        for step in (1e-6, -2e-6):
            arrays[name][place] += step
            loc, conf = network.forward(images)
            values.append((loc * dloc).sum() + (conf * dconf).sum())
        arrays[name][place] += 1e-6
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(gradient[place], rel=1e-6, abs=1e-8)
