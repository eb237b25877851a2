"""Convolution: worked by hand, two algorithms, PyTorch's numbers, gradients, and bounded memory."""

import tracemalloc

import numpy as np
import pytest
from backends import on_every_backend
from hypothesis import given, settings
from hypothesis import strategies as st

from minissd import nn
from minissd.nn import Conv2d, check_layer, conv_im2col

SENT = on_every_backend("Conv2d")
BOTH = pytest.mark.parametrize("algorithm", ["loops", "im2col"])

# kernel, stride, padding, dilation, input shape, output channels
CASES = {
    "3x3": (3, 1, 1, 1, (2, 3, 7, 5), 4),
    "stride-2": (3, 2, 1, 1, (2, 3, 10, 13), 2),
    "no-padding": (3, 1, 0, 1, (1, 2, 5, 6), 3),
    "dilation-6": (3, 1, 6, 6, (1, 2, 7, 9), 2),
    "1x1": (1, 1, 0, 1, (2, 5, 3, 4), 3),
    "1x1-stride-2": (1, 2, 0, 1, (2, 3, 5, 4), 2),
    "1x1-padded": (1, 1, 1, 1, (1, 2, 3, 2), 2),
    "4x4-to-one-place": (4, 1, 1, 1, (2, 3, 2, 2), 5),
    "one-row": (3, 1, 1, 1, (1, 2, 1, 8), 2),
    "one-column": (3, 1, 1, 1, (1, 2, 8, 1), 2),
    "one-channel": (3, 1, 1, 1, (2, 1, 5, 5), 1),
    "rows-left-over": (2, 3, 0, 1, (1, 2, 9, 8), 2),
    "empty-batch": (3, 1, 1, 1, (0, 3, 6, 6), 2),
    "many-images": (3, 1, 1, 1, (9, 2, 3, 4), 2),
    "4x4-stride-3-dilation-2": (4, 3, 2, 2, (3, 2, 11, 8), 3),
}


@pytest.fixture(params=[None, 1, 1000], ids=["default-blocks", "one-row-blocks", "small-blocks"])
def block_bytes(request, monkeypatch):
    """Force a small bound on the columns, so that every case crosses block boundaries."""
    if request.param:
        monkeypatch.setattr(conv_im2col, "BLOCK_BYTES", request.param)


def run(algorithm, geometry, x, weight, bias, dy):
    kernel, *rest = geometry
    make = nn.Conv2d if algorithm == "loops" else Conv2d  # the loops are for the CPU alone
    conv = make(weight.shape[1], weight.shape[0], kernel, *rest, algorithm=algorithm)
    conv.params["weight"], conv.params["bias"] = weight, bias
    y = conv.forward(x)
    dx = conv.backward(dy(y.shape) if callable(dy) else dy)
    return y, dx, conv.grads["weight"], conv.grads["bias"]


@BOTH
def test_by_hand(algorithm):
    """2x2 kernel [[1, 2], [3, 4]] over 0...8: first place 1*0 + 2*1 + 3*3 + 4*4 = 27."""
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    weight = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    dy = np.array([[[[1.0, 0.0], [0.0, 10.0]]]])
    y, dx, dweight, dbias = run(algorithm, (2, 1, 0, 1), x, weight, np.array([0.5]), dy)
    np.testing.assert_array_equal(y[0, 0], [[27.5, 37.5], [57.5, 67.5]])
    np.testing.assert_array_equal(dweight[0, 0], [[0 + 40, 1 + 50], [3 + 70, 4 + 80]])
    np.testing.assert_array_equal(dx[0, 0], [[1, 2, 0], [3, 4 + 10, 20], [0, 30, 40]])
    np.testing.assert_array_equal(dbias, [11])


@BOTH
def test_it_is_a_cross_correlation_not_rotated(algorithm):
    """A single lit pixel paints the kernel rotated; a convolution of the textbooks would paint it upright."""
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 1
    weight = np.arange(9.0).reshape(1, 1, 3, 3)
    y = run(algorithm, (3, 1, 1, 1), x, weight, np.zeros(1), np.zeros)[0]
    np.testing.assert_array_equal(y[0, 0], weight[0, 0, ::-1, ::-1])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_loops_and_im2col_agree(case, dtype, block_bytes, rng):
    *geometry, shape, out_channels = CASES[case]
    x = rng.standard_normal(shape).astype(dtype)
    weight = rng.standard_normal((out_channels, shape[1], geometry[0], geometry[0])).astype(dtype)
    bias = rng.standard_normal(out_channels).astype(dtype)
    probe = run("loops", geometry, x, weight, bias, np.zeros)[0]
    dy = rng.standard_normal(probe.shape).astype(dtype)
    tolerance = 1e-12 if dtype == np.float64 else 1e-4
    for slow, fast in zip(
        run("loops", geometry, x, weight, bias, dy), run("im2col", geometry, x, weight, bias, dy)
    ):
        assert slow.dtype == fast.dtype == dtype
        assert slow.shape == fast.shape
        np.testing.assert_allclose(fast, slow, rtol=tolerance, atol=tolerance)


@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_loops_and_im2col_agree_on_any_geometry(kernel, stride, padding, dilation, height, width, seed):
    reach = dilation * (kernel - 1) + 1
    if min(height, width) + 2 * padding < reach:
        return
    rng = np.random.default_rng(seed)
    x, weight = rng.standard_normal((2, 2, height, width)), rng.standard_normal((2, 2, kernel, kernel))
    geometry = (kernel, stride, padding, dilation)
    y = run("loops", geometry, x, weight, np.zeros(2), np.zeros)[0]
    dy = rng.standard_normal(y.shape)
    for slow, fast in zip(
        run("loops", geometry, x, weight, np.ones(2), dy), run("im2col", geometry, x, weight, np.ones(2), dy)
    ):
        np.testing.assert_allclose(fast, slow, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_kernel_and_readable_copies_are_the_same(case, rng):
    """`im2col` in Numba and in slices; `col2im` is the transpose of both: <im2col(x), c> = <x, col2im(c)>."""
    kernel, stride, padding, dilation, shape, _ = CASES[case]
    x = rng.standard_normal(shape)
    height, width = (conv_im2col.output_side(side, kernel, stride, padding, dilation) for side in shape[2:])
    for rows in (slice(0, height), slice(height // 2, height), slice(0, 1)):
        geometry = (kernel, stride, padding, dilation)
        fast = conv_im2col.im2col(x, rows, width, *geometry)
        full = (shape[1], kernel, kernel, shape[0], rows.stop - rows.start, width)
        readable = conv_im2col.im2col_slices(x, full, rows.start, stride, padding, dilation)
        np.testing.assert_array_equal(fast, readable.reshape(fast.shape))
        columns = rng.standard_normal(fast.shape)
        dx_fast, dx_readable = np.zeros(shape), np.zeros(shape)
        conv_im2col.col2im(columns, dx_fast, rows, width, *geometry)
        conv_im2col.col2im_slices(columns.reshape(full), dx_readable, rows.start, stride, padding, dilation)
        np.testing.assert_allclose(dx_fast, dx_readable, atol=1e-12)
        np.testing.assert_allclose((fast * columns).sum(), (x * dx_fast).sum(), atol=1e-9)


def agrees_with(numbers, i, algorithm):
    geometry = numbers["conv_params"][i].tolist()
    x, weight, bias, dy = (numbers[f"conv{i}_{key}"] for key in ("x", "w", "b", "gy"))
    results = run(algorithm, geometry, x, weight, bias, dy)
    for key, result in zip(("y", "gx", "gw", "gb"), results):
        expected = numbers[f"conv{i}_{key}"]  # of y and gx the copy has the first image only
        assert expected.size
        np.testing.assert_allclose(result[: len(expected)], expected, rtol=1e-9, atol=1e-9, err_msg=key)


@SENT
@BOTH
@pytest.mark.parametrize("i", [0, 1, 3, 5, 6, 7])
def test_agrees_with_pytorch(algorithm, i, copied_numbers):
    agrees_with(copied_numbers, i, algorithm)


@BOTH
@pytest.mark.parametrize("i", range(9))
def test_agrees_with_all_of_pytorchs_cases(algorithm, i, shared_numbers):
    agrees_with(shared_numbers("layers"), i, algorithm)


@BOTH
@pytest.mark.parametrize("case", ["3x3", "stride-2", "dilation-6", "4x4-to-one-place", "1x1", "one-row"])
def test_gradients(algorithm, case, rng):
    kernel, stride, padding, dilation, shape, out_channels = CASES[case]
    conv = Conv2d(shape[1], out_channels, kernel, stride, padding, dilation, algorithm=algorithm, rng=rng)
    check_layer(conv, rng.standard_normal(shape), rng, samples=12)


def test_no_block_of_columns_is_larger_than_the_bound():
    """The largest layers of SSD512: conv1_2 on 512 x 512, fc6 with 512 x 9 inputs under a value."""
    for y_shape, column_length in (((2, 64, 512, 512), 64 * 9), ((8, 1024, 32, 32), 512 * 9)):
        num_images, _, height, width = y_shape
        seen = np.zeros((num_images, height), int)
        groups = conv_im2col.blocks(y_shape, column_length, 4)
        for images, rows in (block for group in groups for block in group):
            values = column_length * (images.stop - images.start) * (rows.stop - rows.start) * width
            single_row = rows.stop - rows.start == images.stop - images.start == 1
            assert single_row or values * 4 <= conv_im2col.BLOCK_BYTES
            seen[images, rows] += 1
        np.testing.assert_array_equal(seen, 1)
    assert conv_im2col.BLOCK_BYTES <= 64 << 20


def test_memory_is_bounded():
    """All columns of this layer would take 2 * 16 * 9 * 384 * 384 * 4 bytes = 170 MB."""
    conv = Conv2d(16, 8, 3, padding=1)
    x = np.ones((2, 16, 384, 384), np.float32)
    conv.backward(conv.forward(x[:, :, :8, :8]))  # compiles
    dy = np.ones((2, 8, 384, 384), np.float32)
    tracemalloc.start()
    try:
        for run, argument in ((conv.forward, x), (conv.backward, dy)):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            result = run(argument)
            extra = tracemalloc.get_traced_memory()[1] - before - result.nbytes
            assert extra < 40e6, run.__name__
    finally:
        tracemalloc.stop()


@SENT
def test_a_constant_under_a_kernel_that_adds_up_to_one_stays_away_from_the_border(rng):
    """Closed form: the sum of the kernel inside, and less of it where the kernel reaches into the padding."""
    conv = Conv2d(1, 1, 3, padding=1)
    conv.params["weight"] = np.full((1, 1, 3, 3), 1 / 9)
    y = conv.forward(np.ones((1, 1, 5, 6)))[0, 0]
    np.testing.assert_allclose(y[1:-1, 1:-1], 1)
    np.testing.assert_allclose(y[0, 1:-1], 6 / 9)
    np.testing.assert_allclose(y[0, 0], 4 / 9)


@SENT
def test_dilation_by_hand():
    """A dilated kernel sees every sixth place: fc6 of SSD, over a row of one lit pixel."""
    conv = Conv2d(1, 1, 3, padding=6, dilation=6)
    conv.params["weight"] = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    x = np.zeros((1, 1, 1, 13))
    x[..., 6] = 1
    expected = np.zeros(13)
    expected[[0, 6, 12]] = [6, 5, 4]  # only the middle row of the kernel is on the map
    np.testing.assert_array_equal(conv.forward(x)[0, 0, 0], expected)
