"""Layout, workspaces and sharing out."""

import gc
import threading
import weakref

import numpy as np
import pytest

from minissd.nn.fast import sharing, sums, winograd
from minissd.nn.fast.layout import empty_channels_last, is_channels_last, nhwc
from minissd.nn.fast.sharing import split_work
from minissd.nn.fast.workspace import Workspace, aligned_zeros, workspace


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 40, 33, 35), (3, 1, 1, 1), (0, 4, 5, 5), (2, 17, 1, 40)])
def test_channels_last_of_any_memory_order(shape, rng):
    x = rng.standard_normal(shape).astype(np.float32)
    expected = x.transpose(0, 2, 3, 1)
    backwards = np.ascontiguousarray(x[..., ::-1])[..., ::-1]
    swapped = np.ascontiguousarray(x.transpose(3, 1, 0, 2)).transpose(2, 1, 3, 0)
    for same in (x, np.asfortranarray(x), backwards, swapped, x.astype(np.float64)):
        y = nhwc(same)
        assert y.flags.c_contiguous
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, expected)


def test_channels_last_copies_only_where_it_must():
    x = empty_channels_last((2, 3, 4, 5))
    assert is_channels_last(x)
    assert np.shares_memory(nhwc(x), x)
    assert not is_channels_last(np.zeros((2, 3, 4, 5)))


@pytest.mark.parametrize("size", [1, 15, 1000])
def test_buffers_begin_on_a_cache_line(size):
    for _ in range(5):
        zeros = aligned_zeros(size)
        assert zeros.ctypes.data % 64 == 0
        assert zeros.shape == (size,)
        assert not zeros.any()


def test_a_workspace_is_reused_bounded_and_released():
    buffers = Workspace()
    first = buffers.buffer("a", 0, 100)
    assert buffers.buffer("a", 0, 60) is first
    assert buffers.buffer("a", 1, 100) is not first
    assert buffers.buffer("a", 0, 200).size == 200
    assert buffers.nbytes == 4 * (200 + 100)
    buffers.release()
    assert buffers.nbytes == 0


def test_each_thread_has_a_workspace_that_ends_with_it():
    found = []
    other = threading.Thread(target=lambda: found.append(weakref.ref(workspace())))
    other.start()
    other.join()
    del other
    gc.collect()
    assert found[0]() is None
    assert workspace() is workspace()


def test_buffers_do_not_grow_from_call_to_call(rng):
    workspace().release()
    x, weight = rng.standard_normal((2, 16, 20, 20)), rng.standard_normal((32, 16, 3, 3))
    arrays = x.astype(np.float32), weight.astype(np.float32)
    sizes = []
    for _ in range(3):
        winograd.backward(winograd.forward(*arrays, None, 1, 1, 1), *arrays, 1, 1, 1)
        sizes.append(workspace().nbytes)
    assert sizes[0] == sizes[1] == sizes[2] > 0


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize(
    ("count", "chunks", "depth"), [(1, 1, 9), (100, 1, 36), (3, 64, 9000), (9000, 4, 600)]
)
def test_all_work_is_dealt_out_once(count, chunks, depth, threads, monkeypatch):
    monkeypatch.setattr(sharing, "num_threads", lambda: threads)
    monkeypatch.setattr("minissd.nn.threads.num_threads", lambda: threads)
    done = np.zeros((count, chunks), int)
    work = split_work(count, chunks, depth)
    for pieces, span in work:
        done[pieces, span] += 1
    assert (done == 1).all()
    assert len(work) <= threads
    assert sharing.splits_chunks(work) == (len(work) > 1 and work[0][0] == slice(0, count))


def test_sums_of_many_numbers_keep_their_digits(rng):
    """A million numbers around 1: one float32 counter would lose the last four digits."""
    dy = (1 + rng.random((1, 600, 600, 3))).astype(np.float32)
    expected = dy.sum(axis=(0, 1, 2), dtype=np.float64)
    np.testing.assert_allclose(sums.channel_sums(dy), expected, rtol=1e-6)
