"""NamedArrays: one dictionary for the arrays of many layers."""

import numpy as np
import pytest

from minissd.nn import BatchNorm2d, Conv2d, ConvBlock, NamedArrays, ReLU, Sequential


@pytest.fixture
def net():
    tail = Sequential([Conv2d(3, 2, 1), ReLU()])
    return Sequential([("conv1", ConvBlock(2, 3, 3, batch_norm=True)), ("tail", tail)])


NAMES = ["conv1.weight", "conv1.norm.weight", "conv1.norm.bias", "tail.0.weight", "tail.0.bias"]


def test_names_of_nested_layers_in_order(net):
    assert list(net.params) == NAMES
    assert len(net.params) == 5
    assert list(net.buffers) == ["conv1.norm.running_mean", "conv1.norm.running_var"]
    assert [array.shape for array in net.params.values()] == [(3, 2, 3, 3), (3,), (3,), (2, 3, 1, 1), (2,)]


@pytest.mark.parametrize("name", ["tail.1.bias", "conv1", "weight", "conv1.norm", "", ".", "tail.0.bias.x"])
def test_absent_names_are_absent(net, name):
    assert name not in net.params
    assert net.params.get(name) is None
    with pytest.raises(KeyError, match="no array named"):
        net.params[name]
    with pytest.raises(KeyError, match="no array named"):
        net.params[name] = np.zeros(1)


def test_it_is_a_live_view(net):
    inner = net.layers["tail"].layers["0"]
    assert net.params["tail.0.weight"] is inner.params["weight"]
    replacement = np.full((2, 3, 1, 1), 7.0)
    net.params["tail.0.weight"] = replacement
    assert inner.params["weight"] is replacement
    inner.params["weight"] = 2 * replacement
    assert net.params["tail.0.weight"].max() == 14
    net.params["tail.0.weight"] *= 2
    assert inner.params["weight"].max() == 28


def test_gradients_appear_with_the_backward_pass(net, rng):
    assert dict(net.grads) == {}
    net.backward(net.forward(rng.standard_normal((2, 2, 5, 5))))
    assert list(net.grads) == NAMES
    assert net.grads["conv1.weight"] is net.layers["conv1"].conv.grads["weight"]


def test_entries_cannot_be_removed(net):
    with pytest.raises(TypeError, match=r"conv1\.weight belongs to a layer"):
        del net.params["conv1.weight"]
    with pytest.raises(TypeError):
        net.params.clear()


def test_text_lists_the_names():
    assert repr(NamedArrays({"n": BatchNorm2d(1)}, "params")) == "NamedArrays(params: n.weight, n.bias)"
