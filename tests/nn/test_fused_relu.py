"""A ReLU that a layer does itself: the same as the plain layer and a ReLU behind it."""

import numpy as np
import pytest

from minissd.nn import ALGORITHMS, BatchNorm2d, Conv2d, ReLU, Sequential, check_layer, conv_im2col

EVERY_ALGORITHM = pytest.mark.parametrize("algorithm", ["loops", "im2col", "winograd", "direct", "auto"])
BOTH_TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# input shape, output channels, kernel, stride, padding, dilation
GEOMETRIES = {
    "3x3": ((2, 3, 6, 7), 5, 3, 1, 1, 1),
    "vectors": ((1, 16, 5, 4), 17, 3, 1, 1, 1),
    "dilated": ((1, 2, 7, 6), 3, 3, 1, 2, 2),
    "stride-2": ((2, 3, 7, 6), 4, 3, 2, 1, 1),
    "1x1": ((2, 5, 3, 4), 3, 1, 1, 0, 1),
    "one-row": ((1, 2, 1, 8), 3, 3, 1, 1, 1),
    "no-images": ((0, 3, 6, 6), 4, 3, 1, 1, 1),
}


def applies(algorithm, case):
    return algorithm != "winograd" or GEOMETRIES[case][2:4] == (3, 1)


def with_geometries(cases=tuple(GEOMETRIES)):
    names = ["loops", "im2col", "winograd", "direct", "auto"]
    pairs = [(name, case) for name in names for case in cases if applies(name, case)]
    return pytest.mark.parametrize(("algorithm", "case"), pairs)


def convolution(algorithm, case, relu, bias=True):
    shape, outputs, *geometry = GEOMETRIES[case]
    rng = np.random.default_rng(5)
    conv = Conv2d(shape[1], outputs, *geometry, bias=bias, algorithm=algorithm, rng=rng, relu=relu)
    if bias:
        conv.params["bias"][...] = rng.standard_normal(outputs) / 2
    return conv


@with_geometries()
@BOTH_TYPES
@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_is_the_plain_one_and_a_relu(algorithm, case, dtype, bias, rng):
    fused = convolution(algorithm, case, True, bias)
    plain = convolution(algorithm, case, False, bias)
    steps = Sequential([plain, ReLU()])
    x = rng.standard_normal(GEOMETRIES[case][0]).astype(dtype)
    before = x.copy()
    y = fused.forward(x)
    np.testing.assert_array_equal(y, steps.forward(x))
    assert y.size == 0 or 0 == y.min() < y.max()
    dy = rng.standard_normal(y.shape).astype(dtype)
    dy_before = dy.copy()
    np.testing.assert_array_equal(fused.backward(dy), steps.backward(dy))
    assert fused.grads.keys() == plain.grads.keys() == plain.params.keys()
    for name, gradient in fused.grads.items():
        tolerance = 1e-6 if dtype == np.float32 else 1e-14
        assert gradient.dtype == plain.grads[name].dtype == dtype
        np.testing.assert_allclose(gradient, plain.grads[name], rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(dy, dy_before)
    np.testing.assert_array_equal(fused.eval().forward(x), steps.eval().forward(x))


@with_geometries(["3x3", "dilated", "stride-2", "1x1", "one-row"])
def test_gradients_of_a_convolution(algorithm, case, rng):
    conv = convolution(algorithm, case, True)
    check_layer(conv, rng.standard_normal(GEOMETRIES[case][0]), rng, samples=12)


@EVERY_ALGORITHM
def test_by_hand(algorithm):
    """Ones under a kernel of ones less 5: a corner sees 4, an edge 6, the centre 9."""
    conv = Conv2d(1, 1, 3, padding=1, algorithm=algorithm, relu=True)
    conv.params["weight"][...], conv.params["bias"][...] = 1, -5
    y = conv.forward(np.ones((1, 1, 3, 3), np.float32))
    np.testing.assert_allclose(y[0, 0], [[0, 1, 0], [1, 4, 1], [0, 1, 0]], atol=1e-5)
    dx = conv.backward(np.full_like(y, 10))
    np.testing.assert_allclose(dx[0, 0], [[30, 40, 30], [40, 50, 40], [30, 40, 30]], rtol=1e-5)
    np.testing.assert_allclose(conv.grads["bias"], [50])


@EVERY_ALGORITHM
@BOTH_TYPES
def test_a_convolution_shows_what_is_not_a_number(algorithm, dtype):
    """As ``numpy.maximum`` does; a ReLU that hid it would let a broken training go on."""
    conv = Conv2d(2, 3, 3, padding=1, algorithm=algorithm, relu=True)
    x = np.ones((1, 2, 20, 4), dtype)
    x[0, 1, 0, 0] = np.nan
    y = conv.forward(x)
    assert np.isnan(y[0, :, 0, 0]).all()
    assert not np.isnan(y[0, :, 10:]).any()


@EVERY_ALGORITHM
def test_the_gradient_at_0_is_0(algorithm):
    conv = Conv2d(1, 1, 3, padding=1, algorithm=algorithm, relu=True)
    conv.params["weight"][...] = 0
    y = conv.forward(np.ones((1, 1, 4, 4), np.float32))
    assert not y.any()
    assert not conv.backward(np.ones_like(y)).any()
    assert not conv.grads["weight"].any()
    assert not conv.grads["bias"].any()


def test_an_algorithm_that_knows_of_no_relu_gets_one(monkeypatch, rng):
    class Plain:
        forward = staticmethod(conv_im2col.forward)
        backward = staticmethod(conv_im2col.backward)

    monkeypatch.setitem(ALGORITHMS, "plain", Plain)
    x = rng.standard_normal((2, 3, 5, 5)).astype(np.float32)
    one, other = (Conv2d(3, 4, 3, algorithm=name, relu=True) for name in ("plain", "im2col"))
    np.testing.assert_array_equal(one.forward(x), other.forward(x))
    dy = np.ones((2, 4, 3, 3), np.float32)
    np.testing.assert_array_equal(one.backward(dy), other.backward(dy))


def normalisations(channels):
    """A normalisation that does the ReLU, and the two layers that it stands for."""
    rng = np.random.default_rng(2)
    fused, plain = BatchNorm2d(channels, relu=True), BatchNorm2d(channels)
    for layer in (fused, plain):
        layer.params["weight"] = np.linspace(-2, 2, channels).astype(np.float32)
    for name in ("bias", "running_mean"):
        store = fused.params if name == "bias" else fused.buffers
        store[name] = rng.standard_normal(channels).astype(np.float32)
        (plain.params if name == "bias" else plain.buffers)[name] = store[name].copy()
    return fused, Sequential([plain, ReLU()]), plain


@BOTH_TYPES
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 17, 40, 41), (3, 16, 1, 1), (0, 4, 3, 3), (1, 2, 1, 1)])
def test_a_normalisation_is_the_plain_one_and_a_relu(shape, dtype, rng):
    fused, steps, plain = normalisations(shape[1])
    x = (rng.standard_normal(shape) * 3 + 1).astype(dtype)
    dy = rng.standard_normal(shape).astype(dtype)
    before = x.copy(), dy.copy()
    np.testing.assert_array_equal(fused.forward(x), steps.forward(x))
    dx, expected = fused.backward(dy), steps.backward(dy)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    scale = max(np.abs(expected).max(initial=0), 1)
    np.testing.assert_allclose(dx, expected, rtol=tolerance, atol=tolerance * scale)
    for name, gradient in plain.grads.items():
        scale = max(np.abs(gradient).max(initial=0), 1)
        np.testing.assert_allclose(fused.grads[name], gradient, rtol=tolerance, atol=tolerance * scale)
        assert fused.grads[name].dtype == dtype
    for name, buffer in plain.buffers.items():
        np.testing.assert_array_equal(fused.buffers[name], buffer)
    np.testing.assert_array_equal(fused.eval().forward(x), steps.eval().forward(x))
    for array, old in zip((x, dy), before):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("shape", [(3, 3, 4, 5), (1, 17, 3, 2)])
def test_gradients_of_a_normalisation(shape, rng):
    fused, _, _ = normalisations(shape[1])
    check_layer(fused, rng.standard_normal(shape), rng)


@BOTH_TYPES
def test_forward_and_backward_agree_on_what_is_positive(dtype, rng):
    """Backward sees no output; were its ``scale * x + shift`` rounded otherwise, a place close to the kink
    would be 0 forward and let a gradient through backward.
    """
    norm = BatchNorm2d(4, relu=True)
    x = np.zeros((1, 4, 64, 64), dtype)
    steps = np.arange(-2048, 2048).reshape(64, 64)
    x[0] = [0.7 + steps * np.spacing(dtype(0.7)), steps * dtype(1e-9), steps, rng.standard_normal((64, 64))]
    for name, values in (("weight", [1, 3, -0.3, 1.7]), ("bias", [0, 1e-9, 0.1, 0.3])):
        norm.params[name] = np.array(values, np.float32)
    y = norm.forward(x)
    norm.backward(np.ones_like(y))
    np.testing.assert_array_equal(norm.grads["bias"], (y > 0).sum(axis=(0, 2, 3)))
    assert ((y > 0).mean(axis=(0, 2, 3)) > 0.3).all()


@BOTH_TYPES
@pytest.mark.parametrize("relu", [False, True])
def test_a_normalisation_shows_what_is_not_a_number(dtype, relu):
    x = np.ones((1, 3, 4, 4), dtype)
    x[0, 1, 2, 2] = np.nan
    norm = BatchNorm2d(3, relu=relu)
    y = norm.eval().forward(x)
    assert np.isnan(y[0, 1, 2, 2])
    assert np.isnan(y).sum() == 1
    y = norm.train().forward(x)
    assert np.isnan(y[0, 1]).all(), "the mean of the channel is none"
    assert not np.isnan(y[0, [0, 2]]).any()
