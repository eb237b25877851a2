"""All algorithms of convolution are one function: loops, im2col, Winograd and direct."""

import numpy as np
import pytest
from convolution_cases import (
    ALGORITHMS,
    arrays,
    assert_close,
    channels_last,
    every_other,
    in_float64,
    read_only,
    run,
    with_cases,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from minissd.errors import InputError
from minissd.nn import MaxPool2d, conv_im2col
from minissd.nn.conv_shape import output_side
from minissd.nn.fast import direct, stem, winograd
from minissd.nn.fast.choose import WINOGRAD, best
from minissd.nn.fast.layout import is_channels_last


@with_cases(*ALGORITHMS)
def test_every_algorithm_computes_the_same(name, case, rng):
    x, weight, bias, dy, geometry = arrays(case, rng)
    results = run(ALGORITHMS[name], x, weight, bias, dy, geometry)
    assert {result.dtype for result in results} == {np.dtype(np.float32)}
    assert_close(results, in_float64(x, weight, bias, dy, geometry))


@pytest.mark.parametrize("layout", [channels_last, every_other, read_only])
@with_cases(
    "winograd",
    "direct",
    cases=["odd-sizes", "ragged-channels", "dilation-2", "stride-2", "1x1", "no-images"],
)
def test_memory_order_does_not_matter(name, case, layout, rng):
    """Inputs in any order give the same bits, and stay as they were."""
    x, weight, bias, dy, geometry = arrays(case, rng)
    expected = run(ALGORITHMS[name], x, weight, bias, dy, geometry)
    given_arrays = [layout(x), every_other(weight), bias, layout(dy)]
    before = [a.copy() for a in given_arrays]
    results = run(ALGORITHMS[name], *given_arrays, geometry)
    for result, right in zip(results, expected):
        np.testing.assert_array_equal(result, right)
    for array, copy in zip(given_arrays, before):
        np.testing.assert_array_equal(array, copy)


@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.sampled_from([1, 3, 16, 17]),
    outputs=st.sampled_from([1, 16, 33]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_any_geometry(kernel, stride, padding, dilation, height, width, channels, outputs, seed):
    sides = [output_side(side, kernel, stride, padding, dilation) for side in (height, width)]
    if min(sides) < 1:
        return
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, channels, height, width)).astype(np.float32)
    weight = rng.standard_normal((outputs, channels, kernel, kernel)).astype(np.float32)
    bias, dy = rng.standard_normal(outputs), rng.standard_normal((2, outputs, *sides))
    given_arrays = x, weight, bias.astype(np.float32), dy.astype(np.float32), (stride, padding, dilation)
    expected = in_float64(*given_arrays)
    for name in ("direct", "winograd") if (kernel, stride) == (3, 1) else ("direct",):
        assert_close(run(ALGORITHMS[name], *given_arrays), expected)


def test_by_hand():
    """Ones everywhere: an inner place sees 9 inputs, an edge 6, a corner 4."""
    x, weight = np.ones((1, 1, 3, 3), np.float32), np.ones((1, 1, 3, 3), np.float32)
    for algorithm in (winograd, direct):
        y = algorithm.forward(x, weight, np.float32([0.5]), 1, 1, 1)
        np.testing.assert_allclose(y[0, 0], [[4.5, 6.5, 4.5], [6.5, 9.5, 6.5], [4.5, 6.5, 4.5]], rtol=1e-6)


@pytest.mark.parametrize("algorithm", [winograd, direct])
def test_it_is_a_cross_correlation_not_rotated(algorithm):
    x = np.zeros((1, 1, 3, 3), np.float32)
    x[0, 0, 1, 1] = 1
    weight = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    y = algorithm.forward(x, weight, None, 1, 1, 1)
    np.testing.assert_allclose(y[0, 0], weight[0, 0, ::-1, ::-1], atol=1e-5)


@pytest.mark.parametrize("name", ["winograd", "direct", "auto"])
@pytest.mark.parametrize("case", ["ragged-channels", "no-images"])
def test_bias_is_optional_and_relu_is_fused(name, case, rng):
    x, weight, bias, _, geometry = arrays(case, rng)
    algorithm = ALGORITHMS[name]
    plain = algorithm.forward(x, weight, None, *geometry)
    with_bias = algorithm.forward(x, weight, bias, *geometry)
    np.testing.assert_allclose(with_bias, plain + bias[:, None, None], atol=1e-5)
    clipped = algorithm.forward(x, weight, bias, *geometry, relu=True)
    np.testing.assert_array_equal(clipped, np.maximum(with_bias, 0))
    assert clipped.size == 0 or (clipped == 0).any()


@pytest.mark.parametrize("algorithm", [winograd, direct])
@pytest.mark.parametrize("case", ["ragged-channels", "many-places"])
def test_nan_spoils_only_what_sees_it(algorithm, case, rng):
    """Vectors that reach into the next place, and tiles that reach over the edge, must not carry it along."""
    x, weight, bias, dy, geometry = arrays(case, rng)
    x = channels_last(x)
    x[0, 0, 0, 0] = np.nan  # the first number in memory
    y = algorithm.forward(x, weight, bias, *geometry, relu=True)
    assert np.isnan(y[0, :, 0, 0]).all()
    assert not np.isnan(y[0, :, 6:]).any()
    assert not np.isnan(y[1:]).any()
    dy = channels_last(dy)
    dy[-1, -1, -1, -1] = np.inf  # the last one
    dx, _, dbias = algorithm.backward(dy, x, weight, *geometry)
    assert np.isfinite(dx[0]).all()
    assert np.isfinite(dbias[:-1]).all()


@pytest.mark.parametrize("algorithm", [winograd, direct])
def test_packed_weights_give_the_same_bits(algorithm, rng):
    x, weight, bias, _, geometry = arrays("ragged-channels", rng)
    packed = algorithm.pack(weight)
    np.testing.assert_array_equal(
        algorithm.forward(x, weight, bias, *geometry, packed=packed),
        algorithm.forward(x, weight, bias, *geometry),
    )


@pytest.mark.parametrize("algorithm", [winograd, direct])
def test_input_gradient_can_be_left_out(algorithm, rng):
    x, weight, _, dy, geometry = arrays("odd-sizes", rng)
    dx, dweight, dbias = algorithm.backward(dy, x, weight, *geometry, need_dx=False)
    assert dx is None
    _, *expected = algorithm.backward(dy, x, weight, *geometry)
    np.testing.assert_array_equal(dweight, expected[0])
    np.testing.assert_array_equal(dbias, expected[1])


@pytest.mark.parametrize("algorithm", [winograd, direct])
def test_results_have_the_channels_last(algorithm, rng):
    x, weight, bias, dy, geometry = arrays("odd-sizes", rng)
    y, dx, *_ = run(algorithm, x, weight, bias, dy, geometry)
    assert is_channels_last(y)
    assert is_channels_last(dx)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("pool", [(2,), (2, 2, 0, True), (3, 1, 1), (3, 2, 1, True), (2, 1)], ids=str)
@with_cases(
    "winograd",
    "direct",
    "auto",
    cases=[
        "odd-sizes",
        "ragged-channels",
        "many-weights",
        "many-places",
        "two-rows",
        "padding-2",
        "no-padding",
        "dilation-2",
        "no-images",
        "one-tile-and-a-row",
    ],
)
def test_pooling_behind_is_the_same_in_one_pass(name, case, pool, relu, rng):
    """Also where the last window reaches over the edge, or the last row belongs to no window."""
    x, weight, bias, _, geometry = arrays(case, rng)
    layer, algorithm = MaxPool2d(*pool).eval(), ALGORITHMS[name]
    together = algorithm.forward(x, weight, bias, *geometry, relu=relu, pool=layer)
    apart = layer.forward(algorithm.forward(x, weight, bias, *geometry, relu=relu))
    np.testing.assert_array_equal(together, apart)
    assert is_channels_last(together)


@pytest.mark.parametrize("name", ["winograd", "direct", "auto"])
@pytest.mark.parametrize("case", ["odd-sizes", "dilation-2"])
def test_float64_takes_the_readable_twin(name, case, rng):
    given_arrays = arrays(case, rng, np.float64)
    for result, right in zip(run(ALGORITHMS[name], *given_arrays), run(conv_im2col, *given_arrays)):
        np.testing.assert_array_equal(result, right)
    x, weight, bias, _, geometry = given_arrays
    clipped = ALGORITHMS[name].forward(x, weight, bias, *geometry, relu=True)
    np.testing.assert_array_equal(clipped, np.maximum(conv_im2col.forward(x, weight, bias, *geometry), 0))


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 2), (4, 1)])
def test_winograd_refuses_what_it_cannot_do(kernel, stride):
    x, weight = np.zeros((1, 2, 8, 8), np.float32), np.zeros((2, 2, kernel, kernel), np.float32)
    with pytest.raises(InputError, match=r"winograd.*choose 'direct' or 'auto'"):
        WINOGRAD.forward(x, weight, None, stride, 0, 1)


@pytest.mark.parametrize(
    ("expected", "x_shape", "outputs", "geometry"),
    [
        (stem, (8, 3, 256, 256), 16, (1, 1, 1)),
        (direct, (8, 3, 256, 256), 20, (1, 1, 1)),  # too few channels
        (winograd, (8, 16, 128, 128), 32, (1, 1, 1)),
        (winograd, (8, 96, 8, 8), 96, (1, 1, 1)),
        (winograd, (1, 512, 38, 38), 512, (1, 1, 1)),
        (winograd, (8, 512, 19, 19), 1024, (1, 6, 6)),
        (direct, (1, 128, 5, 5), 256, (1, 0, 1)),  # too small a map
        (direct, (8, 256, 19, 19), 512, (2, 1, 1)),
        (direct, (0, 64, 32, 32), 64, (1, 1, 1)),
    ],
)
def test_the_best_for_known_layers(expected, x_shape, outputs, geometry):
    assert best(x_shape, (outputs, x_shape[1], 3, 3), *geometry) is expected
