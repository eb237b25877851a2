"""The checksum by which a layer sees that its weights are no longer those that were packed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minissd.nn.fast.checksum import checksum


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 200])
def test_a_checksum_sees_every_change_of_one_number(size, rng):
    array = rng.standard_normal(size).astype(np.float32)
    before = checksum(array)
    for position in range(size):
        for change in (np.nextafter(array[position], np.float32(9)), -array[position], np.float32(0)):
            other = array.copy()
            other[position] = change
            assert checksum(other) != before
    assert checksum(array.copy()) == before


@pytest.mark.parametrize("position", [0, 63, 64, 65_535, 65_536, 131_071, 131_072, 199_999])
def test_a_checksum_sees_changes_in_large_arrays(position, rng):
    array = rng.standard_normal((100, 2000)).astype(np.float32)
    before = checksum(array)
    assert checksum(array) == before
    array.reshape(-1)[position] += np.float32(1e-6)
    assert checksum(array) != before


@given(seed=st.integers(0, 10**6), size=st.integers(2, 400))
@settings(max_examples=100)
def test_a_checksum_sees_numbers_change_places(seed, size):
    rng = np.random.default_rng(seed)
    array = rng.standard_normal(size).astype(np.float32)
    other = array.copy()
    i, j = rng.choice(size, 2, replace=False)
    other[[i, j]] = other[[j, i]]
    assert checksum(other) != checksum(array)
    rolled = np.roll(array, 64)
    assert np.array_equal(rolled, array) or checksum(rolled) != checksum(array)


def test_a_checksum_takes_read_only_and_empty_arrays():
    array = np.ones(100, np.float32)
    before = checksum(array)
    array.flags.writeable = False
    assert checksum(array) == before
    assert isinstance(checksum(np.zeros(0, np.float32)), bytes)


CHANGES = {
    "negated": lambda w: -w,
    "doubled": lambda w: 2 * w,
    "halved": lambda w: w / 2,
    "a millionth of it": lambda w: w * np.float32(2**-20),
    "two signs": lambda w: np.where(np.isin(np.arange(w.size), [5, 5 + 128]).reshape(w.shape), -w, w),
    "half of it negated": lambda w: np.concatenate([w[: len(w) // 2], -w[len(w) // 2 :]]),
    "one output doubled": lambda w: np.concatenate([2 * w[:1], w[1:]]),
    "backwards": lambda w: w[::-1],
    "halves exchanged": lambda w: np.roll(w, len(w) // 2, axis=0),
    "rotated kernels": lambda w: w[:, :, ::-1, ::-1],
    "transposed": lambda w: w.transpose(1, 0, 2, 3),
    "next numbers": lambda w: np.nextafter(w, np.float32(9)),
    "zeros": np.zeros_like,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("shape", [(64, 64, 3, 3), (128, 128, 3, 3), (256, 256, 3, 3), (512, 512, 3, 3)])
def test_a_checksum_sees_what_people_do_to_weights(change, shape, rng):
    """Many numbers that all change alike are where the changes in a sum may cancel: powers of two above all,
    which change the same bits of every number, in layers whose sizes are powers of two.
    """
    weight = rng.standard_normal(shape).astype(np.float32)
    other = np.ascontiguousarray(CHANGES[change](weight), np.float32)
    assert checksum(other) != checksum(weight)


@pytest.mark.parametrize("shape", [(64, 64, 3, 3), (512, 512, 1, 1)])
def test_two_numbers_of_opposite_sign_may_not_change_places_unseen(shape, rng):
    weight = rng.standard_normal(shape).astype(np.float32)
    numbers = weight.reshape(-1)
    for distance in (16, 64, 128, 256, 512, 1024, 4096, 16_384):
        numbers[distance] = -numbers[0]
        before = checksum(weight)
        numbers[[0, distance]] = numbers[[distance, 0]]
        assert checksum(weight) != before, distance
