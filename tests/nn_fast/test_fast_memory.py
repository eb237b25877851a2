"""Layout: channels last, read from any order of memory, and large maps written past the caches."""

import numpy as np
import pytest
from convolution_cases import ALGORITHMS, arrays, run

from minissd.nn.fast import layout, pool, sums
from minissd.nn.fast.layout import empty_channels_last, is_channels_last, nhwc
from minissd.nn.fast.workspace import Workspace


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 40, 33, 35), (3, 1, 1, 1), (0, 4, 5, 5), (2, 17, 1, 40)])
def test_channels_last_of_any_memory_order(shape, rng):
    x = rng.standard_normal(shape).astype(np.float32)
    expected = x.transpose(0, 2, 3, 1)
    backwards = np.ascontiguousarray(x[..., ::-1])[..., ::-1]
    swapped = np.ascontiguousarray(x.transpose(3, 1, 0, 2)).transpose(2, 1, 3, 0)
    read_only = np.asfortranarray(x)
    read_only.flags.writeable = False
    for same in (x, np.asfortranarray(x), backwards, swapped, read_only, x.astype(np.float64)):
        before = same.copy()
        y = nhwc(same)
        assert y.flags.c_contiguous
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, expected)
        np.testing.assert_array_equal(same, before)


def test_channels_last_copies_only_where_it_must():
    x = empty_channels_last((2, 3, 4, 5))
    assert is_channels_last(x)
    assert np.shares_memory(nhwc(x), x)
    assert not is_channels_last(np.zeros((2, 3, 4, 5)))


def test_a_map_of_small_whole_numbers_has_the_channels_last_too():
    winner = empty_channels_last((2, 3, 4, 5), np.uint8)
    assert winner.dtype == np.uint8
    assert is_channels_last(winner)


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(layout, "MANY_NUMBERS", 0)


def test_only_large_maps_of_whole_vectors_on_a_cache_line_are_streamed(everything_is_large):
    with Workspace():
        assert layout.is_streamed(nhwc(empty_channels_last((1, 32, 3, 3))))
        assert not layout.is_streamed(nhwc(empty_channels_last((1, 33, 3, 3))))
        numbers = empty_channels_last((1, 1, 1, 65)).reshape(-1)
        assert not layout.is_streamed(numbers[1:].reshape(1, 2, 2, 16))


@pytest.mark.parametrize("name", ["winograd", "direct"])
@pytest.mark.parametrize("case", ["odd-sizes", "dilation-16-channels"])
def test_streaming_changes_no_bit_of_a_convolution(name, case, rng, everything_is_large, monkeypatch):
    given_arrays = arrays(case, rng)
    with Workspace():
        streamed = run(ALGORITHMS[name], *given_arrays)
        monkeypatch.undo()
        for result, right in zip(streamed, run(ALGORITHMS[name], *given_arrays)):
            np.testing.assert_array_equal(result, right)


@pytest.mark.parametrize("sides", [(8, 6), (7, 5)])
def test_streaming_changes_no_bit_of_pooling_and_relu(sides, rng, everything_is_large, monkeypatch):
    x = rng.integers(-3, 4, (2, 32, *sides)).astype(np.float32)

    def all_results():
        y, winner = pool.pool(x, (2, 32, sides[0] // 2, sides[1] // 2), 2, 2, 0)
        return y, winner, pool.unpool(y, winner, x.shape, 2, 2, 0), *sums.relu_gradient(x, x - 1)

    with Workspace():
        streamed = all_results()
        monkeypatch.undo()
        for result, right in zip(streamed, all_results()):
            np.testing.assert_array_equal(result, right)
