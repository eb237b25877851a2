"""SGD in one pass over memory, against its readable twin."""

from types import SimpleNamespace

import numpy as np
import pytest

from minissd.nn import SGD, clip_gradients, optimizer
from minissd.nn.fast import update as fast
from minissd.nn.optimizer import gradient_norm
from minissd.nn.update_readable import Update, descend

SHAPES = [(1,), (15,), (16,), (3, 11), (0, 4), (8, 5, 3, 3), (), (4097,), (3 * fast.NUMBERS + 5,)]


def random_updates(rng, dtype=np.float32):
    arrays = [[rng.standard_normal(shape).astype(dtype) for _ in range(3)] for shape in SHAPES]
    arrays = [[np.asarray(a, dtype) for a in three] for three in arrays]
    return [Update(*three, rate=0.1 / (i + 1), decay=0.01 * i) for i, three in enumerate(arrays)]


@pytest.fixture(params=[1, 2, 3, 8])
def threads(request, monkeypatch, use_threads):
    use_threads(request.param)
    monkeypatch.setattr(fast, "FEW_NUMBERS", 0)


def test_twins_agree(threads, rng):
    updates = random_updates(rng)
    exact = [Update(*(a.astype(np.float64) for a in u[:3]), u.rate, u.decay) for u in updates]
    grads = [u.grad.copy() for u in updates]
    for shrink in (1.0, 0.3):
        fast.descend(updates, 0.9, shrink)
        descend(exact, 0.9, shrink)
    for single, double, grad in zip(updates, exact, grads):
        np.testing.assert_allclose(single.velocity, double.velocity, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(single.parameter, double.parameter, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(single.grad, grad)


def test_sum_of_squares(threads, rng):
    arrays = [u.grad for u in random_updates(rng)]
    expected = sum((a.astype(np.float64) ** 2).sum() for a in arrays)
    assert fast.sum_of_squares(arrays) == pytest.approx(expected, rel=1e-6)
    assert fast.sum_of_squares([]) == 0


def test_the_number_of_threads_changes_nothing(rng, monkeypatch, use_threads):
    monkeypatch.setattr(fast, "FEW_NUMBERS", 0)
    results = []
    for count in (1, 2, 5):
        use_threads(count)
        updates = random_updates(np.random.default_rng(0))
        fast.descend(updates, 0.9, 0.5)
        results.append((fast.sum_of_squares([u.grad for u in updates]), *(u.parameter for u in updates)))
    for alone, two, five in zip(*results):
        np.testing.assert_array_equal(alone, two)
        np.testing.assert_array_equal(alone, five)


def test_a_million_squares_keep_their_digits(rng):
    values = (1 + rng.random(1_000_001)).astype(np.float32)
    assert fast.sum_of_squares([values]) == pytest.approx((values.astype(np.float64) ** 2).sum(), rel=1e-6)


def model_of(rng):
    """Parameters of both precisions, and gradients in awkward memory: transposed, read-only, float64."""
    params = {f"{i}.weight": rng.standard_normal((6, 7)).astype(np.float32) for i in range(5)}
    params["4.bias"] = rng.standard_normal(7)
    grads = {name: rng.standard_normal(p.shape).astype(p.dtype) for name, p in params.items()}
    grads["1.weight"] = np.asfortranarray(grads["1.weight"])
    grads["2.weight"].flags.writeable = False
    grads["3.weight"] = grads["3.weight"].astype(np.float64)
    return SimpleNamespace(params=params, grads=grads)


@pytest.mark.parametrize("max_gradient_norm", [None, 0.5])
def test_sgd_takes_every_array_whatever_it_is_like(max_gradient_norm, rng, monkeypatch):
    options = {"learning_rate": 0.1, "max_gradient_norm": max_gradient_norm, "bias_learning_rate_factor": 2}
    results = []
    for only_readable in (False, True):
        if only_readable:
            monkeypatch.setattr(fast, "fits", lambda array: False)
        model = model_of(np.random.default_rng(1))
        sgd, stored = SGD(model, **options), list(model.params.values())
        sgd.step()
        sgd.step(0.05)
        assert all(new is old for new, old in zip(model.params.values(), stored)), "changed in place"
        results.append([*model.params.values(), *sgd.velocity.values()])
    for one, other in zip(*results):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_sgd_compiles_float32(rng, monkeypatch):
    model, seen = model_of(rng), []
    compiled = fast.descend
    monkeypatch.setattr(
        fast, "descend", lambda updates, *rest: (seen.extend(updates), compiled(updates, *rest))
    )
    SGD(model).step()
    assert [u.parameter is model.params[f"{i}.weight"] for i, u in zip((0, 4), seen)] == [True, True]
    assert len(seen) == 2


def test_a_gradient_of_another_shape_is_not_read_beyond_its_end(rng):
    """Compiled code does not check its indices; NumPy spreads a row or refuses."""
    model = SimpleNamespace(params={"w": np.zeros((3, 4), np.float32)}, grads={"w": np.ones(4, np.float32)})
    SGD(model, 1.0, weight_decay=0).step()
    np.testing.assert_array_equal(model.params["w"], -1)
    model.grads["w"] = np.ones(5, np.float32)
    with pytest.raises(ValueError, match="broadcast"):
        SGD(model).step()


def test_norm_and_clipping_of_mixed_gradients(rng):
    grads = model_of(rng).grads
    expected = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in grads.values()))
    assert gradient_norm(grads) == pytest.approx(expected, rel=1e-6)
    grads["2.weight"] = grads["2.weight"].copy()
    assert clip_gradients(grads, 1.0) == pytest.approx(expected, rel=1e-6)
    assert optimizer.gradient_norm(grads) == pytest.approx(1, rel=1e-6)
