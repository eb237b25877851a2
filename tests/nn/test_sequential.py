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


def blocks_and_pools(algorithm, pool, batch_norm):
    rng = np.random.default_rng(4)
    options = {"padding": 1, "batch_norm": batch_norm, "algorithm": algorithm, "rng": rng}
    first, second = ConvBlock(16, 20, 3, **options), ConvBlock(20, 16, 3, **options)
    return Sequential([first, MaxPool2d(*pool), MaxPool2d(2, 1), second, MaxPool2d(*pool), ReLU()])


@pytest.mark.parametrize("algorithm", ["im2col", "direct", "winograd", "auto"])
@pytest.mark.parametrize("pool", [(2,), (2, 2, 0, True), (3, 1, 1)], ids=str)
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_convolution_and_pooling_in_one_pass_give_the_same_bits(algorithm, pool, batch_norm, dtype, rng):
    net = blocks_and_pools(algorithm, pool, batch_norm)
    x = rng.standard_normal((2, 16, 19, 22)).astype(dtype)
    net.forward(x)
    net.eval()
    trace = {}
    np.testing.assert_array_equal(net.forward(x), net.forward(x, trace))
    step_by_step = x
    for name, layer in net.layers.items():
        step_by_step = layer.forward(step_by_step)
        np.testing.assert_array_equal(trace[name], step_by_step)
    assert list(trace) == list(net.layers)
    with pytest.raises(RuntimeError, match="forward pass in training mode"):
        net.backward(step_by_step)


def test_layers_that_are_made_from_others_are_called_as_they_are(rng):
    """A block with a forward pass of its own must not be run as the block that it was made from."""

    class Doubled(ConvBlock):
        def forward(self, x):
            return 2 * super().forward(x)

    class Halved(MaxPool2d):
        def forward(self, x):
            return super().forward(x) / 4

    x = rng.standard_normal((1, 2, 6, 6)).astype(np.float32)
    for block, pool in ((Doubled(2, 3, 3), MaxPool2d(2)), (ConvBlock(2, 3, 3), Halved(2))):
        net = Sequential([block, pool]).eval()
        np.testing.assert_array_equal(net.forward(x), net.forward(x, {}))


@pytest.mark.parametrize("algorithm", ["im2col", "direct", "winograd"])
def test_a_map_smaller_than_the_window_is_named_at_inference_too(algorithm):
    net = Sequential([ConvBlock(2, 3, 3, padding=1, algorithm=algorithm), MaxPool2d(2)])
    for training in (True, False):
        with pytest.raises(InputError, match="smaller than the window"):
            net.train(training).forward(np.ones((1, 2, 1, 8), np.float32))


def test_backward_may_use_up_what_forward_kept(rng):
    net = blocks_and_pools("auto", (2,), True)
    y = net.forward(rng.standard_normal((1, 16, 12, 12)).astype(np.float32))
    dy = np.ones_like(y)
    dx = net.backward(dy)
    np.testing.assert_array_equal(net.backward(dy), dx)
    np.testing.assert_array_equal(net.backward(dy, forget=True), dx)
    with pytest.raises(RuntimeError, match="forward pass in training mode"):
        net.backward(dy)
