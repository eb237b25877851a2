"""SGD with momentum: by hand, PyTorch's numbers, biases, clipping, and going on from a checkpoint."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minissd.nn import SGD, Conv2d, Sequential, clip_gradients

REFERENCE = Path(__file__).parents[1] / "reference" / "layers.npz"


def holder(**arrays):
    """Anything with params and grads is good enough for SGD."""
    return SimpleNamespace(params=arrays, grads={name: np.zeros_like(a) for name, a in arrays.items()})


def test_two_steps_by_hand():
    """v = 1, p = 10 - 0.1; then v = 0.5 * 1 + 1 = 1.5, p = 9.9 - 0.15."""
    model = holder(weight=np.array([10.0]))
    optimizer = SGD(model, learning_rate=0.1, momentum=0.5, weight_decay=0)
    weight = model.params["weight"]
    model.grads["weight"] = np.array([1.0])
    optimizer.step()
    np.testing.assert_allclose(weight, 9.9)
    optimizer.step()
    np.testing.assert_allclose(optimizer.velocity["weight"], 1.5)
    np.testing.assert_allclose(weight, 9.75)
    assert model.params["weight"] is weight, "parameters change in place"


def test_weight_decay_enters_the_velocity():
    model = holder(weight=np.array([2.0]))
    optimizer = SGD(model, learning_rate=0.1, weight_decay=0.5)
    optimizer.step()
    np.testing.assert_allclose(optimizer.velocity["weight"], 1.0)
    np.testing.assert_allclose(model.params["weight"], 1.9)


def test_caffes_biases_learn_twice_as_fast_and_do_not_decay():
    arrays = {"conv.weight": np.array([1.0]), "conv.bias": np.array([1.0]), "norm.bias": np.array([1.0])}
    model = holder(**arrays)
    for grad in model.grads.values():
        grad[:] = 1
    optimizer = SGD(model, 0.1, momentum=0, weight_decay=0.5, bias_learning_rate_factor=2, decay_biases=False)
    optimizer.step()
    np.testing.assert_allclose(model.params["conv.weight"], 1 - 0.1 * 1.5)
    np.testing.assert_allclose(model.params["conv.bias"], 1 - 0.2 * 1.0)
    np.testing.assert_allclose(model.params["norm.bias"], 1 - 0.2 * 1.0)


def agrees_with(numbers, i):
    model = holder(weight=numbers[f"sgd{i}_p0"].copy())
    optimizer = SGD(
        model, momentum=float(numbers["sgd_momentum"]), weight_decay=float(numbers["sgd_weight_decay"])
    )
    for step, rate in enumerate(numbers[f"sgd{i}_lr"]):
        model.grads["weight"] = numbers[f"sgd{i}_grads"][step]
        before = model.grads["weight"].copy()
        optimizer.step(float(rate))
        np.testing.assert_allclose(model.params["weight"], numbers[f"sgd{i}_p"][step], rtol=1e-9)
        np.testing.assert_allclose(optimizer.velocity["weight"], numbers[f"sgd{i}_v"][step], rtol=1e-9)
        np.testing.assert_array_equal(model.grads["weight"], before)


@pytest.mark.parametrize("i", [0, 1])
def test_agrees_with_pytorch(i):
    """The second sequence changes the rate between the steps, which tells PyTorch's velocity from Caffe's."""
    agrees_with(np.load(REFERENCE), i)


@pytest.mark.parametrize("i", [0, 1])
def test_agrees_with_the_shared_numbers(i, shared_numbers):
    agrees_with(shared_numbers("layers"), i)


def net_and_batch(seed):
    rng = np.random.default_rng(seed)
    net = Sequential([("conv", Conv2d(2, 3, 3, rng=rng))])
    return net, rng.standard_normal((2, 2, 5, 5)).astype(np.float32)


def train(net, optimizer, x, steps):
    for _ in range(steps):
        net.backward(net.forward(x))
        optimizer.step(0.01)


def test_a_run_that_is_stopped_and_resumed_is_the_same_to_the_bit():
    whole, x = net_and_batch(0)
    train(whole, SGD(whole), x, 6)
    first, _ = net_and_batch(0)
    optimizer = SGD(first)
    train(first, optimizer, x, 3)
    resumed, _ = net_and_batch(1)
    for name, array in first.params.items():
        resumed.params[name] = array.copy()
    going_on = SGD(resumed)
    for name, velocity in optimizer.velocity.items():
        going_on.velocity[name][...] = velocity
    train(resumed, going_on, x, 3)
    for name in whole.params:
        np.testing.assert_array_equal(resumed.params[name], whole.params[name])


def test_it_goes_downhill_and_stays_float32():
    net, x = net_and_batch(0)
    start = float((net.forward(x) ** 2).sum())
    optimizer = SGD(net)
    train(net, optimizer, x, 20)
    assert float((net.forward(x) ** 2).sum()) < 0.7 * start
    arrays = (*net.params.values(), *optimizer.velocity.values())
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    assert set(optimizer.velocity) == set(net.params)


def test_clipping_by_hand():
    """The norm of (3, 4) is 5: to 1 with the factor 0.2. Gradients under the bound stay."""
    grads = {"a": np.array([3.0]), "b": np.array([[4.0]])}
    assert clip_gradients(grads, 1.0) == pytest.approx(5)
    np.testing.assert_allclose(grads["a"], 0.6)
    np.testing.assert_allclose(grads["b"], 0.8)
    assert clip_gradients(grads, 2.0) == pytest.approx(1)
    np.testing.assert_allclose(grads["b"], 0.8)
    assert clip_gradients({"a": np.zeros(2)}, 1.0) == 0


def test_step_clips_before_the_decay_and_leaves_grads_alone():
    model = holder(weight=np.array([10.0, 0.0]))
    model.grads["weight"] = np.array([30.0, 40.0])
    optimizer = SGD(model, 0.1, momentum=0, weight_decay=0.1, max_gradient_norm=5)
    optimizer.step()
    np.testing.assert_allclose(optimizer.velocity["weight"], [3 + 1, 4])
    np.testing.assert_array_equal(model.grads["weight"], [30, 40])
