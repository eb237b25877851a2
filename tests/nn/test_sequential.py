"""Chains of layers."""

import numpy as np
import pytest

from minissd.errors import InputError
from minissd.nn import Conv2d, ConvBlock, Layer, MaxPool2d, ReLU, Sequential, check_layer


def small_net(rng):
    return Sequential(
        [
            ("conv1", ConvBlock(2, 3, 3, padding=1, batch_norm=True, rng=rng)),
            ("pool", MaxPool2d(2)),
            ("tail", Sequential([Conv2d(3, 2, 1, rng=rng), ReLU()])),
        ]
    )


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
    errors = check_layer(net, rng.standard_normal((3, 2, 4, 6)), rng, samples=60)
    assert set(errors) == {"x", *net.params}


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


def test_backward_is_the_chain_rule_by_hand():
    """y = 3 relu(2x - 1) for x = 0, 2: the outer slope 3, the inner 2, and 0 where the ReLU is shut."""
    inner, outer = Conv2d(1, 1, 1), Conv2d(1, 1, 1, bias=False)
    inner.params.update(weight=np.full((1, 1, 1, 1), 2.0), bias=np.array([-1.0]))
    outer.params.update(weight=np.full((1, 1, 1, 1), 3.0))
    net = Sequential([inner, ReLU(), outer])
    np.testing.assert_array_equal(net.forward(np.array([0.0, 2.0]).reshape(1, 1, 1, 2)).ravel(), [0, 9])
    np.testing.assert_array_equal(net.backward(np.array([1.0, 10.0]).reshape(1, 1, 1, 2)).ravel(), [0, 60])
    assert net.grads["2.weight"].item() == 30
    assert net.grads["0.weight"].item() == 60
    assert net.grads["0.bias"].item() == 30


def test_an_empty_chain_passes_its_input_on():
    x = np.ones((1, 2))
    assert Sequential([]).forward(x) is x
