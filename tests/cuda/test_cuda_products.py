"""Matrix products against NumPy's."""

import numpy as np
import pytest
from backends import on_every_gpu

from minissd.backend import get_array_module, to_cpu
from minissd.nn.cuda import products
from minissd.nn.cuda.products import correlate, multiply, parts_of

pytestmark = on_every_gpu


def numbers(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("sizes", [(3, 4, 5), (1, 1, 1), (7, 1, 2), (1, 6, 3), (2, 3, 1)])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_every_orientation_and_batch(backend, sizes, transpose_a, transpose_b, rng):
    m, n, k = sizes
    for batch_a, batch_b in (((), ()), ((4,), (4,)), ((), (4,)), ((4,), ())):
        a = numbers(rng, *batch_a, *((k, m) if transpose_a else (m, k)))
        b = numbers(rng, *batch_b, *((n, k) if transpose_b else (k, n)))
        found = multiply(backend.send(a), backend.send(b), transpose_a=transpose_a, transpose_b=transpose_b)
        right = (a.swapaxes(-1, -2) if transpose_a else a) @ (b.swapaxes(-1, -2) if transpose_b else b)
        assert found.shape == right.shape
        np.testing.assert_allclose(to_cpu(found), right, rtol=1e-5, atol=1e-5)


def test_parts_of_arrays_in_place(backend, rng):
    a, b, out = numbers(rng, 6, 20), numbers(rng, 9, 8), np.zeros((2, 5, 11), np.float32)
    a_there, b_there, out_there = (backend.send(array) for array in (a, b, out))
    multiply(a_there[1:6, 3:10], b_there[2:, 1:7], out_there[1, :, 2:8])
    out[1, :, 2:8] = a[1:6, 3:10] @ b[2:, 1:7]
    np.testing.assert_allclose(to_cpu(out_there), out, rtol=1e-5, atol=1e-5)


def test_accumulate_and_empty_sums(backend, rng):
    a, b = numbers(rng, 3, 4), numbers(rng, 4, 5)
    a_there, b_there = backend.send(a), backend.send(b)
    out = multiply(a_there, b_there)
    assert multiply(a_there, b_there, out, accumulate=True) is out
    np.testing.assert_allclose(to_cpu(out), 2 * (a @ b), rtol=1e-5, atol=1e-5)
    multiply(a_there[:, :0], b_there[:0], out, accumulate=True)
    np.testing.assert_allclose(to_cpu(out), 2 * (a @ b), rtol=1e-5, atol=1e-5)
    assert (to_cpu(multiply(a_there[:, :0], b_there[:0])) == 0).all()
    assert multiply(a_there[:0], b_there).shape == (0, 5)


def test_numbers_of_a_row_must_be_neighbours(backend, rng):
    a = backend.send(numbers(rng, 3, 3))
    with pytest.raises(ValueError, match="no neighbours"):
        multiply(a.T, a)


@pytest.mark.parametrize("length", [1, 8, 9, 30])
def test_correlate_splits_long_sums(backend, length, rng, monkeypatch):
    monkeypatch.setattr(products, "SHORTEST", 4)
    a, b = numbers(rng, 3, length), numbers(rng, 5, length)
    assert parts_of(length, 15) == max(1, length // 4)
    found = correlate(backend.send(a), backend.send(b))
    np.testing.assert_allclose(to_cpu(found), a @ b.T, rtol=1e-5, atol=1e-5)
    assert isinstance(found, get_array_module(found).ndarray)
