"""SGD with momentum: by hand, PyTorch's numbers, biases, clipping, and going on from a checkpoint."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minissd.backend import to_cpu, to_device
from minissd.nn import SGD, Conv2d, Sequential, clip_gradients


def holder(device="cpu", **arrays):
    """Anything with params and grads is good enough for SGD."""
    params = {name: to_device(array, device) for name, array in arrays.items()}
    return SimpleNamespace(params=params, grads={name: 0 * array for name, array in params.items()})


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


def agrees_with(numbers, i, device="cpu"):
    model = holder(device, weight=numbers[f"sgd{i}_p0"].copy())
    optimizer = SGD(
        model, momentum=float(numbers["sgd_momentum"]), weight_decay=float(numbers["sgd_weight_decay"])
    )
    for step, rate in enumerate(numbers[f"sgd{i}_lr"]):
        grad = numbers[f"sgd{i}_grads"][step]
        model.grads["weight"] = to_device(grad.copy(), device)
        optimizer.step(float(rate))
        weight, velocity = to_cpu(model.params["weight"]), to_cpu(optimizer.velocity["weight"])
        np.testing.assert_allclose(weight, numbers[f"sgd{i}_p"][step], rtol=1e-9)
        np.testing.assert_allclose(velocity, numbers[f"sgd{i}_v"][step], rtol=1e-9)
        np.testing.assert_array_equal(to_cpu(model.grads["weight"]), grad)


@pytest.mark.parametrize("i", [0, 1])
def test_agrees_with_pytorch(i, copied_numbers, backend):
    """The second sequence changes the rate between the steps, which tells PyTorch's velocity from Caffe's."""
    agrees_with(copied_numbers, i, backend.device)


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


def test_clipping_by_hand(backend):
    """The norm of (3, 4) is 5: to 1 with the factor 0.2. Gradients under the bound stay."""
    grads = {"a": backend.send(np.array([3.0])), "b": backend.send(np.array([[4.0]]))}
    assert float(clip_gradients(grads, 1.0)) == pytest.approx(5)
    np.testing.assert_allclose(to_cpu(grads["a"]), 0.6)
    np.testing.assert_allclose(to_cpu(grads["b"]), 0.8)
    assert float(clip_gradients(grads, 2.0)) == pytest.approx(1)
    np.testing.assert_allclose(to_cpu(grads["b"]), 0.8)
    zeros = {"a": backend.send(np.zeros(2))}
    assert float(clip_gradients(zeros, 1.0)) == 0
    assert not to_cpu(zeros["a"]).any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("max_norm", "expected"), [(5, [3 + 1, 4]), (50, [31, 40]), (500, [31, 40])])
def test_step_clips_before_the_decay_and_leaves_grads_alone(max_norm, expected, dtype, backend):
    model = holder(backend.device, weight=np.array([10.0, 0.0], dtype))
    model.grads["weight"] = backend.send(np.array([30.0, 40.0], dtype))
    optimizer = SGD(model, 0.1, momentum=0, weight_decay=0.1, max_gradient_norm=max_norm)
    optimizer.step()
    np.testing.assert_allclose(to_cpu(optimizer.velocity["weight"]), expected, rtol=1e-6)
    np.testing.assert_array_equal(to_cpu(model.grads["weight"]), [30, 40])


def test_the_optimisers_own_rate_is_used_without_an_argument():
    model = holder(weight=np.array([1.0]))
    model.grads["weight"] = np.array([1.0])
    optimizer = SGD(model, learning_rate=0.25, momentum=0, weight_decay=0)
    optimizer.step()
    np.testing.assert_allclose(model.params["weight"], 0.75)
    optimizer.step(0.5)
    np.testing.assert_allclose(model.params["weight"], 0.25)
    optimizer.step(0)
    np.testing.assert_allclose(model.params["weight"], 0.25)


def test_momentum_0_is_plain_descent_and_biases_decay_by_default():
    model = holder(bias=np.array([2.0]))
    optimizer = SGD(model, learning_rate=1.0, momentum=0, weight_decay=0.1)
    optimizer.step()
    optimizer.step()
    np.testing.assert_allclose(model.params["bias"], 2 * 0.9 * 0.9)


@given(
    grads=st.lists(st.integers(-1000, 1000).map(float), min_size=1, max_size=6),
    max_norm=st.floats(1e-3, 1e3),
)
def test_clipping_keeps_the_direction_and_bounds_the_length(grads, max_norm):
    original = np.array(grads)
    stored = {"a": original[:1].copy(), "b": original[1:].copy()}
    norm = clip_gradients(stored, max_norm)
    clipped = np.concatenate([stored["a"], stored["b"]])
    assert norm == pytest.approx(np.linalg.norm(original), rel=1e-9)
    assert np.linalg.norm(clipped) <= max_norm * (1 + 1e-9)
    if norm <= max_norm:
        np.testing.assert_array_equal(clipped, original)
    else:
        np.testing.assert_allclose(clipped * norm, original * max_norm, rtol=1e-9, atol=1e-9)


def test_clipping_keeps_float32_and_works_in_place():
    grad = np.array([3.0, 4.0], np.float32)
    clip_gradients({"a": grad}, 1.0)
    np.testing.assert_allclose(grad, [0.6, 0.8], rtol=1e-6)
    assert grad.dtype == np.float32
