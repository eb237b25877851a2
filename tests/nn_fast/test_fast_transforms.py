"""Winograd's transforms against their definition: polynomials, evaluated at points and put together again."""

import numpy as np
import pytest
from numba import njit

from minissd.nn.fast import winograd_transforms as transforms
from minissd.nn.fast.simd import LANES, load, memory, store

A, B = np.sqrt(0.5), np.sqrt(2)
POINTS = np.array([0, A, -A, B, -B])


def at_points(length):
    """The matrix that evaluates a polynomial of `length` coefficients; at infinity the last one counts."""
    return np.vstack([np.vander(POINTS, length, increasing=True), np.eye(length)[-1]])


def distances():
    """For each point the product of its distances to the others."""
    return np.array([np.prod([p - q for q in POINTS if q != p]) for p in POINTS] + [1])


def lagrange():
    """Coefficients of the polynomials that vanish at all other points; for infinity, at all."""
    rows = [np.poly([q for q in POINTS if q != p])[::-1] for p in POINTS]
    return np.vstack([np.append(rows, np.zeros((5, 1)), axis=1), np.poly(POINTS)[::-1]])


MATRICES = {
    "input_transform": lagrange(),
    "weight_transform": at_points(3) / distances()[:, None],
    "output_transform": at_points(4).T,
    "gradient_transform": at_points(4),
    "weight_gradient_transform": (at_points(3) / distances()[:, None]).T,
}


def matrix_of(name):
    """What a transform does to each unit vector."""
    function = getattr(transforms, name)
    outputs, inputs = MATRICES[name].shape
    code = f"""def run(source, target):
    source, target = memory(source), memory(target)
    values = function({", ".join(f"load(source, {i * LANES})" for i in range(inputs))})
    {"; ".join(f"store(target, {o * LANES}, values[{o}])" for o in range(outputs))}"""
    names = {"memory": memory, "load": load, "store": store, "function": function}
    exec(code, names)
    source, target = np.zeros((inputs, LANES), np.float32), np.zeros((outputs, LANES), np.float32)
    source[np.arange(inputs), np.arange(inputs)] = 1  # lane i holds unit vector i
    njit(names["run"])(source.reshape(-1), target.reshape(-1))
    return target[:, :inputs]


@pytest.mark.parametrize("name", MATRICES)
def test_each_is_the_matrix_of_its_definition(name):
    np.testing.assert_allclose(matrix_of(name), MATRICES[name], rtol=1e-6, atol=1e-7)


def test_the_matrices_convolve(rng):
    """y = A^T [(G g) * (B^T d)] is the correlation of six inputs with three taps, in exact arithmetic."""
    d, g = rng.standard_normal(6), rng.standard_normal(3)
    products = (MATRICES["weight_transform"] @ g) * (MATRICES["input_transform"] @ d)
    np.testing.assert_allclose(
        MATRICES["output_transform"] @ products, np.correlate(d, g, mode="valid"), atol=1e-12
    )


def test_the_numbers_are_small():
    """Large numbers cost digits: with the points 0, +-1, +-2 there would be an 8."""
    assert max(np.abs(matrix).max() for matrix in MATRICES.values()) < 2.83
