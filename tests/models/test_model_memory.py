"""A model's memory: used again from step to step, never while a result is held, and given back at the end."""

import copy
import gc
import pickle
import threading
import tracemalloc

import numpy as np
import pytest
from two_maps import TWO_MAPS

from minissd.models import SSD
from minissd.nn.fast.workspace import workspace


def images(seed=0, count=2, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal((count, 3, 32, 32)).astype(dtype)


def step(model, seed=0, count=2):
    """A forward and a backward pass; the predictions and the gradient of the images."""
    loc, conf = model.forward(images(seed, count))
    rng = np.random.default_rng(seed + 100)
    dloc, dconf = (rng.standard_normal(a.shape).astype(np.float32) for a in (loc, conf))
    return loc, conf, model.backward(dloc, dconf)


def copies(arrays):
    return [array.copy() for array in arrays]


@pytest.fixture
def model():
    return SSD(TWO_MAPS, np.random.default_rng(0))


@pytest.mark.parametrize("training", [True, False])
def test_results_stay_valid_while_they_are_held(model, training):
    """Predictions and the outputs of all layers, of several passes, with backward passes between them."""
    model.train(training)
    held, before = [], []
    for seed in range(4):
        trace = {}
        loc, conf = model.forward(images(seed), trace)
        arrays = [loc, conf, *trace.values()]
        if training:
            arrays.append(model.backward(np.ones_like(loc), np.ones_like(conf)))
        held += arrays
        before += copies(arrays)
    for array, old in zip(held, before):
        np.testing.assert_array_equal(array, old)
    for array in held:  # writing into a result is no business of the next pass either
        array[...] = np.nan
    fresh = SSD(TWO_MAPS, np.random.default_rng(0)).train(training)
    fresh.buffers.update({name: buffer.copy() for name, buffer in model.buffers.items()})
    for result, right in zip(model.forward(images(9)), fresh.forward(images(9))):
        np.testing.assert_array_equal(result, right)


@pytest.mark.parametrize("training", [True, False])
def test_one_number_of_a_trace_holds_its_map(model, training):
    model.train(training)
    trace = {}
    model.forward(images(0), trace)
    numbers = {name: array.reshape(-1)[-1:] for name, array in trace.items() if array.flags.c_contiguous}
    numbers |= {name: array[:, -1:, -1:, -1:] for name, array in trace.items() if array.ndim == 4}
    before = {name: view.copy() for name, view in numbers.items()}
    del trace
    for seed in range(1, 4):
        model.forward(images(seed))
    assert len(numbers) > 5
    for name, view in numbers.items():
        np.testing.assert_array_equal(view, before[name], err_msg=name)


def test_gradients_stay_valid_while_they_are_held(model):
    step(model, 0)
    held = dict(model.grads)
    before = {name: grad.copy() for name, grad in held.items()}
    step(model, 1)
    for name, grad in held.items():
        np.testing.assert_array_equal(grad, before[name], err_msg=name)
        assert not np.array_equal(model.grads[name], grad), name


def test_the_same_memory_serves_step_after_step(model):
    sizes = []
    for seed in range(5):
        step(model, seed)
        sizes.append(model.workspace.nbytes)
    assert sizes[1] == sizes[2] == sizes[3] == sizes[4] > 0


def test_large_maps_are_given_back_when_small_ones_have_come_to_stay(model, monkeypatch):
    monkeypatch.setattr("minissd.nn.fast.arena.LEAST", 1 << 12)
    sizes = []
    for count in (64, 64, 64, 1, 1, 1, 1):
        model.eval().forward(images(0, count))
        sizes.append(model.workspace.nbytes)
    assert sizes[1] == sizes[2]
    assert sizes[-1] == sizes[-2] < sizes[2]


def test_release_gives_everything_back_and_the_model_works_on(model):
    expected = copies(step(model))
    model.workspace.release()
    assert model.workspace.nbytes == 0
    again = SSD(TWO_MAPS, np.random.default_rng(0))
    for result, right in zip(step(again), expected):
        np.testing.assert_array_equal(result, right)
    step(model)


def test_the_images_are_neither_changed_nor_kept(model):
    x = images()
    before = x.copy()
    model.eval().forward(x)
    np.testing.assert_array_equal(x, before)
    assert not [holder for holder in gc.get_referrers(x) if isinstance(holder, tuple | list)]


@pytest.mark.parametrize("training", [True, False])
def test_memory_returns_when_the_model_is_gone(training):
    def use():
        model = SSD(TWO_MAPS, np.random.default_rng(0)).train(training)
        loc, conf = model.forward(images(0, 32))
        if training:
            model.backward(np.ones_like(loc), np.ones_like(conf))
        return model.workspace.nbytes

    use()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        held = use()
        gc.collect()
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held > 1e6
    assert left < 0.1 * held


COPIES = pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["deepcopy", "pickle"]
)


@COPIES
@pytest.mark.parametrize("state", ["new", "after forward", "after a step", "inference"])
def test_a_copy_of_a_model_is_a_model_of_its_own(model, copied, state):
    if state == "after forward":
        model.forward(images())
    elif state != "new":
        step(model)
    if state == "inference":
        model.eval().forward(images())
    other = copied(model)
    assert other.workspace is not model.workspace
    assert other.workspace.nbytes == 0
    assert other.training == model.training
    for store in ("params", "buffers"):
        for name, array in getattr(model, store).items():
            np.testing.assert_array_equal(getattr(other, store)[name], array)
            assert not np.shares_memory(getattr(other, store)[name], array)
    held = copies(model.forward(images(3)))
    for result, right in zip(other.forward(images(3)), held):
        np.testing.assert_array_equal(result, right)
    for array in other.params.values():
        array += 1
    assert not np.array_equal(other.forward(images(3))[0], held[0])
    for result, right in zip(model.forward(images(3)), held):
        np.testing.assert_array_equal(result, right)


@COPIES
def test_the_copy_can_go_on_where_the_model_stands(model, copied):
    """Between a forward and a backward pass, as a gradient check by hand would have it."""
    loc, conf = model.forward(images())
    other = copied(model)
    for one in (model, other):
        one.backward(np.ones_like(loc), np.ones_like(conf))
    for name, grad in model.grads.items():
        np.testing.assert_array_equal(other.grads[name], grad, err_msg=name)


def run_in_threads(functions):
    errors = []

    def guarded(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


def test_two_threads_that_share_a_model_have_separate_memory(model):
    """Inference keeps nothing in the layers, so several threads may run one model at once."""
    step(model)
    model.eval()
    expected = [copies(model.forward(images(seed))) for seed in range(3)]
    size, here, sizes = model.workspace.nbytes, threading.get_ident(), {}

    def work(seed):
        for _ in range(20):
            for result, right in zip(model.forward(images(seed)), expected[seed]):
                np.testing.assert_array_equal(result, right)
        sizes[threading.get_ident()] = model.workspace.nbytes

    run_in_threads([lambda seed=seed: work(seed) for seed in range(3)])
    assert here not in sizes
    assert all(size > 0 for size in sizes.values())
    assert model.workspace.nbytes == size


def test_two_models_in_two_threads(model):
    models = [SSD(TWO_MAPS, np.random.default_rng(seed)) for seed in range(2)]
    twins = [copy.deepcopy(m) for m in models]
    expected = [[copies(step(twin, seed)) for seed in range(5)] for twin in twins]

    def work(number):
        for seed in range(5):
            for result, right in zip(step(models[number], seed), expected[number][seed]):
                np.testing.assert_array_equal(result, right)

    run_in_threads([lambda number=number: work(number) for number in range(2)])


def test_an_error_within_a_pass_leaves_no_workspace_behind(model, monkeypatch):
    own = workspace()
    monkeypatch.setattr(model.heads[-1], "forward", lambda x: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.forward(images())
    assert workspace() is own
    monkeypatch.undo()
    loc, _ = model.forward(images())
    assert np.isfinite(loc).all()


def test_backward_uses_up_what_forward_kept(model):
    loc, conf, _ = step(model)
    with pytest.raises(RuntimeError, match="forward pass in training mode"):
        model.backward(np.ones_like(loc), np.ones_like(conf))


def test_every_result_in_float32_is_close_to_float64(model):
    exact = copy.deepcopy(model).astype(np.float64)
    rng = np.random.default_rng(0)
    loc, conf = model.forward(images())
    exact_loc, exact_conf = exact.forward(images(dtype=np.float64))
    for result, right in ((loc, exact_loc), (conf, exact_conf)):
        assert np.abs(result - right).max() < 1e-4 * np.abs(right).max()
    dloc, dconf = (rng.standard_normal(a.shape) for a in (loc, conf))
    dx = model.backward(dloc.astype(np.float32), dconf.astype(np.float32))
    exact_dx = exact.backward(dloc, dconf)
    assert np.abs(dx - exact_dx).mean() < 1e-3 * np.abs(exact_dx).mean()  # some ReLUs may flip
    for name, grad in model.grads.items():
        right = exact.grads[name]
        assert np.abs(grad - right).max() < 1e-2 * np.abs(right).max(), name
