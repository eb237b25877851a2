"""Memory that is used again: never while anybody can see it, and always when nobody can."""

import copy
import gc
import pickle
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

from minissd.nn import Conv2d
from minissd.nn.fast import arena as arena_module
from minissd.nn.fast import winograd
from minissd.nn.fast.workspace import Workspace, aligned_zeros, empty_map, workspace

SIZE = 1000


def address(array):
    return array.ctypes.data


def in_thread(function):
    """Call a function in a thread of its own and return what it returns."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


@pytest.mark.parametrize("size", [1, 15, 1000])
def test_buffers_and_maps_begin_on_a_cache_line(size):
    memory, held = Workspace(), []
    for turn in range(5):
        zeros = aligned_zeros(size)
        assert zeros.shape == (size,)
        assert not zeros.any()
        held += [zeros, memory.buffer(f"buffer {turn}", size), memory.map(size)]
        assert held[-1].shape == (size,)
    assert {array.dtype for array in held} == {np.dtype(np.float32)}
    assert not any(address(array) % 64 for array in held)


def test_buffers_grow_and_are_released():
    memory = Workspace()
    first = memory.buffer("a", 100)
    assert memory.buffer("a", 60) is first
    assert memory.buffer("b", 100) is not first
    assert memory.buffer("a", 200).size == 200
    assert memory.nbytes == 4 * (200 + 100)
    memory.map(SIZE)
    memory.release()
    assert memory.nbytes == 0


HOLDERS = {
    "the map": lambda map: map,
    "a part": lambda map: map[500:501],
    "a view of views": lambda map: map.reshape(10, 10, 10).transpose(2, 0, 1)[3:, ::2].T[..., None],
    "other numbers": lambda map: map.view(np.uint32)[::-1],
    "a memoryview": memoryview,
    "an array of it": lambda map: np.asarray(memoryview(map)[8:16]),
    "a container": lambda map: {"trace": [(map[:4],)]},
    "a closure": lambda map: lambda: map,
    "an iterator": iter,
    "a diagonal": lambda map: np.diagonal(map.reshape(10, 100)),
    "a broadcast": lambda map: np.broadcast_to(map, (3, SIZE)),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_map_is_used_again_only_when_nobody_holds_any_of_it(holder):
    memory = Workspace()
    first = memory.map(SIZE)
    begin, end = address(first), address(first) + first.nbytes
    held = HOLDERS[holder](first)
    del first
    for _ in range(3):
        other = memory.map(SIZE)
        assert address(other) >= end or address(other) + other.nbytes <= begin
    del held, other
    gc.collect()
    again = [memory.map(SIZE), memory.map(SIZE)]
    assert begin in map(address, again)


def test_a_map_that_another_thread_holds_is_not_used_again():
    memory, go_on = Workspace(), threading.Event()
    held = [memory.map(SIZE)]
    begin = address(held[0])

    def hold(array):
        held.clear()
        go_on.wait()

    thread = threading.Thread(target=hold, args=held)
    thread.start()
    while held:
        pass
    other = memory.map(SIZE)
    assert address(other) != begin
    go_on.set()
    thread.join()
    del thread
    assert begin in map(address, [memory.map(SIZE), memory.map(SIZE)])


def test_tidy_gives_back_what_nobody_used_since_the_last_time(monkeypatch):
    monkeypatch.setattr(arena_module, "LEAST", 16)
    memory = Workspace()
    held = memory.map(SIZE)
    memory.map(64 * SIZE)  # dropped at once, but used since the last time
    with_both = memory.nbytes
    memory.tidy()
    assert memory.nbytes == with_both
    memory.tidy()
    assert 4 * SIZE <= memory.nbytes < with_both  # the one that is held stays
    held[...] = 7
    other = memory.map(SIZE)
    other[...] = 8
    np.testing.assert_array_equal(held, 7)
    del held, other
    memory.tidy()
    memory.tidy()
    assert memory.nbytes == 0


def test_what_is_held_outlives_the_workspace():
    memory = Workspace()
    held = [memory.map(SIZE), memory.buffer("a", SIZE)]
    for number, array in enumerate(held):
        array[...] = number
    memory.release()
    other = memory.map(SIZE)
    other[...] = 9
    del memory
    gc.collect()
    for number, array in enumerate(held):
        np.testing.assert_array_equal(array, number)


def test_each_thread_sees_memory_of_its_own():
    memory = Workspace()
    map, buffer = memory.map(SIZE), memory.buffer("a", SIZE)

    def in_other():
        before = memory.nbytes
        with memory:
            other = empty_map(SIZE), workspace().buffer("a", SIZE)
            return before, workspace() is memory, *map_addresses(other)

    def map_addresses(arrays):
        return [(address(a), address(a) + a.nbytes) for a in arrays]

    before, is_same_object, *others = in_thread(in_other)
    assert before == 0
    assert is_same_object
    for array in (map, buffer):
        for begin, end in others:
            assert end <= address(array) or address(array) + array.nbytes <= begin
    assert workspace() is not memory, "the other thread was in it, this one is not"


def test_the_memory_of_a_thread_ends_with_it():
    memory = Workspace()

    def use():
        memory.buffer("a", 1 << 20)[...] = 1
        memory.map(1 << 20)[...] = 1
        return weakref.ref(workspace())

    use()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        own = in_thread(use)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 1 << 20
    finally:
        tracemalloc.stop()
    assert own() is None
    assert workspace() is workspace()


def test_within_a_workspace_kernels_find_it_and_afterwards_what_was_before():
    outer, inner = Workspace(), Workspace()
    own = workspace()
    with outer:
        assert workspace() is outer
        with pytest.raises(KeyError), inner:
            assert workspace() is inner
            raise KeyError
        assert workspace() is outer
        with outer:
            assert workspace() is outer
        assert workspace() is outer
    assert workspace() is own


def test_outside_of_any_workspace_results_get_fresh_memory():
    own = workspace()
    before = own.nbytes
    one = empty_map(SIZE)
    assert one.base is None
    assert one.flags.owndata
    assert own.nbytes == before


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda w: pickle.loads(pickle.dumps(w))])
def test_a_copy_is_a_workspace_of_its_own(copied):
    memory = Workspace()
    map = memory.map(SIZE)
    map[...] = 1
    other = copied(memory)
    assert other.nbytes == 0
    other.map(SIZE)[...] = 2
    np.testing.assert_array_equal(map, 1)


def test_buffers_do_not_grow_from_call_to_call(rng):
    workspace().release()
    x, weight = rng.standard_normal((2, 16, 20, 20)), rng.standard_normal((32, 16, 3, 3))
    arrays = x.astype(np.float32), weight.astype(np.float32)
    sizes = []
    for _ in range(3):
        winograd.backward(winograd.forward(*arrays, None, 1, 1, 1), *arrays, 1, 1, 1)
        sizes.append(workspace().nbytes)
    assert sizes[0] == sizes[1] == sizes[2] > 0


@pytest.mark.parametrize("algorithm", ["winograd", "direct"])
def test_layers_give_the_same_in_a_workspace_full_of_old_numbers(algorithm, rng):
    """Buffers and maps come with any content; NaN would show if a kernel took it for its own."""
    x = rng.standard_normal((2, 17, 9, 11)).astype(np.float32)
    conv = Conv2d(17, 19, 3, padding=1, algorithm=algorithm, relu=True)
    y = conv.forward(x)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    expected = [y, conv.backward(dy), conv.grads["weight"].copy(), conv.grads["bias"].copy()]
    memory = Workspace()
    with memory:
        for _ in range(3):
            dirty = [memory.map(size) for size in (x.size, y.size, 3 * x.size)]
            for array in [*dirty, *memory._buffers.values()]:
                array[...] = np.nan
            del dirty, array
            results = [conv.forward(x), conv.backward(dy), *conv.grads.values()]
            for result, right in zip(results, expected):
                np.testing.assert_array_equal(result, right)
            del results, result
