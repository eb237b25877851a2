"""The first layer: images with three channels, against float64."""

import numpy as np
import pytest
from convolution_cases import assert_close, channels_last, every_other, in_float64, read_only, run
from hypothesis import given, settings
from hypothesis import strategies as st

from minissd.nn.conv_shape import output_side
from minissd.nn.fast import layout, stem
from minissd.nn.fast.choose import AUTO, best
from minissd.nn.fast.layout import is_channels_last
from minissd.nn.fast.tile import MANY_ROWS
from minissd.nn.fast.workspace import Workspace

# images, height, width, outputs, stride, padding
CASES = {
    "first-of-vgg": (2, 21, 30, 64, 1, 1),
    "one-image": (1, 40, 37, 16, 1, 1),
    "three-vectors": (1, 9, 23, 48, 1, 1),
    "stride-2": (2, 23, 41, 32, 2, 1),
    "stride-3": (1, 20, 60, 16, 3, 0),
    "no-padding": (2, 8, 25, 16, 1, 0),
    "padding-4": (1, 5, 19, 32, 1, 4),
    "one-row": (2, 1, 33, 16, 1, 1),
    "two-rows-stride-2": (1, 2, 40, 16, 2, 1),
    "narrowest": (2, 7, MANY_ROWS, 16, 1, 1),
    "narrowest-and-one": (1, 7, MANY_ROWS + 1, 32, 1, 1),
    "no-images": (0, 9, 20, 16, 1, 1),
}
EVERY_CASE = pytest.mark.parametrize("case", CASES)


def arrays(sizes, rng):
    images, height, width, outputs, stride, padding = sizes
    sides = [output_side(side, 3, stride, padding) for side in (height, width)]
    shapes = (images, 3, height, width), (outputs, 3, 3, 3), (outputs,), (images, outputs, *sides)
    x, weight, bias, dy = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    return x, weight, bias, dy, (stride, padding, 1)


@EVERY_CASE
def test_it_computes_what_every_algorithm_does(case, rng):
    given_arrays = arrays(CASES[case], rng)
    x, weight, *_, geometry = given_arrays
    assert stem.fits(x.shape, weight.shape, *geometry)
    results = run(stem, *given_arrays)
    assert {result.dtype for result in results} == {np.dtype(np.float32)}
    assert is_channels_last(results[0])
    assert_close(results, in_float64(*given_arrays))


@given(
    height=st.integers(1, 12),
    more=st.integers(0, 40),
    outputs=st.sampled_from([16, 32, 48]),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=40)
def test_any_geometry(height, more, outputs, stride, padding, seed):
    width = max(1, (MANY_ROWS - 1) * stride + 3 - 2 * padding) + more
    if output_side(height, 3, stride, padding) < 1:
        return
    given_arrays = arrays((2, height, width, outputs, stride, padding), np.random.default_rng(seed))
    assert_close(run(stem, *given_arrays), in_float64(*given_arrays))


@pytest.mark.parametrize("case", ["first-of-vgg", "stride-2", "padding-4"])
@pytest.mark.parametrize("order", [channels_last, every_other, read_only])
def test_memory_order_does_not_matter(case, order, rng):
    x, weight, bias, dy, geometry = arrays(CASES[case], rng)
    expected = run(stem, x, weight, bias, dy, geometry)
    given_arrays = [order(x), every_other(weight), bias, order(dy)]
    before = [array.copy() for array in given_arrays]
    for result, right in zip(run(stem, *given_arrays, geometry), expected):
        np.testing.assert_array_equal(result, right)
    for array, old in zip(given_arrays, before):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("case", ["first-of-vgg", "stride-2", "no-images"])
def test_relu_bias_and_packed_weights(case, rng):
    x, weight, bias, dy, geometry = arrays(CASES[case], rng)
    y = stem.forward(x, weight, bias, *geometry)
    np.testing.assert_array_equal(stem.forward(x, weight, bias, *geometry, relu=True), np.maximum(y, 0))
    np.testing.assert_array_equal(stem.forward(x, weight, bias, *geometry, packed=stem.pack(weight)), y)
    plain = stem.forward(x, weight, None, *geometry)
    np.testing.assert_allclose(y, plain + bias[:, None, None], atol=1e-5)
    dx, dweight, dbias = stem.backward(dy, x, weight, *geometry, need_dx=False, need_dbias=False)
    assert dx is None and dbias is None
    np.testing.assert_array_equal(dweight, stem.backward(dy, x, weight, *geometry)[1])


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("case", ["first-of-vgg", "stride-2", "one-row"])
def test_any_number_of_threads(case, count, rng, use_threads):
    given_arrays = arrays(CASES[case], rng)
    use_threads(1)
    y, dx, _, dbias = run(stem, *given_arrays)
    use_threads(count)
    results = run(stem, *given_arrays)
    for result, right in zip((results[0], results[1], results[3]), (y, dx, dbias)):
        np.testing.assert_array_equal(result, right)
    assert_close(results, in_float64(*given_arrays))


def test_streaming_changes_no_bit(rng, monkeypatch):
    given_arrays = arrays(CASES["first-of-vgg"], rng)
    expected = run(stem, *given_arrays)
    monkeypatch.setattr(layout, "MANY_NUMBERS", 0)
    with Workspace():
        for result, right in zip(run(stem, *given_arrays), expected):
            np.testing.assert_array_equal(result, right)


def test_nan_spoils_only_what_sees_it(rng):
    """The rows of one image lie behind those of another, and a strip at the end of a row begins early."""
    x, weight, bias, _, geometry = arrays(CASES["first-of-vgg"], rng)
    x = channels_last(x)
    x[0, 2, -1, -1] = np.nan
    is_nan = np.isnan(stem.forward(x, weight, bias, *geometry, relu=True))
    assert is_nan[0, :, -2:, -2:].all()
    assert is_nan.sum() == 64 * 4


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "geometry"),
    [
        ((1, 4, 30, 30), (16, 4, 3, 3), (1, 1, 1)),
        ((1, 3, 30, 30), (20, 3, 3, 3), (1, 1, 1)),
        ((1, 3, 30, 30), (16, 3, 5, 5), (1, 1, 1)),
        ((1, 3, 30, 30), (16, 3, 3, 3), (1, 1, 2)),
        ((1, 3, 30, MANY_ROWS - 1), (16, 3, 3, 3), (1, 1, 1)),
    ],
)
def test_what_it_is_not_made_for_goes_elsewhere(x_shape, weight_shape, geometry, rng):
    assert not stem.fits(x_shape, weight_shape, *geometry)
    assert best(x_shape, weight_shape, *geometry) is not stem
    x, weight = (rng.standard_normal(shape).astype(np.float32) for shape in (x_shape, weight_shape))
    y = AUTO.forward(x, weight, None, *geometry)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    zeros = np.zeros(len(weight), np.float32)
    results = y, *AUTO.backward(dy, x, weight, *geometry)
    assert_close(results, in_float64(x, weight, zeros, dy, geometry))
