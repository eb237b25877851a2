"""The small kernels against the readable functions: pooling, normalisations, sums, gradient descent."""

import numpy as np
import pytest
from backends import on_every_gpu

from minissd.backend import is_cuda, to_cpu
from minissd.nn import (
    MaxPool2d,
    batchnorm_readable,
    l2norm_readable,
    pool_readable,
    sums_readable,
    update_readable,
)
from minissd.nn.cuda import batchnorm, l2norm, pool, sums, update
from minissd.nn.update_readable import Update

SHAPES = [(2, 5, 7, 9), (1, 1, 1, 1), (1, 3, 75, 75), (3, 33, 5, 4), (2, 1, 10, 130), (1, 40, 6, 6)]
MAPS = pytest.mark.parametrize("shape", SHAPES)
WINDOWS = {  # kernel, stride, padding, ceil mode
    "2x2": (2, 2, 0, False),
    "2x2, ceil": (2, 2, 0, True),
    "pool5": (3, 1, 1, False),
    "overlapping": (3, 2, 1, True),
    "gaps": (2, 3, 1, True),
}


def close(found, expected, tolerance=1e-5):
    found = to_cpu(found)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max(initial=0) <= tolerance * np.abs(expected).max(initial=1e-30)


@on_every_gpu
@MAPS
@pytest.mark.parametrize("window", WINDOWS)
def test_pool(backend, shape, window, rng):
    kernel, stride, padding, ceil_mode = WINDOWS[window]
    layer = MaxPool2d(kernel, stride, padding, ceil_mode)
    y_shape = *shape[:2], *map(layer.output_side, shape[2:])
    if min(y_shape) < 1:
        return
    x = rng.integers(-3, 3, shape).astype(np.float32)  # many are equal
    x[0, 0, 0, 0] = np.nan
    twin = pool_readable.pool(x, y_shape, kernel, stride, padding)
    found = pool.pool(backend.send(x), y_shape, kernel, stride, padding)
    for ours, theirs in zip(found, twin):
        np.testing.assert_array_equal(to_cpu(ours), theirs)
        assert ours.dtype == theirs.dtype
    dy = rng.standard_normal(y_shape).astype(np.float32)
    dx = pool.unpool(backend.send(dy), found[1], shape, kernel, stride, padding)
    close(dx, pool_readable.unpool(dy, twin[1], shape, kernel, stride, padding), 1e-6)


@on_every_gpu
@MAPS
def test_l2norm(backend, shape, rng):
    x, dy = rng.standard_normal((2, *shape)).astype(np.float32)
    weight = rng.standard_normal(shape[1]).astype(np.float32)
    eps = 0.01  # with one channel, nothing else keeps the gradient from 0
    y, norm = l2norm_readable.forward(x.astype(float), weight, eps)
    dx, dweight = l2norm_readable.backward(dy.astype(float), x, norm, weight)
    x, dy, weight = (backend.send(array) for array in (x, dy, weight))
    found, found_norm = l2norm.forward(x, weight, eps)
    close(found, y)
    close(found_norm, norm)
    for ours, theirs in zip(l2norm.backward(dy, x, found_norm, weight), (dx, dweight)):
        close(ours, theirs)
        assert ours.dtype == np.float32


@on_every_gpu
@MAPS
@pytest.mark.parametrize("relu", [False, True])
def test_batchnorm(backend, shape, relu, rng):
    x, dy = rng.standard_normal((2, *shape)).astype(np.float32) + np.float32(100)
    factors = rng.standard_normal((5, shape[1])).astype(np.float32)
    affine = tuple(factors[:2]) if relu else None
    mean, variance = batchnorm_readable.moments(x)
    sums_of_both = batchnorm_readable.gradient_sums(dy, x, mean, affine)
    combined = batchnorm_readable.combine(dy, x, *factors[2:], affine)
    scaled = batchnorm_readable.scale_shift(x, *factors[:2], relu)

    x, dy, factors = (backend.send(array) for array in (x, dy, factors))
    affine = tuple(factors[:2]) if relu else None
    moments = batchnorm.moments(x)
    close(moments[0], mean, 1e-12)
    assert np.abs(to_cpu(moments[1]) - variance).max() < 1e-8
    for ours, theirs in zip(batchnorm.gradient_sums(dy, x, moments[0], affine), sums_of_both):
        close(ours, theirs, 1e-6)
        assert ours.dtype == np.float64
    close(batchnorm.combine(dy, x, *factors[2:], affine), combined)
    close(batchnorm.scale_shift(x, *factors[:2], relu), scaled)


@on_every_gpu
@MAPS
def test_sums(backend, shape, rng):
    dy, y = rng.standard_normal((2, *shape)).astype(np.float32)
    dx, dbias = sums_readable.relu_gradient(dy.astype(float), y)
    dy, y = backend.send(dy), backend.send(y)
    for ours, theirs in zip(sums.relu_gradient(dy, y), (dx, dbias)):
        close(ours, theirs, 1e-6)
    close(sums.channel_sums(dy), to_cpu(dy).astype(float).sum(axis=(0, 2, 3)), 1e-6)


@on_every_gpu
def test_no_images(backend):
    x = backend.send(np.zeros((0, 3, 4, 5), np.float32))
    dx, dbias = sums.relu_gradient(x, x)
    assert dx.shape == x.shape and (to_cpu(dbias) == 0).all()
    assert pool.pool(x, (0, 3, 2, 2), 2, 2, 0)[0].shape == (0, 3, 2, 2)
    assert l2norm.forward(x, backend.send(np.ones(3, np.float32)), 0.1)[1].shape == (0, 1, 4, 5)


PARAMETERS = [(5,), (4096,), (4097, 3), (0,), (1,)]  # around the size of a piece


def updates_of(rng, send, dtype):
    numbers = [rng.standard_normal((3, *shape)).astype(np.float32).astype(dtype) for shape in PARAMETERS]
    return [Update(*map(send, three), 0.1 * i, 0.01 * i) for i, three in enumerate(numbers)]


@on_every_gpu
@pytest.mark.parametrize("on_gpu", [False, True], ids=["shrink a float", "shrink on the GPU"])
def test_descend(backend, on_gpu):
    ours = updates_of(np.random.default_rng(0), backend.send, np.float32)
    theirs = updates_of(np.random.default_rng(0), np.asarray, np.float64)
    shrink = backend.send(np.array(0.25)) if on_gpu else 0.25
    for _ in range(2):
        update.descend(ours, 0.9, shrink)
        update_readable.descend(theirs, 0.9, 0.25)
    for a, b in zip(ours, theirs):
        close(a.parameter, b.parameter)
        close(a.velocity, b.velocity)
    update.descend([], 0.9, 1.0)


@on_every_gpu
def test_sum_of_squares(backend, rng):
    numbers = [rng.standard_normal(shape).astype(np.float32) for shape in PARAMETERS]
    found = update.sum_of_squares([backend.send(array) for array in numbers])
    assert found.shape == ()
    np.testing.assert_allclose(to_cpu(found), sum((n.astype(float) ** 2).sum() for n in numbers), rtol=1e-12)
    assert float(to_cpu(update.sum_of_squares([]))) == 0


def test_a_step_neither_waits_nor_sends_its_table_again(pretend_cuda, rng):
    updates = updates_of(rng, pretend_cuda.cupy.asarray, np.float32)
    norm = pretend_cuda.cupy.sqrt(update.sum_of_squares([u.grad for u in updates]))
    update.descend(updates, 0.9, norm)
    pretend_cuda.reset()
    update.descend(updates, 0.9, norm)
    assert pretend_cuda.reasons == [] and pretend_cuda.uploads == []
    changed = [u._replace(rate=0.5) for u in updates]
    update.descend(changed, 0.9, norm)
    assert pretend_cuda.uploads == [(2, len(PARAMETERS) - 1)]  # the rates; one parameter is empty


def test_networks_of_equal_sizes_step_at_the_same_time(pretend_cuda, monkeypatch):
    one, other = (updates_of(np.random.default_rng(0), pretend_cuda.cupy.asarray, np.float32) for _ in "ab")

    def meanwhile(shrink):
        """Another thread steps before the kernel of this one has been started."""
        monkeypatch.setattr(update, "is_cuda", is_cuda)
        update.descend(other, 0.9, shrink)
        return False

    monkeypatch.setattr(update, "is_cuda", meanwhile)
    update.descend(one, 0.9, 0.25)
    for a, b in zip(one, other):
        np.testing.assert_array_equal(to_cpu(a.parameter), to_cpu(b.parameter))


def test_fits(pretend_cuda):
    x = pretend_cuda.cupy.zeros((2, 3), np.float32)
    assert update.fits(x)
    assert not update.fits(x.T) and not update.fits(x.astype(float)) and not update.fits(np.zeros(3, "f4"))
