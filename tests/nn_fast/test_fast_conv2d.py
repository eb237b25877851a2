"""The fast algorithms behind `Conv2d`."""

import numpy as np
import pytest

from minissd.nn import Conv2d, ConvBlock, MaxPool2d, Sequential
from minissd.nn.gradient_check import check_layer


@pytest.mark.parametrize("algorithm", ["winograd", "direct"])
def test_a_layer_by_name(algorithm, rng):
    x = rng.standard_normal((2, 5, 9, 8)).astype(np.float32)
    layers = [Conv2d(5, 7, 3, padding=1, algorithm=name) for name in (algorithm, "im2col")]
    outputs = [layer.forward(x) for layer in layers]
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)
    dy = rng.standard_normal(outputs[0].shape).astype(np.float32)
    np.testing.assert_allclose(layers[0].backward(dy), layers[1].backward(dy), rtol=1e-4, atol=1e-5)
    for name, gradient in layers[0].grads.items():
        np.testing.assert_allclose(gradient, layers[1].grads[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("algorithm", ["winograd", "direct"])
def test_gradients_can_be_checked(algorithm, rng):
    layer = Conv2d(2, 3, 3, padding=1, algorithm=algorithm, rng=rng)
    check_layer(layer, rng.standard_normal((1, 2, 4, 5)), rng)


def test_a_network_with_pooling_and_normalisation(rng):
    """What each layer does with the memory order of the one before it does not change the result."""

    def network(algorithm):
        rng = np.random.default_rng(3)
        blocks = [(3, 16), (16, 20)]
        layers = [
            ConvBlock(*pair, 3, padding=1, batch_norm=True, rng=rng, algorithm=algorithm) for pair in blocks
        ]
        return Sequential([layers[0], MaxPool2d(2), layers[1]])

    x = rng.standard_normal((2, 3, 12, 10)).astype(np.float32)
    fast, slow = network("direct"), network("im2col")
    y = fast.forward(x)
    np.testing.assert_allclose(y, slow.forward(x), atol=1e-4)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    np.testing.assert_allclose(fast.backward(dy), slow.backward(dy), atol=1e-4)
    for name, gradient in fast.grads.items():
        np.testing.assert_allclose(gradient, slow.grads[name], atol=1e-3, err_msg=name)
