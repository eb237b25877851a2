"""The number of threads and what else they do: no difference but rounding, and none at all for outputs.

Every output place is summed up in the same order whoever does it, so outputs, gradients of inputs, biases and
batch statistics have the same bits with any number of threads. Only the gradients of weights are sums of one
part per thread, which are rounded differently.
"""

import hashlib
import threading

import numpy as np
import pytest
from convolution_cases import ALGORITHMS, arrays, assert_close, in_float64, run, with_cases
from team_tools import run_script

from minissd.nn import BatchNorm2d, Conv2d, ConvBlock, MaxPool2d, Sequential
from minissd.nn.fast import batchnorm, direct, pool, sums, winograd
from minissd.nn.fast.checksum import checksum

CASES = [
    "many-places",
    "many-weights",
    "no-padding",
    "ragged-channels",
    "dilation-6",
    "stride-2-many-channels",
    "stride-2-many-weights",
    "1x1-many-weights",
    "no-images",
]


@pytest.mark.parametrize("count", [2, 3, 5])
@with_cases("winograd", "direct", cases=CASES)
def test_convolution_with_any_number_of_threads(name, case, count, rng, use_threads):
    given_arrays = arrays(case, rng)
    use_threads(1)
    y, dx, _, dbias = run(ALGORITHMS[name], *given_arrays)
    use_threads(count)
    results = run(ALGORITHMS[name], *given_arrays)
    np.testing.assert_array_equal(results[0], y)
    np.testing.assert_array_equal(results[1], dx)
    np.testing.assert_array_equal(results[3], dbias)
    assert_close(results, in_float64(*given_arrays))


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("shape", [(3, 17, 37, 41), (1, 64, 1, 1), (1, 3, 90, 91)], ids=str)
def test_everything_else_with_any_number_of_threads(shape, count, rng, use_threads):
    x, dy = rng.standard_normal((2, *shape)).astype(np.float32)
    scale, factor, shift = rng.standard_normal((3, shape[1]))
    y_shape = (*shape[:2], *(-(-side // 2) for side in shape[2:]))

    def all_results():
        mean, variance = batchnorm.moments(x)
        y, winner = pool.pool(x, y_shape, 2, 2, 0)
        overlapping, places = pool.pool(x, shape, 3, 1, 1)
        return [
            mean,
            variance,
            *batchnorm.gradient_sums(dy, x, mean, (scale, shift)),
            batchnorm.scale_shift(x, scale, shift, relu=True),
            batchnorm.combine(dy, x, scale, factor, shift, (scale, shift)),
            y,
            winner,
            pool.unpool(y, winner, shape, 2, 2, 0),
            overlapping,
            pool.unpool(dy, places, shape, 3, 1, 1),
            *sums.relu_gradient(dy, x),
            sums.channel_sums(np.ascontiguousarray(dy.transpose(0, 2, 3, 1))),
            np.frombuffer(checksum(dy), np.uint8),
        ]

    use_threads(1)
    alone = all_results()
    use_threads(count)
    for number, (result, right) in enumerate(zip(all_results(), alone)):
        np.testing.assert_array_equal(result, right, err_msg=f"result {number}")


def network():
    rng = np.random.default_rng(0)
    options = {"padding": 1, "batch_norm": True, "rng": rng}
    first, second = ConvBlock(16, 32, 3, **options), ConvBlock(32, 24, 3, stride=2, **options)
    return Sequential([first, MaxPool2d(2), second, Conv2d(24, 7, 3, rng=rng, relu=True)])


def train_a_network():
    """Output, gradients and statistics of one step, by name."""
    rng, net = np.random.default_rng(1), network()
    x = rng.standard_normal((2, 16, 40, 38)).astype(np.float32)
    y = net.forward(x)
    dx = net.backward(rng.standard_normal(y.shape).astype(np.float32))
    return {"y": y, "dx": dx, **net.grads, **net.buffers, "eval": net.eval().forward(x)}


def test_a_process_with_another_number_of_threads(tmp_path):
    """NUMBA_NUM_THREADS sets it; the team has as many, and the bits are the same as above."""
    code = (
        "import sys, numpy as np; from test_fast_threads import train_a_network; "
        "from minissd.nn.fast.team import team; assert team().size == int(sys.argv[1]); "
        "np.savez(sys.argv[2], **train_a_network())"
    )
    results = []
    for count in (1, 2):
        run_script(code, count, tmp_path / f"{count}.npz", threads=count)
        results.append(dict(np.load(tmp_path / f"{count}.npz")))
    one, two = results
    assert one.keys() == two.keys()
    assert len(one) > 12
    for name, array in one.items():
        if array.ndim == 4 and name not in ("y", "dx", "eval"):  # the gradient of a weight
            assert_close([two[name]], [array], tolerance=1e-5)
        else:
            np.testing.assert_array_equal(two[name], array, err_msg=name)


@pytest.mark.parametrize("algorithm", [winograd, direct])
@pytest.mark.parametrize("case", ["many-places", "many-weights"])
def test_the_same_bits_every_time(algorithm, case, rng):
    """With a fixed number of threads, gradients of weights too."""
    given_arrays = arrays(case, rng)
    first = run(algorithm, *given_arrays)
    for _ in range(3):
        for again, once in zip(run(algorithm, *given_arrays), first):
            np.testing.assert_array_equal(again, once)


def test_a_network_gives_the_same_bits_every_time():
    digests = set()
    for _ in range(5):
        results = train_a_network()
        digests.add(hashlib.sha256(b"".join(results[name].tobytes() for name in results)).digest())
    assert len(digests) == 1


@pytest.mark.parametrize("algorithm", [winograd, direct])
def test_callers_in_several_threads_do_not_meet(algorithm, rng):
    """Different layers in different threads, again and again, with the buffers that belong to each."""
    cases = ["many-places", "many-weights", "ragged-channels"]
    inputs = [arrays(case, rng) for case in cases]
    alone = [run(algorithm, *given_arrays) for given_arrays in inputs]
    wrong = []

    def work(number):
        for _ in range(4):
            for result, right in zip(run(algorithm, *inputs[number]), alone[number]):
                if not np.array_equal(result, right):
                    wrong.append(cases[number])

    workers = [threading.Thread(target=work, args=(number,)) for number in range(len(cases))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_norms_in_several_threads_do_not_meet(rng):
    maps = rng.standard_normal((3, 2, 19, 30, 31)).astype(np.float32)
    layers = [BatchNorm2d(19, relu=True) for _ in maps]
    alone = [layer.forward(x) for layer, x in zip(layers, maps)]
    wrong = []

    def work(number):
        for _ in range(20):
            if not np.array_equal(layers[number].forward(maps[number]), alone[number]):
                wrong.append(number)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(len(maps))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
