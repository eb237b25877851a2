"""Mining on a GPU: the same negatives as by sorting."""

import numpy as np
import pytest
from backends import on_every_gpu

from minissd import mining
from minissd.kernels import mining as compiled
from minissd.kernels.cuda import mining as on_gpu
from minissd.kernels.cuda.selection import bound_of_best, keys_of


def twin(values, candidates, counts):
    """What the kernel computes, row by row."""
    keys = [keys_of(row) for row in values]
    bounds = [bound_of_best(k[c], n) for k, c, n in zip(keys, candidates, counts)]
    return np.array([c & (k < np.uint64(bound)) for k, c, bound in zip(keys, candidates, bounds)])


def some_losses(rng, kind, *shape):
    """Losses all different, many equal, all equal, or with every number that sorts in its own way."""
    losses = {
        "different": rng.standard_normal(shape),
        "ties": rng.integers(-2, 3, shape),
        "equal": np.ones(shape),
        "tricky": rng.choice([0.0, -0.0, 1e-45, -1e-45, 1.5, -1.5, np.inf, -np.inf, np.nan], shape),
    }
    return losses[kind].astype(np.float32)


@on_every_gpu
@pytest.mark.parametrize("kind", ["different", "ties", "equal", "tricky"])
@pytest.mark.parametrize("num_priors", [1, 37, 1500])
def test_the_largest_of_every_row(kind, num_priors, rng, backend):
    values = some_losses(rng, kind, 4, num_priors)
    candidates = rng.random(values.shape) < 0.8
    total = candidates.sum(axis=1)
    counts = np.array([0, total[1] // 3, max(total[2] - 1, 0), total[3]])
    marked = backend.of(on_gpu.largest)(values, candidates, counts)
    assert marked.dtype == bool
    np.testing.assert_array_equal(marked.sum(axis=1), counts)
    for largest in (twin, mining.largest, compiled.largest):
        np.testing.assert_array_equal(marked, largest(values, candidates, counts))


@on_every_gpu
def test_more_than_there_are(backend):
    values, candidates = np.array([[0, 1, np.nan]], np.float32), np.array([[True, False, True]])
    for count in (2, 3, 5, 2**40):
        marked = backend.of(on_gpu.largest)(values, candidates, np.array([count]))
        np.testing.assert_array_equal(marked, candidates)
        for largest in (mining.largest, compiled.largest):
            np.testing.assert_array_equal(largest(values, candidates, [count]), candidates)


@on_every_gpu
@pytest.mark.parametrize("scope", mining.SCOPES)
@pytest.mark.parametrize("overflow", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_hard_negatives(scope, overflow, dtype, rng, backend):
    conf_loss = some_losses(rng, "ties", 3, 50).astype(dtype)
    positive = rng.random((3, 50)) < np.array([[0.0], [0.1], [0.4]])
    options = {"neg_pos_ratio": 2.5, "min_negatives": 2, "scope": scope, "overflow": overflow}
    negative = backend.of(mining.hard_negatives)(conf_loss, positive, **options)
    np.testing.assert_array_equal(negative, mining.hard_negatives(conf_loss, positive, **options))


@on_every_gpu
@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_no_losses(shape, backend):
    negative = backend.of(mining.hard_negatives)(np.zeros(shape, np.float32), np.zeros(shape, bool))
    assert negative.shape == shape


def test_nothing_waits(rng, pretend_cuda):
    cupy = pretend_cuda.cupy
    losses, positive = cupy.asarray(some_losses(rng, "ties", 2, 30)), cupy.asarray(rng.random((2, 30)) < 0.2)
    pretend_cuda.reset()
    for scope in mining.SCOPES:
        mining.hard_negatives(losses, positive, scope=scope, overflow=True)
    assert not pretend_cuda.reasons
