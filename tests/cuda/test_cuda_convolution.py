"""Convolution on a GPU, or on the stand-in for one, against the readable one in float64."""

import numpy as np
import pytest
from backends import on_every_gpu
from nn_fast.convolution_cases import CASES, TOLERANCE, applies, arrays, assert_close, in_float64

from minissd.backend import get_array_module, tf32, to_cpu
from minissd.errors import InputError
from minissd.nn import Conv2d, MaxPool2d, conv_im2col, convolution
from minissd.nn.cuda import im2col, winograd, winograd_readable
from minissd.nn.cuda.choose import ALGORITHMS
from minissd.nn.cuda.winograd import Tiles, tiles_of
from minissd.nn.fast.choose import PackedWeights

SLOW = {case for case in CASES if "many-weights" in case}  # which is nothing special on a GPU
PAIRS = [(name, case) for name in ("winograd", "direct") for case in CASES if applies(name, case)]
PAIRS = [(name, case) for name, case in PAIRS if case not in SLOW]
SIDES = pytest.mark.parametrize("side", [4, 6])  # of Winograd's tiles
LESS_EXACT = {4: TOLERANCE, 6: 4 * TOLERANCE}
WINOGRAD_CASES = [case for name, case in PAIRS if name == "winograd" and CASES[case][0][0]]
SMALL = "odd-sizes"


def use_tiles(monkeypatch, *sides):
    for name in ("SIDES", "EXACT_SIDES"):
        monkeypatch.setattr(winograd, name, sides)


def results(algorithm, sent, geometry, **options):
    x, weight, bias, dy = sent
    y = algorithm.forward(x, weight, bias, *geometry, **options)
    return [to_cpu(result) for result in (y, *algorithm.backward(dy, x, weight, *geometry))]


def sent(backend, *values):
    return [backend.send(value) for value in values]


@on_every_gpu
@pytest.mark.parametrize(("name", "case"), PAIRS)
def test_agrees_with_the_readable_one(backend, name, case, rng):
    *numbers, geometry = arrays(case, rng)
    found = results(ALGORITHMS[name], sent(backend, *numbers), geometry)
    assert all(result.dtype == np.float32 for result in found)
    assert_close(found, in_float64(*numbers, geometry))


@on_every_gpu
@pytest.mark.parametrize("case", ["one-place", "odd-sizes", "no-padding", "dilation-2", "many-places"])
def test_tiles_of_six(backend, case, rng, monkeypatch):
    use_tiles(monkeypatch, 6)
    *numbers, geometry = arrays(case, rng)
    found = results(ALGORITHMS["winograd"], sent(backend, *numbers), geometry)
    assert_close(found, in_float64(*numbers, geometry), LESS_EXACT[6])


@on_every_gpu
@pytest.mark.parametrize("case", ["odd-sizes", "dilation-2", "stride-2", "1x1", "many-places"])
def test_many_small_pieces(backend, case, rng, monkeypatch):
    """Tiles and columns are made piece by piece; the gradients of all pieces add up."""
    monkeypatch.setattr(winograd, "WORKSPACE_BYTES", 1)
    monkeypatch.setattr(im2col, "COLUMN_BYTES", 1)
    *numbers, geometry = arrays(case, rng)
    found = results(ALGORITHMS["auto"], sent(backend, *numbers), geometry)
    assert_close(found, in_float64(*numbers, geometry))


@on_every_gpu
@pytest.mark.parametrize("limit", [1, 10**9])
def test_one_product_for_all_images_or_one_each(backend, limit, rng, monkeypatch):
    monkeypatch.setattr(im2col, "PLACES_OF_A_PRODUCT", limit)
    for case in ("stride-2", "1x1"):
        *numbers, geometry = arrays(case, rng)
        found = results(ALGORITHMS["direct"], sent(backend, *numbers), geometry)
        assert_close(found, in_float64(*numbers, geometry))


@on_every_gpu
def test_backward_leaves_out_what_nobody_needs(backend, rng):
    *numbers, geometry = arrays(SMALL, rng)
    x, weight, _, dy = sent(backend, *numbers)
    for name in ("winograd", "direct"):
        dx, _, dbias = ALGORITHMS[name].backward(dy, x, weight, *geometry, need_dx=False, need_dbias=False)
        assert dx is None and dbias is None


@on_every_gpu
@pytest.mark.parametrize("name", ["winograd", "direct"])
@pytest.mark.parametrize("case", ["odd-sizes", "one-channel", "one-place"])
@pytest.mark.parametrize("ceil_mode", [False, True])
@SIDES
def test_scale_relu_and_pool_in_one_pass(backend, name, case, ceil_mode, side, rng, monkeypatch):
    use_tiles(monkeypatch, side)
    x, weight, bias, _, geometry = arrays(case, rng)
    scale = rng.standard_normal(len(weight)).astype(np.float32)
    pool = MaxPool2d(2, ceil_mode=ceil_mode or case == "one-place")
    expected = conv_im2col.forward(x.astype(float), weight * scale[:, None, None, None], bias, *geometry)
    options = {"relu": True, "scale": backend.send(scale), "pool": pool, "packed": PackedWeights()}
    for _ in range(2):  # the second time with weights that are packed already
        y = ALGORITHMS[name].forward(*sent(backend, x, weight, bias), *geometry, **options)
        assert_close([to_cpu(y)], [pool.forward(np.maximum(expected, 0))], LESS_EXACT[side])


@on_every_gpu
@SIDES
def test_packed_weights_follow_the_weights(backend, side, rng, monkeypatch):
    """A weight that is written into is seen, and so are another array in its place and other tiles."""
    x, weight, bias, _, geometry = arrays(SMALL, rng)
    x, weight, bias = sent(backend, x, weight, bias)
    use_tiles(monkeypatch, 4)
    packed, algorithm = PackedWeights(), ALGORITHMS["winograd"]

    def both():
        return [to_cpu(algorithm.forward(x, weight, bias, *geometry, packed=p)) for p in (packed, None)]

    first = both()[0]
    weight[3, 2, 1, 0] += 1
    kept, fresh = both()
    np.testing.assert_array_equal(kept, fresh)
    assert np.abs(kept - first).max() > 0.1
    weight = weight[:8] * 2
    bias = bias[:8]
    np.testing.assert_array_equal(*both())
    use_tiles(monkeypatch, side)
    np.testing.assert_array_equal(*both())


@on_every_gpu
def test_any_order_of_memory(backend, rng):
    *numbers, geometry = arrays(SMALL, rng)
    x, weight, bias, dy = sent(backend, *numbers)
    x, dy = (get_array_module(a).ascontiguousarray(a.transpose(0, 2, 3, 1)) for a in (x, dy))
    last = x.transpose(0, 3, 1, 2), weight, bias, dy.transpose(0, 3, 1, 2)  # the channels last in memory
    for name in ("winograd", "direct"):
        found = results(ALGORITHMS[name], last, geometry)
        assert_close(found, in_float64(*numbers, geometry))


@on_every_gpu
@pytest.mark.parametrize("name", ["winograd", "direct"])
@pytest.mark.parametrize("case", [SMALL, "one-channel"])
def test_nan_goes_through_a_relu(backend, name, case, rng):
    x, weight, bias, _, geometry = arrays(case, rng)
    x[0, 0, 1, 1] = np.nan
    y = to_cpu(ALGORITHMS[name].forward(*sent(backend, x, weight, bias), *geometry, relu=True))
    assert np.isnan(y[0, 0, 1, 1]) and not np.isnan(y[1:]).any()


@on_every_gpu
def test_tf32_is_less_exact(backend, rng):
    *numbers, geometry = arrays("many-channels-few-places", rng)
    expected, device = in_float64(*numbers, geometry), sent(backend, *numbers)
    for name in ("winograd", "direct"):
        with tf32():
            rounded = results(ALGORITHMS[name], device, geometry)
        assert_close(rounded, expected, 6e-3)
        with pytest.raises(AssertionError):
            assert_close(rounded, expected)


@on_every_gpu
@pytest.mark.large
@pytest.mark.parametrize("inputs", [1, 8], ids=["direct", "winograd"])
def test_places_beyond_32_bits(backend, inputs, rng):
    """The last corner of maps with more than 2^31 numbers; what is around it is 0, like a border."""
    side = 1 + int((2**31 / inputs) ** 0.5)
    x, dy = rng.standard_normal((2, 1, inputs, 12, 12)).astype(np.float32)
    weight = rng.standard_normal((inputs, inputs, 3, 3)).astype(np.float32)
    bias, geometry = np.zeros(inputs, np.float32), (1, 1, 1)
    there = []
    for corner in (x, dy):
        corner = backend.send(corner)
        there.append(get_array_module(corner).zeros((1, inputs, side, side), np.float32))
        there[-1][..., -12:, -12:] = corner
    weight_there, bias_there = sent(backend, weight, bias)
    algorithm, expected = ALGORITHMS["auto"], in_float64(x, weight, bias, dy, geometry)
    y = algorithm.forward(there[0], weight_there, bias_there, *geometry)
    assert_close([to_cpu(y[..., -12:, -12:])], expected)
    if inputs > 1:  # the columns of a map of this size would fill the GPU
        dx, dweight, dbias = algorithm.backward(there[1], there[0], weight_there, *geometry)
        assert_close([expected[0], to_cpu(dx[..., -12:, -12:]), to_cpu(dweight), to_cpu(dbias)], expected)


def test_nobody_waits(pretend_cuda, rng):
    """Forward and backward, training and inference, give the GPU work and do not wait for it."""
    for case in (SMALL, "stride-2", "1x1", "one-channel"):
        x, _, _, dy, geometry = arrays(case, rng)
        _, outputs, kernel, *_ = CASES[case]
        conv = Conv2d(x.shape[1], outputs, kernel, *geometry, relu=True).to("cuda")
        x, dy = pretend_cuda.cupy.asarray(x), pretend_cuda.cupy.asarray(dy)
        pretend_cuda.reset()
        conv.forward(x)
        conv.backward(dy)
        conv.eval().infer(x, relu=True)
        assert pretend_cuda.reasons == [] and pretend_cuda.uploads == []


@on_every_gpu
def test_winograd_refuses_what_it_cannot_do(backend, rng):
    x, weight, bias, _, geometry = arrays("stride-2", rng)
    with pytest.raises(InputError, match="'winograd': kernel 3, stride 2"):
        ALGORITHMS["winograd"].forward(*sent(backend, x, weight, bias), *geometry)


def test_inference_copies_no_bias(monkeypatch):
    """On a GPU every copy is a kernel to start, however small."""
    seen = []

    class Algorithm:
        fuses = True

        def forward(self, x, weight, bias, *geometry, **options):
            seen.append(bias)

    monkeypatch.setitem(convolution.ALGORITHMS, "new", Algorithm())
    layer = Conv2d(1, 1, 1, algorithm="new")
    layer.infer(np.zeros((1, 1, 2, 2), np.float32))
    assert seen[0] is layer.params["bias"]


# Winograd's steps, one by one -----------------------------------------------------------------------------


@pytest.mark.parametrize("case", WINOGRAD_CASES)
@SIDES
def test_the_readable_winograd_convolves(case, side, rng, monkeypatch):
    use_tiles(monkeypatch, side)
    x, weight, bias, dy, (_, *geometry) = arrays(case, rng, np.float64)
    y = winograd_readable.forward(x, weight, bias, *geometry, tiles_of)
    gradients = winograd_readable.backward(dy, x, weight, *geometry, tiles_of)
    assert_close([y, *gradients], in_float64(x, weight, bias, dy, (1, *geometry)), 1e-12)


@on_every_gpu
@pytest.mark.parametrize("case", ["odd-sizes", "dilation-2", "dilation-6", "padding-2", "one-row"])
@SIDES
def test_each_kernel_does_what_its_twin_does(backend, case, side, rng, monkeypatch):
    use_tiles(monkeypatch, side)
    x, weight, _, dy, (_, padding, dilation) = arrays(case, rng)
    tiles = tiles_of(dy.shape, dilation)
    parts, pitch = 2, 32
    assert tiles.count <= parts * pitch
    x_there, dy_there, weight_there = sent(backend, x, dy, weight)
    empty = get_array_module(x_there).empty
    v, d = (empty((parts, tiles.points, a.shape[1], pitch), np.float32) for a in (x, dy))
    winograd._transform_input(x_there, v, padding, tiles, 0)
    winograd._transform_gradient(dy_there, d, tiles, 0)
    twins = (
        winograd_readable.transform_input(x, padding, tiles),
        winograd_readable.transform_gradient(dy, tiles),
    )
    for found, twin in zip((v, d), twins):
        found = np.concatenate(to_cpu(found), axis=2)  # (points, channels, parts * pitch)
        np.testing.assert_allclose(found[..., : tiles.count], twin, rtol=1e-4, atol=1e-4)
        assert (found[..., tiles.count :] == 0).all()
    for rotated in (False, True):
        u = winograd.transform_weight(weight_there, side, rotated=rotated)
        twin = winograd_readable.transform_weight(weight, side, rotated)
        np.testing.assert_allclose(to_cpu(u), twin, rtol=1e-5, atol=1e-6)


@SIDES
def test_tiles_cover_every_output_once(side, monkeypatch):
    use_tiles(monkeypatch, side)
    for dilation in (1, 2, 3, 6):
        for length in (1, 4, 5, 19, 38):
            tiles = tiles_of((1, 1, length, length), dilation)
            starts = winograd_readable.origins(tiles.per_row, dilation, side)
            covered = (starts[:, None] + dilation * np.arange(side)).reshape(-1)
            np.testing.assert_array_equal(np.sort(covered[covered < length]), np.arange(length))


@pytest.mark.parametrize(("side", "channels"), [(300, 128), (150, 192), (150, 256), (75, 384), (19, 1536)])
def test_the_last_piece_is_as_full_as_the_others(side, channels):
    """Products are of whole pieces: in an empty one they would be in vain."""
    tiles = tiles_of((32, 64, side, side), 1)
    length = winograd._chunk(tiles, channels)
    pieces = -(-tiles.count // length)
    assert 0 <= pieces * length - tiles.count <= pieces * winograd.PITCH


def test_larger_tiles_only_where_they_do_no_harm():
    """They are less exact: in training that switches ReLUs, and TF32 is inexact already."""
    y_shape = 1, 64, 12, 12
    assert tiles_of(y_shape, 1).side == 6
    assert tiles_of(y_shape, 1, exact=True).side == 4
    with tf32():
        assert tiles_of(y_shape, 1).side == 4


def test_rows_of_memory_are_whole_lines():
    many = Tiles(10**9, 1, 1, 1, 4)
    assert winograd._chunk(Tiles(1, 3, 3, 1, 4), 64) == 32
    assert winograd._chunk(many, 128) * 36 * 128 * 4 <= winograd.WORKSPACE_BYTES
    assert winograd._chunk(many, 128) % 32 == 0


def test_the_largest_number_of_the_transforms():
    """Large numbers cost digits: with the points 0, +-1, +-2 there would be an 8 for tiles of 4x4."""
    largest = [max(np.abs(m).max() for m in winograd_readable.matrices(side)) for side in (4, 6)]
    assert largest == [pytest.approx(2**1.5), 32]
