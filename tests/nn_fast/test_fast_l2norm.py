"""L2 normalisation with the channels last, against its readable twin in float64."""

import numpy as np
import pytest
from convolution_cases import channels_last

from minissd.nn import L2Norm, l2norm_readable
from minissd.nn.fast import l2norm
from minissd.nn.fast.layout import empty_channels_last, is_channels_last

SHAPES = [(2, 1, 4, 5), (3, 5, 20, 30), (1, 16, 9, 7), (1, 33, 1, 1), (2, 91, 6, 5), (1, 512, 13, 13)]


@pytest.mark.parametrize("layout", [channels_last, np.ascontiguousarray])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_twins_agree(shape, threads, layout, rng, monkeypatch, use_threads):
    use_threads(threads)
    monkeypatch.setattr(l2norm, "FEW_NUMBERS", 0)
    x, dy = (layout(a) for a in rng.standard_normal((2, *shape)).astype(np.float32) * 10)
    before, weight = (x.copy(), dy.copy()), rng.uniform(5, 25, shape[1]).astype(np.float32)
    y, norm = l2norm.forward(x, weight, 1e-10)
    dx, dweight = l2norm.backward(dy, x, norm, weight)
    exact = [a.astype(np.float64) for a in (dy, x)]
    y_exact, norm_exact = l2norm_readable.forward(exact[1], weight, 1e-10)
    dx_exact, dweight_exact = l2norm_readable.backward(*exact, norm_exact, weight)
    np.testing.assert_allclose(y, y_exact, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(norm, norm_exact, rtol=1e-6)
    # dx is a difference, which for one channel leaves nothing
    np.testing.assert_allclose(
        dx, dx_exact, rtol=1e-5, atol=1e-6 * np.abs(dy * weight.max() / norm_exact).max()
    )
    np.testing.assert_allclose(
        dweight, dweight_exact, rtol=1e-5, atol=1e-5 * np.abs(dy).max() * x[:, 0].size ** 0.5
    )
    assert {a.dtype for a in (y, norm, dx, dweight)} == {np.dtype(np.float32)}
    assert is_channels_last(y) and is_channels_last(dx)
    np.testing.assert_array_equal((x, dy), before)


def test_the_number_of_threads_changes_nothing(rng, monkeypatch, use_threads):
    monkeypatch.setattr(l2norm, "FEW_NUMBERS", 0)
    x, dy = rng.standard_normal((2, 3, 20, 41, 37)).astype(np.float32)
    weight, results = rng.uniform(5, 25, 20).astype(np.float32), []
    for threads in (1, 2, 5):
        use_threads(threads)
        y, norm = l2norm.forward(x, weight, 1e-10)
        results.append((y, norm, *l2norm.backward(dy, x, norm, weight)))
    for alone, two, five in zip(*results):
        np.testing.assert_array_equal(alone, two)
        np.testing.assert_array_equal(alone, five)


def test_no_images_and_places_without_length(rng):
    x = empty_channels_last((0, 4, 3, 3))
    y, norm = l2norm.forward(x, np.ones(4, np.float32), 1e-10)
    dx, dweight = l2norm.backward(y, x, norm, np.ones(4, np.float32))
    assert y.shape == dx.shape == x.shape
    np.testing.assert_array_equal(dweight, 0)
    x = channels_last(np.zeros((1, 4, 3, 3), np.float32))
    y, norm = l2norm.forward(x, np.full(4, 20, np.float32), 1e-10)
    assert not y.any()
    assert np.isfinite(l2norm.backward(x + 1, x, norm, np.full(4, 20, np.float32))[0]).all()


def test_sums_over_many_places_keep_their_digits(rng):
    """The gradient of the weight adds up 300 x 300 numbers around 1."""
    x = channels_last((1 + rng.random((1, 3, 300, 300))).astype(np.float32))
    weight = np.ones(3, np.float32)
    _, norm = l2norm.forward(x, weight, 1e-10)
    _, dweight = l2norm.backward(x, x, norm, weight)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(dweight, (exact**2 / norm).sum(axis=(0, 2, 3)), rtol=1e-6)


def test_the_layer_uses_it_for_channels_last_and_gives_the_same_for_both(rng):
    x, dy = rng.standard_normal((2, 2, 24, 5, 6)).astype(np.float32)
    results = []
    for layout in (channels_last, np.ascontiguousarray):
        layer = L2Norm(24)
        layer.params["weight"] = np.linspace(5, 25, 24)  # float64: the output follows the input
        y = layer.forward(layout(x))
        results.append((y, layer.backward(layout(dy)), layer.grads["weight"]))
        assert {a.dtype for a in results[-1]} == {np.dtype(np.float32)}
    assert is_channels_last(results[0][0])
    for fast, readable in zip(*results):
        np.testing.assert_allclose(fast, readable, rtol=1e-5, atol=1e-5)
