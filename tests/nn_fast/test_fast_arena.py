"""The arena under the maps: what it has handed out never overlaps, and it does not grow without need."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minissd.nn.fast import arena as arena_module
from minissd.nn.fast.arena import Arena

SIZE = 1000

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.sampled_from([0, 1, 15, 16, 17, 100, 1000, 3000, 20_000])),
        st.tuples(st.just("drop"), st.integers(0, 99)),
        st.tuples(st.just("tidy"), st.just(0)),
    ),
    max_size=80,
)


@given(steps=STEPS, least=st.sampled_from([16, 1024, 1 << 15]))
@settings(max_examples=150)
def test_no_two_arrays_share_memory_whatever_happens(steps, least):
    """Every array is filled with a number of its own, which must still be there at the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arena_module, "LEAST", least)
        arena, held = Arena(), {}
        for number, (step, argument) in enumerate(steps):
            if step == "take":
                array = arena.take(argument)
                assert array.shape == (argument,)
                array[...] = number
                held[number] = array
                del array
            elif step == "drop" and held:
                held.pop(sorted(held)[argument % len(held)])
            elif step == "tidy":
                arena.tidy()
            assert all((array == filled).all() for filled, array in held.items())
        assert arena.nbytes >= sum(array.nbytes for array in held.values())
        held.clear()
        arena.tidy()
        arena.tidy()
        assert arena.nbytes == 0


def test_the_arena_does_not_grow_while_the_same_sizes_come_and_go(rng, monkeypatch):
    monkeypatch.setattr(arena_module, "LEAST", 1024)
    arena, sizes = Arena(), rng.integers(1, 2000, 12)
    seen = []
    for _ in range(30):
        order, held = rng.permutation(sizes), []
        for size in order:
            held.append(arena.take(size))
            if len(held) > 4:
                held.pop(int(rng.integers(4)))
        arena.tidy()
        seen.append(arena.nbytes)
        held.clear()
    assert max(seen[10:]) <= 3 * 4 * 5 * 2000
    assert len(set(seen[20:])) <= 2


def test_an_arena_survives_that_there_is_no_more_memory(monkeypatch):
    """The call fails; the arrays handed out before and after still do not meet."""
    arena = Arena()
    pieces = [arena.take(SIZE) for _ in range(4)]
    free = [arena.take(SIZE) for _ in range(4)]
    del free

    def no_memory(size):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(arena_module, "Chunk", no_memory)
        with pytest.raises(MemoryError):
            arena.take(1 << 24)
    later = [arena.take(size) for size in (SIZE, 3 * SIZE, SIZE, SIZE, 2 * SIZE)]
    for number, array in enumerate(pieces + later):
        array[...] = number
    for number, array in enumerate(pieces + later):
        np.testing.assert_array_equal(array, number)
