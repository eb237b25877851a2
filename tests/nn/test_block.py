"""The convolution block: what it stands for, in training and folded together at inference."""

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


@pytest.mark.parametrize("algorithm", ["loops", "im2col", "winograd", "direct", "auto"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize("shape", [(2, 3, 6, 5), (1, 17, 4, 9), (2, 2, 1, 7)])
def test_at_inference_the_convolution_takes_the_normalisation_over(algorithm, dtype, tolerance, shape, rng):
    """The formula of training, with the running statistics in the place of those of the batch."""
    block = ConvBlock(shape[1], 4, 3, padding=1, batch_norm=True, rng=rng, algorithm=algorithm)
    for name, array in (
        ("norm.weight", [0.5, -2, 1, 3]),
        ("norm.bias", rng.standard_normal(4)),
        ("norm.running_mean", rng.standard_normal(4)),
        ("norm.running_var", [0.01, 1, 4, 0.3]),
    ):
        store = block.buffers if "running" in name else block.params
        store[name] = np.array(array, np.float32)
    x = rng.standard_normal(shape).astype(dtype)
    plain = Conv2d(shape[1], 4, 3, padding=1, bias=False, algorithm="im2col")
    plain.params["weight"] = block.params["weight"]
    mean, variance, gamma, beta = (
        array.astype(np.float64)[:, None, None]
        for array in (*block.buffers.values(), block.params["norm.weight"], block.params["norm.bias"])
    )
    normalised = (plain.forward(x.astype(np.float64)) - mean) / np.sqrt(variance + 1e-5)
    expected = np.maximum(gamma * normalised + beta, 0)
    y = block.eval().forward(x)
    assert y.dtype == dtype
    tolerance *= 5 if algorithm == "winograd" else 1  # its transforms round once more
    assert np.abs(y - expected).max() < tolerance * expected.max()
    assert 0.05 < (y == 0).mean() < 0.95
    np.testing.assert_array_equal(block.forward(x), y)


@BATCH_NORM
def test_inference_keeps_nothing_and_changes_no_statistics(batch_norm, rng):
    block = ConvBlock(2, 4, 3, padding=1, batch_norm=batch_norm, rng=rng).eval()
    before = {name: buffer.copy() for name, buffer in block.buffers.items()}
    y = block.forward(rng.standard_normal((2, 2, 5, 5)).astype(np.float32))
    for name, buffer in block.buffers.items():
        np.testing.assert_array_equal(buffer, before[name])
    with pytest.raises(RuntimeError, match="forward pass in training mode"):
        block.backward(y)


@BATCH_NORM
def test_what_is_not_a_number_is_seen(batch_norm, rng):
    block = ConvBlock(2, 4, 3, padding=1, batch_norm=batch_norm, rng=rng)
    x = rng.standard_normal((2, 2, 5, 5)).astype(np.float32)
    x[0, 0, 2, 2] = np.nan
    for training in (True, False):
        assert np.isnan(block.train(training).forward(x)[0, :, 2, 2]).all()


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
