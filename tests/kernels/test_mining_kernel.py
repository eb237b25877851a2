"""Mining without sorting, against the stable sort that defines it: the very same negatives in every case."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minissd import mining
from minissd.kernels import mining as kernel

AWKWARD = [-np.inf, -3.0, -1.5, -1e-42, -0.0, 0.0, 1e-42, 1.0, 1.0000001, 2.5, 3e38, np.inf, np.nan]
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def check(values, candidates, counts):
    before = values.copy(), candidates.copy()
    marked = kernel.largest(values, candidates, counts)
    assert marked.dtype == bool
    np.testing.assert_array_equal(marked, mining.largest(values, candidates, counts))
    np.testing.assert_array_equal(marked.sum(axis=1), counts)
    assert not (marked & ~candidates).any()
    np.testing.assert_array_equal(values, before[0])
    np.testing.assert_array_equal(candidates, before[1])


@every_dtype
@given(data=st.data(), rows=st.integers(0, 3), columns=st.integers(1, 40))
def test_ties_signed_zeros_infinities_and_nan(dtype, data, rows, columns):
    """-0 and 0 are equal, so the lower prior is taken; NaN is harder than nothing."""
    seed = data.draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    values = rng.choice(np.array(AWKWARD), (rows, columns)).astype(dtype)
    candidates = rng.random((rows, columns)) < rng.random()
    check(values, candidates, [data.draw(st.integers(0, int(row.sum()))) for row in candidates])


@every_dtype
@pytest.mark.parametrize("columns", [1, 15, 16, 17, 300, 8732])
def test_losses_of_all_sizes(dtype, columns, rng):
    values = (rng.exponential(size=(5, columns)) * 10.0 ** rng.integers(-30, 30, (5, columns))).astype(dtype)
    candidates = rng.random((5, columns)) < 0.9
    for share in (0, 0.01, 0.5, 1):
        check(values, candidates, [int(share * row.sum()) for row in candidates])


@every_dtype
def test_losses_that_are_all_equal(dtype):
    """At the very first step nearly every prior has the loss ln C."""
    values = np.full((2, 1000), np.log(21), dtype)
    check(values, np.ones((2, 1000), bool), [1, 999])


def test_neighbours_in_float32_are_told_apart(rng):
    start = np.float32(1.5).view(np.int32)
    values = (start + rng.permutation(500)).astype(np.int32).view(np.float32)[None]
    check(values, np.ones((1, 500), bool), [3])
    check(-values, np.ones((1, 500), bool), [3])


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_any_number_of_threads(threads, rng, monkeypatch, use_threads):
    use_threads(threads)
    monkeypatch.setattr(kernel, "FEW_VALUES", 0)
    values = rng.exponential(size=(7, 333)).astype(np.float32)
    check(values, rng.random(values.shape) < 0.8, list(range(0, 70, 10)))


def test_arrays_in_any_memory_order_and_read_only(rng):
    values = np.asfortranarray(rng.exponential(size=(4, 60)).astype(np.float32))
    candidates = (rng.random((8, 120)) < 0.8)[::2, ::2]
    values.flags.writeable = False
    check(values, candidates, [1, 2, 3, 4])


@every_dtype
@pytest.mark.parametrize(
    "options", [{}, {"neg_pos_ratio": 2.5}, {"min_negatives": 7}, {"neg_pos_ratio": 1000}]
)
def test_hard_negatives_uses_it_and_gives_what_sorting_gives(dtype, options, rng, monkeypatch):
    conf_loss = rng.exponential(size=(6, 400)).astype(dtype).round(1)  # with many equal losses
    positive = rng.random((6, 400)) < np.array([0, 0.002, 0.02, 0.2, 0.9, 1])[:, None]
    calls = []
    largest = kernel.largest
    monkeypatch.setattr(kernel, "largest", lambda *given: calls.append(given) or largest(*given))
    fast = mining.hard_negatives(conf_loss, positive, **options)
    assert len(calls) == 1
    monkeypatch.setattr(kernel, "fits", lambda values: False)
    np.testing.assert_array_equal(fast, mining.hard_negatives(conf_loss, positive, **options))
    assert len(calls) == 1


def test_whole_numbers_and_half_precision_are_sorted(rng):
    positive = rng.random((2, 50)) < 0.1
    for dtype in (np.float16, np.int64):
        conf_loss = rng.integers(0, 9, (2, 50)).astype(dtype)
        assert not kernel.fits(conf_loss)
        expected = mining.hard_negatives(conf_loss.astype(np.float32), positive)
        np.testing.assert_array_equal(mining.hard_negatives(conf_loss, positive), expected)
