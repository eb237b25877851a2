"""Threads: work dealt out once and whole, the same numbers whatever the count, and no mutual disturbance."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minissd.nn import SGD, ConvBlock, MaxPool2d, Sequential, conv_im2col, threads


@given(count=st.integers(0, 50), cores=st.integers(1, 9))
def test_spans_and_shares_hold_everything_once(count, cores):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "num_threads", lambda: cores)
        spans, shares = threads.spans(count), threads.shares(list(range(count)))
    assert [i for span in spans for i in range(count)[span]] == list(range(count))
    assert sorted(i for share in shares for i in share) == list(range(count))
    assert len(spans) == len(shares) == max(1, min(cores, count))
    for sizes in ([len(range(count)[span]) for span in spans], [len(share) for share in shares]):
        assert max(sizes) - min(sizes) <= 1


def test_results_come_in_order():
    assert threads.in_threads(lambda n: n * n, [3, 1, 2]) == [9, 1, 4]
    assert threads.in_threads(lambda n: n * n, [3]) == [9]


def test_an_error_in_a_thread_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        threads.in_threads(lambda n: 1 // n, [1, 0])


def test_threads_follow_the_callers_errstate():
    """NumPy's errstate belongs to a thread; the caller's must hold in those that work for it."""
    with np.errstate(divide="ignore"):
        assert threads.in_threads(lambda n: np.array([1.0]) / n, [0, 0])[0] == np.inf
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        threads.in_threads(lambda n: np.array([1.0]) / n, [0, 0])


def blas_threads():
    return [library["num_threads"] for library in threads._blas().info()]


def test_the_limit_on_blas_holds_within_the_block_only():
    before = blas_threads()
    with threads.one_blas_thread():
        assert set(blas_threads()) <= {1}
    assert blas_threads() == before
    with pytest.raises(KeyError), threads.one_blas_thread():
        raise KeyError
    assert blas_threads() == before


def test_overlapping_limits_leave_blas_as_it_was():
    """First in, first out: were each to put back what it had found, BLAS would stay at one thread."""
    before = blas_threads()
    one, other = threads.one_blas_thread(), threads.one_blas_thread()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert set(blas_threads()) <= {1}, "the other still holds it"
    other.__exit__(None, None, None)
    assert blas_threads() == before


def net_and_batch(seed):
    rng = np.random.default_rng(seed)
    blocks = [
        ConvBlock(3, 8, 3, padding=1, batch_norm=True, rng=rng),
        MaxPool2d(2),
        ConvBlock(8, 4, 3, rng=rng),
    ]
    return Sequential(blocks), rng.standard_normal((5, 3, 24, 20)).astype(np.float32)


def train(seed, steps=6):
    net, x = net_and_batch(seed)
    optimizer = SGD(net, learning_rate=1e-3)
    for _ in range(steps):
        net.backward(net.forward(x))
        optimizer.step()
    return {name: array.copy() for name, array in (*net.params.items(), *net.buffers.items())}


def test_the_same_run_gives_the_same_to_the_bit():
    first, again = train(0), train(0)
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)


def test_two_models_in_two_python_threads_do_not_disturb_each_other():
    alone = [train(seed) for seed in (1, 2)]
    together, before = {}, blas_threads()
    start = threading.Barrier(2)

    def run(seed):
        start.wait()
        together[seed] = train(seed)

    workers = [threading.Thread(target=run, args=(seed,)) for seed in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert not any(worker.is_alive() for worker in workers)
    for seed, expected in zip((1, 2), alone):
        for name, array in expected.items():
            np.testing.assert_allclose(together[seed][name], array, rtol=1e-4, atol=1e-5, err_msg=name)
    assert blas_threads() == before


def test_the_number_of_threads_changes_nothing_but_rounding(tmp_path):
    code = (
        "import sys, numpy as np; from test_threads import train; from minissd.nn import threads; "
        "assert threads.num_threads() == int(sys.argv[1]); np.savez(sys.argv[2], **train(3))"
    )
    results = []
    for count in (1, 2):
        path = tmp_path / f"{count}.npz"
        environment = os.environ | {"NUMBA_NUM_THREADS": str(count), "PYTHONPATH": os.path.dirname(__file__)}
        command = [sys.executable, "-c", code, str(count), str(path)]
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        results.append(dict(np.load(path)))
    one, two = results
    for name, array in one.items():
        np.testing.assert_allclose(two[name], array, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("cores", [1, 2, 3, 8])
def test_blocks_cover_the_output_once_for_any_number_of_threads(cores, monkeypatch):
    for module in (threads, conv_im2col):
        monkeypatch.setattr(module, "num_threads", lambda: cores)
    for block_bytes in (1, 300, 5000, 10**6):
        monkeypatch.setattr(conv_im2col, "BLOCK_BYTES", block_bytes)
        seen = np.zeros((7, 9), int)
        for group in conv_im2col.blocks((7, 4, 9, 5), 18, 8):
            assert len({(images.start, images.stop) for images, _ in group}) == 1
            for images, rows in group:
                seen[images, rows] += 1
        np.testing.assert_array_equal(seen, 1)
