"""The convolution block: what it stands for, and what its trick with the memory must not break."""

import numpy as np
import pytest

from minissd.nn import BatchNorm2d, Conv2d, ConvBlock, ReLU, Sequential

BATCH_NORM = pytest.mark.parametrize("batch_norm", [False, True])


def test_by_hand():
    """A 1x1 kernel 2 and bias -1 over (0, 1, 2): -1, 1, 3, and 0, 1, 3 after the ReLU."""
    block = ConvBlock(1, 1, 1)
    block.params["weight"] = np.full((1, 1, 1, 1), 2.0)
    block.params["bias"] = np.array([-1.0])
    x = np.array([0.0, 1.0, 2.0]).reshape(1, 1, 1, 3)
    np.testing.assert_array_equal(block.forward(x).ravel(), [0, 1, 3])
    np.testing.assert_array_equal(block.backward(np.full_like(x, 10)).ravel(), [0, 20, 20])
    np.testing.assert_array_equal(block.grads["weight"].ravel(), [10 * 1 + 10 * 2])
    np.testing.assert_array_equal(block.grads["bias"], [20])


@BATCH_NORM
def test_block_is_its_three_steps(batch_norm, rng):
    block = ConvBlock(2, 4, 3, padding=1, batch_norm=batch_norm, rng=np.random.default_rng(1))
    steps = [Conv2d(2, 4, 3, padding=1, bias=not batch_norm, rng=np.random.default_rng(1))]
    steps += [BatchNorm2d(4)] if batch_norm else []
    steps = Sequential([*steps, ReLU()])
    x = rng.standard_normal((3, 2, 5, 4))
    y = block.forward(x)
    np.testing.assert_array_equal(y, steps.forward(x))
    dy = rng.standard_normal(y.shape)
    np.testing.assert_array_equal(block.backward(dy), steps.backward(dy))
    assert len(block.grads) == len(steps.grads) == (3 if batch_norm else 2)
    for mine, theirs in zip(block.grads.values(), steps.grads.values()):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(block.buffers.values(), steps.buffers.values()):
        np.testing.assert_array_equal(mine, theirs)


@BATCH_NORM
def test_names(batch_norm):
    block = ConvBlock(2, 4, 3, batch_norm=batch_norm)
    names = ["weight", "norm.weight", "norm.bias"] if batch_norm else ["weight", "bias"]
    assert list(block.params) == names
    assert list(block.buffers) == (["norm.running_mean", "norm.running_var"] if batch_norm else [])


@BATCH_NORM
def test_the_order_is_convolution_normalisation_relu(batch_norm, rng):
    """After normalisation a constant shift of the bias would be lost; after the ReLU nothing is negative."""
    block = ConvBlock(2, 4, 3, padding=1, batch_norm=batch_norm, rng=rng)
    y = block.forward(rng.standard_normal((4, 2, 8, 8)))
    assert y.min() == 0
    assert 0.2 < (y == 0).mean() < 0.8
    if batch_norm:
        assert np.abs(y.mean(axis=(0, 2, 3)) - 0.4).max() < 0.1  # 1 / sqrt(2 pi), of a normal after a ReLU


def test_reusing_memory_touches_neither_the_input_nor_an_earlier_output(rng):
    """A 1x1 convolution that copies its input is where working in place would show."""
    block = ConvBlock(2, 2, 1)
    block.params["weight"] = np.eye(2)[:, :, None, None]
    x = rng.standard_normal((1, 2, 3, 3))
    before = x.copy()
    first = block.forward(x)
    kept = first.copy()
    block.forward(x + 1)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(first, kept)


def test_training_and_inference_reach_the_parts():
    block = ConvBlock(2, 4, 3, batch_norm=True)
    assert block.eval() is block
    assert not (block.conv.training or block.norm.training or block.training)
    block.train()
    assert block.conv.training
    assert block.norm.training


def test_arguments_reach_the_convolution():
    block = ConvBlock(2, 4, 3, stride=2, padding=6, dilation=6, init="xavier", algorithm="loops")
    plain = Conv2d(2, 4, 3, stride=2, padding=6, dilation=6, init="xavier")
    assert block.conv.geometry == (2, 6, 6)
    assert block.conv.algorithm == "loops"
    np.testing.assert_array_equal(block.params["weight"], plain.params["weight"])


def test_the_input_gradient_can_be_left_out(rng):
    block = ConvBlock(2, 3, 3)
    block.conv.needs_input_gradient = False
    assert block.backward(block.forward(rng.standard_normal((1, 2, 4, 4)))) is None
    assert set(block.grads) == {"weight", "bias"}
