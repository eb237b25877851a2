"""Chains of layers, their arrays as one dictionary, and the convolution block."""

import numpy as np
import pytest

from minissd.errors import InputError
from minissd.nn import BatchNorm2d, Conv2d, ConvBlock, Layer, MaxPool2d, NamedArrays, ReLU, Sequential
from minissd.nn.gradient_check import check_layer


def small_net(rng):
    return Sequential(
        [
            ("conv1", ConvBlock(2, 3, 3, padding=1, batch_norm=True, rng=rng)),
            ("pool", MaxPool2d(2)),
            ("tail", Sequential([Conv2d(3, 2, 1, rng=rng), ReLU()])),
        ]
    )


def test_names_of_nested_layers(rng):
    net = small_net(rng)
    assert list(net.params) == [
        "conv1.weight",
        "conv1.norm.weight",
        "conv1.norm.bias",
        "tail.0.weight",
        "tail.0.bias",
    ]
    assert list(net.buffers) == ["conv1.norm.running_mean", "conv1.norm.running_var"]
    assert len(net.params) == 5
    assert "tail.0.bias" in net.params
    for absent in ("tail.1.bias", "conv1", "weight", "conv1.norm", ""):
        assert absent not in net.params


def test_writing_goes_through_to_the_layer():
    net = Sequential([("a", Sequential([("b", Conv2d(1, 1, 1))]))])
    inner = net.layers["a"].layers["b"]
    x = np.ones((1, 1, 1, 1))
    net.params["a.b.weight"] = np.full((1, 1, 1, 1), 7.0)
    assert inner.params["weight"].item() == 7
    assert net.forward(x).item() == 7
    net.params["a.b.weight"] *= 2
    assert net.forward(x).item() == 14
    net.backward(np.ones_like(x))
    assert net.grads["a.b.weight"] is inner.grads["weight"]


def test_entries_can_be_neither_added_nor_removed():
    net = Sequential([("conv", Conv2d(1, 1, 1))])
    with pytest.raises(KeyError, match=r"conv\.wieght"):
        net.params["conv.wieght"] = np.zeros(1)
    with pytest.raises(TypeError, match="cannot be deleted"):
        del net.params["conv.weight"]
    assert isinstance(net.params, NamedArrays)
    assert "conv.weight" in repr(net.params)


def test_two_layers_of_one_name_are_refused():
    with pytest.raises(InputError, match="same name"):
        Sequential([("a", ReLU()), ("a", ReLU())])


@pytest.mark.parametrize("name", ["a.b", ""])
def test_names_that_params_could_not_find_are_refused(name):
    with pytest.raises(InputError, match="without a dot"):
        Sequential([(name, Conv2d(1, 1, 1))])


def test_forward_is_one_layer_after_the_other_and_trace_holds_each(rng):
    net = small_net(rng).eval()
    x = rng.standard_normal((2, 2, 4, 6)).astype(np.float32)
    trace = {}
    y = net.forward(x, trace)
    assert list(trace) == ["conv1", "pool", "tail"]
    expected = x
    for name, layer in net.layers.items():
        expected = layer.forward(expected)
        np.testing.assert_array_equal(trace[name], expected)
    np.testing.assert_array_equal(y, expected)
    assert trace["conv1"].min() >= 0


def test_train_eval_and_astype_reach_every_child(rng):
    def leaves(layer):
        children = getattr(layer, "layers", {})
        return [layer] + [leaf for child in children.values() for leaf in leaves(child)]

    net = small_net(rng)
    assert net.eval() is net
    assert not any(layer.training for layer in leaves(net))
    assert all(layer.training for layer in leaves(net.train()))
    assert net.astype(np.float64) is net
    arrays = [a for layer in leaves(net) for a in (*layer.params.values(), *layer.buffers.values())]
    assert {a.dtype for a in arrays} == {np.dtype(np.float64)}


def test_gradients_through_a_nested_net(rng):
    net = small_net(np.random.default_rng(3))
    errors = check_layer(net, rng.standard_normal((3, 2, 4, 6)), rng, max_entries=60)
    assert set(errors) == {"x", *net.params}


@pytest.mark.parametrize("batch_norm", [False, True])
def test_block_is_its_three_steps(batch_norm, rng):
    block = ConvBlock(2, 4, 3, padding=1, batch_norm=batch_norm, rng=np.random.default_rng(1))
    steps = [Conv2d(2, 4, 3, padding=1, bias=not batch_norm, rng=np.random.default_rng(1))]
    steps += [BatchNorm2d(4)] if batch_norm else []
    chain = Sequential([*steps, ReLU()])
    x = rng.standard_normal((3, 2, 5, 4)).astype(np.float32)
    before = x.copy()
    y = block.forward(x)
    np.testing.assert_allclose(y, chain.forward(x), rtol=1e-6, atol=1e-6)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    dy_before = dy.copy()
    np.testing.assert_allclose(block.backward(dy), chain.backward(dy), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(dy, dy_before)
    for mine, theirs in zip(block.grads.values(), chain.grads.values()):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)
    assert set(block.params) == ({"weight", "norm.weight", "norm.bias"} if batch_norm else {"weight", "bias"})


@pytest.mark.parametrize("batch_norm", [False, True])
def test_block_gradients_float32_and_empty_batch(batch_norm, rng):
    block = ConvBlock(2, 3, 3, stride=2, padding=1, batch_norm=batch_norm, rng=rng)
    x = rng.standard_normal((2, 2, 5, 5)).astype(np.float32)
    y = block.forward(x)
    dx = block.backward(y)
    assert {a.dtype for a in (y, dx, *block.grads.values())} == {np.dtype(np.float32)}
    assert block.backward(block.forward(x[:0])).shape == (0, 2, 5, 5)
    check_layer(block, rng.standard_normal((3, 2, 5, 6)), rng, max_entries=60)


def test_a_layer_of_ones_own_can_be_put_in():
    class Twice(Layer):
        def forward(self, x):
            return 2 * x

        def backward(self, dy):
            return 2 * dy

    net = Sequential([Twice(), Twice()])
    assert net.forward(np.ones(1)).item() == net.backward(np.ones(1)).item() == 4
    assert list(net.layers) == ["0", "1"]
    assert not net.params
