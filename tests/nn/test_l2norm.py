"""L2Norm: by hand, every guard against division by 0, other implementations' numbers, gradients."""

import dataclasses

import numpy as np
import pytest
from backends import every_backend

from minissd.config import SSD300_VOC
from minissd.errors import InputError
from minissd.models.vgg16 import vgg16_stages
from minissd.nn import GradientCheckError, L2Norm, check_gradient, check_layer, l2norm_readable

pytestmark = every_backend("L2Norm")
GUARDS = list(l2norm_readable.NORMS)

# Implementation, as the keys of the reference end -> its guard.
PEERS = {
    "": {"guard": "added", "eps": 1e-10},  # amdegroot
    "_tv": {"guard": "clamp", "eps": 1e-12},
    "_caffe": {"guard": "inside", "eps": 1e-10},
}


def test_l2norm_by_hand():
    """(3, 4) has length 5: (0.6, 0.8), times the scales 10 and 20."""
    norm = L2Norm(2)
    norm.params["weight"] = np.array([10.0, 20.0])
    x = np.array([3.0, 4.0]).reshape(1, 2, 1, 1)
    np.testing.assert_allclose(norm.forward(x).ravel(), [6, 16], rtol=1e-10)
    dx = norm.backward(np.array([1.0, 1.0]).reshape(1, 2, 1, 1))
    # g = (10, 20), u.g = 22, (g - u 22) / 5 = (-3.2, 2.4) / 5
    np.testing.assert_allclose(dx.ravel(), [-0.64, 0.48], rtol=1e-9)
    np.testing.assert_allclose(norm.grads["weight"], [0.6, 0.8], rtol=1e-10)


def test_epsilon_stands_under_the_root():
    """Activations near 1e-5 tell apart the three places an epsilon is put; Caffe's is under the root."""
    x = np.full((1, 2, 1, 1), 1e-5)
    under_the_root = 1e-5 / np.sqrt(2e-10 + 1e-10)
    np.testing.assert_allclose(L2Norm(2, scale=1.0, eps=1e-10).forward(x), under_the_root, rtol=1e-12)


def test_l2norm_of_an_all_zero_place_is_zero_with_a_finite_gradient(rng):
    norm = L2Norm(3)
    assert not norm.forward(np.zeros((1, 3, 2, 2), np.float32)).any()
    assert np.isfinite(norm.backward(rng.standard_normal((1, 3, 2, 2)).astype(np.float32))).all()


@pytest.mark.parametrize(
    ("guard", "norm"), [("inside", 13), ("added", 17), ("clamp", 12), ("none", 5)], ids=GUARDS
)
def test_guards_by_hand(guard, norm):
    """(3, 4) has length 5. An epsilon of 144 under the root gives 13; otherwise it is 12."""
    layer = L2Norm(2, scale=1.0, eps=144 if guard == "inside" else 12, guard=guard)
    for dtype in (np.float64, np.float32):
        y = layer.forward(np.array([3, 4], dtype).reshape(1, 2, 1, 1))
        assert y.dtype == dtype
        np.testing.assert_allclose(y.ravel(), [3 / norm, 4 / norm], rtol=1e-6)


def test_gradient_of_a_clamped_place_by_hand():
    """Where the root is less than epsilon, x is divided by a constant; (3, 4) / 10 and as it is beyond."""
    layer = L2Norm(2, scale=1.0, eps=10, guard="clamp")
    x = np.array([[3.0, 30.0], [4.0, 40.0]]).reshape(1, 2, 1, 2)
    np.testing.assert_allclose(layer.forward(x).reshape(2, 2), [[0.3, 0.6], [0.4, 0.8]], rtol=1e-14)
    dx = layer.backward(np.ones((1, 2, 1, 2))).reshape(2, 2)
    # u.g = 1.4: (1 - .6 * 1.4, 1 - .8 * 1.4) / 50
    np.testing.assert_allclose(dx, [[0.1, 0.0032], [0.1, -0.0024]], rtol=1e-12)


@pytest.mark.parametrize("eps", [1e-10, 0.5, 3.0])
@pytest.mark.parametrize("guard", GUARDS)
def test_gradients_of_every_guard(guard, eps, rng):
    """The lengths of four channels lie around 2, on both sides of some of these epsilons."""
    norm = L2Norm(4, eps=eps, guard=guard)
    norm.params["weight"] = rng.uniform(5, 25, 4)
    check_layer(norm, rng.standard_normal((2, 4, 3, 2)), rng)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("guard", ["inside", "added", "clamp"])
def test_an_all_zero_place_is_zero_and_its_gradient_that_of_a_division(guard, dtype, rng):
    """Around 0 the norm hardly changes: sqrt(1e-10), or epsilon itself."""
    norm = L2Norm(3, scale=2.0, eps=1e-10 if guard == "inside" else 1e-5, guard=guard)
    assert not norm.forward(np.zeros((1, 3, 2, 2), dtype)).any()
    dy = rng.standard_normal((1, 3, 2, 2)).astype(dtype)
    dx = norm.backward(dy)
    assert dx.dtype == dtype
    np.testing.assert_allclose(dx, dy * 2 / 1e-5, rtol=1e-5)
    assert not norm.grads["weight"].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_a_guard_an_all_zero_place_alone_is_nan(dtype, rng):
    norm = L2Norm(3, guard="none")
    x, dy = rng.standard_normal((2, 1, 3, 2, 2)).astype(dtype)
    x[:, :, 0, 1] = 0
    nan = np.broadcast_to([[False, True], [False, False]], x.shape)
    np.testing.assert_array_equal(np.isnan(norm.forward(x)), nan)
    np.testing.assert_array_equal(np.isnan(norm.backward(dy)), nan)


def test_an_unknown_guard():
    with pytest.raises(InputError, match=r"no guard 'outside' .choose one of inside, added, clamp, none"):
        L2Norm(3, guard="outside")


@pytest.mark.large
def test_the_configuration_decides_on_the_guard(rng):
    config = dataclasses.replace(SSD300_VOC, l2norm_guard="clamp", l2norm_epsilon=1e-12)
    for of_config, expected in ((SSD300_VOC, ("inside", 1e-10)), (config, ("clamp", 1e-12))):
        _, norm = vgg16_stages(of_config, rng)[0].norm
        assert (norm.guard, norm.eps) == expected
        assert (norm.params["weight"] == 20).all()


def l2norm_run(numbers, i, **guard):
    norm = L2Norm(numbers[f"l2norm{i}_x"].shape[1], **guard)
    norm.params["weight"] = numbers[f"l2norm{i}_gamma"]
    y = norm.forward(numbers[f"l2norm{i}_x"])
    return y, norm.backward(numbers[f"l2norm{i}_gy"]), norm.grads["weight"]


@pytest.mark.parametrize("peer", PEERS)
def test_three_implementations_told_apart_by_their_guard(peer, copied_numbers):
    """Output of one image, gamma 20: equal to the last digits with the right guard, and only with that."""
    for other, guard in PEERS.items():
        y = L2Norm(16, **guard).forward(copied_numbers["l2norm0_x"])
        difference = np.abs(y / copied_numbers[f"l2norm0_y{peer}"] - 1).max()
        assert difference < 1e-15 if other == peer else difference > 1e-12


@pytest.mark.parametrize("i", [0, 1])
@pytest.mark.parametrize("peer", PEERS)
def test_output_and_gradients_of_three_implementations(i, peer, shared_numbers):
    numbers = shared_numbers("layers")
    y, dx, dgamma = l2norm_run(numbers, i, **PEERS[peer])
    compared = {"y": y, "ggamma": dgamma, "gx": dx}
    if peer == "_caffe" and i == 1:
        del compared["gx"]  # its gamma differs between the channels, and Caffe's gradient is not exact then
    for key, ours in compared.items():
        theirs = numbers[f"l2norm{i}_{key}{peer}"]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-15 * np.abs(theirs).max(), err_msg=key)


def caffes_gradient(numbers, i):
    """gamma_c / n (g_c - x_c sum_k x_k g_k / n^2): gamma is taken out of a sum that it is part of."""
    x, gamma, g = (numbers[f"l2norm{i}_{key}"] for key in ("x", "gamma", "gy"))
    n = np.sqrt((x * x).sum(axis=1, keepdims=True) + 1e-10)
    return gamma[:, None, None] / n * (g - x * (x * g).sum(axis=1, keepdims=True) / n**2)


def close(actual, expected, tolerance):
    """Compare as many images as `expected` has; the copied numbers have the first only."""
    np.testing.assert_allclose(actual[: len(expected)], expected, rtol=tolerance, atol=tolerance)


def check_l2norm(numbers, i):
    """Output and gradient of gamma are Caffe's. dx is the exact one, as amdegroot and torchvision have it,
    whose epsilon is elsewhere: they divide by n + 1e-10 and max(n, 1e-12), we by sqrt(n^2 + 1e-10).
    """
    y, dx, dgamma = l2norm_run(numbers, i)
    close(y, numbers[f"l2norm{i}_y_caffe"], 1e-9)
    close(dgamma, numbers[f"l2norm{i}_ggamma_caffe"], 1e-9)
    shortest = np.sqrt((numbers[f"l2norm{i}_x"] ** 2).sum(axis=1)).min()
    epsilon_explains = 1e-10 / shortest * np.abs(dx).max() * 2
    for theirs in (numbers[f"l2norm{i}_gx"], numbers[f"l2norm{i}_gx_tv"]):
        np.testing.assert_allclose(dx[: len(theirs)], theirs, rtol=0, atol=epsilon_explains)
    # Caffe's dx is what its formula gives, and ours only where all scales are equal.
    close(caffes_gradient(numbers, i), numbers[f"l2norm{i}_gx_caffe"], 1e-9)
    difference = np.abs(dx - caffes_gradient(numbers, i)).max()
    equal_scales = np.ptp(numbers[f"l2norm{i}_gamma"]) == 0
    assert difference < 1e-9 if equal_scales else difference > 0.01 * np.abs(dx).max()


def test_l2norm_agrees_with_other_implementations(copied_numbers):
    check_l2norm(copied_numbers, 1)


@pytest.mark.parametrize("i", [0, 1])
def test_l2norm_agrees_with_all_numbers(i, shared_numbers):
    check_l2norm(shared_numbers("layers"), i)


def test_the_gradient_that_caffe_has_is_not_exact_for_different_scales(rng):
    """The difference above is Caffe's: central differences agree with us."""
    x, dy = rng.standard_normal((2, 2, 4, 3, 2))
    numbers = {"l2norm0_x": x, "l2norm0_gy": dy, "l2norm0_gamma": np.array([5.0, 10.0, 20.0, 40.0])}
    norm = L2Norm(4)
    norm.params["weight"] = numbers["l2norm0_gamma"]

    def value(x):
        return (norm.forward(x) * dy).sum()

    check_gradient(value, x, l2norm_run(numbers, 0)[1])
    with pytest.raises(GradientCheckError):
        check_gradient(value, x, caffes_gradient(numbers, 0))


def test_l2norm_gradients_with_different_scales(rng):
    norm = L2Norm(4)
    norm.params["weight"] = rng.uniform(5, 25, 4)
    check_layer(norm, rng.standard_normal((2, 4, 3, 2)), rng)
