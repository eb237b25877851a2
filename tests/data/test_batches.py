"""Batches: right, repeatable, prepared in the background, without threads left behind."""

import dataclasses
import gc
import itertools
import threading
import time
from functools import partial

import numpy as np
import pytest

from minissd.config import TINY
from minissd.data.augmentation import SSDAugmentation
from minissd.data.batches import BatchLoader, collate
from minissd.data.image import network_input
from minissd.data.sample import Sample
from minissd.errors import InputError
from minissd.targets import make_batch_targets

CONFIG = dataclasses.replace(TINY, image_size=24)


class Numbered:
    """Sample i is an image full of i with i % 3 boxes; counts how often it is asked."""

    def __init__(self, length=10):
        self.length, self.indices = length, []

    def __len__(self):
        return self.length

    @property
    def asked(self):
        return len(self.indices)

    def __getitem__(self, i):
        self.indices.append(i)  # a list can be added to by several threads at once
        boxes_xyxy = np.tile([0.25, 0.25, 0.75, 0.75], (i % 3, 1))
        return Sample(
            np.full((30, 40, 3), i % 256, np.uint8), boxes_xyxy, np.ones(i % 3, np.int64), name=str(i)
        )


def background_threads():
    return [t for t in threading.enumerate() if t.name.startswith("minissd-batches")]


def take(loader, count):
    with loader:
        return list(itertools.islice(loader, count))


def same(a, b):
    return a.names == b.names and np.array_equal(a.images, b.images)


def test_collate():
    samples = [Numbered()[i] for i in (1, 2, 3)]
    batch = collate(samples, CONFIG)
    assert len(batch) == 3
    assert batch.images.shape == (3, 3, 24, 24)
    np.testing.assert_array_equal(batch.images, network_input([s.image for s in samples], CONFIG))
    assert [len(g) for g in batch.gt_xyxy] == [len(g) for g in batch.labels] == [1, 2, 0]
    assert batch.names == ["1", "2", "3"]
    assert batch.loc_target is None
    batch.gt_xyxy[0][:] = 9
    assert samples[0].gt_xyxy.max() == 0.75


def test_targets_are_made_of_all_samples_at_once():
    calls = []

    def targets(gt_xyxy, labels):
        calls.append((gt_xyxy, labels))
        return "offsets", "classes"

    (batch,) = take(BatchLoader(Numbered(), CONFIG, 3, shuffle=False, workers=0, target_fn=targets), 1)
    assert (batch.loc_target, batch.conf_target) == ("offsets", "classes")
    ((gt_xyxy, labels),) = calls
    assert [len(boxes_xyxy) for boxes_xyxy in gt_xyxy] == [len(of_image) for of_image in labels] == [0, 1, 2]


def test_targets_of_the_network():
    targets = partial(
        make_batch_targets, priors_cxcywh=np.array([[0.5, 0.5, 0.5, 0.5], [0.1, 0.1, 0.1, 0.1]])
    )
    batches = take(BatchLoader(Numbered(), CONFIG, 5, shuffle=False, target_fn=targets), 2)
    for batch in batches:
        assert (batch.loc_target.shape, batch.loc_target.dtype) == ((5, 2, 4), np.float32)
        assert (batch.conf_target.shape, batch.conf_target.dtype) == ((5, 2), np.int64)
        np.testing.assert_array_equal(batch.conf_target[:, 0], [int(name) % 3 > 0 for name in batch.names])
        assert not batch.conf_target[:, 1].any()
        assert not batch.loc_target.any()  # the objects are where the first box is


def test_order_without_shuffling_goes_around():
    batches = take(BatchLoader(Numbered(5), CONFIG, 2, shuffle=False), 4)
    assert [b.names for b in batches] == [["0", "1"], ["2", "3"], ["4", "0"], ["1", "2"]]


def test_every_epoch_has_every_sample_once_in_its_own_order():
    batches = take(BatchLoader(Numbered(10), CONFIG, 4, seed=1), 10)
    names = [name for batch in batches for name in batch.names]
    epochs = [names[i : i + 10] for i in range(0, 40, 10)]
    assert all(sorted(epoch) == sorted(map(str, range(10))) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_resuming_gives_the_same_batches(workers):
    settings = {"augmentation": SSDAugmentation(CONFIG), "seed": 3}
    reference = take(BatchLoader(Numbered(), CONFIG, 4, workers=2, **settings), 7)
    resumed = take(BatchLoader(Numbered(), CONFIG, 4, workers=workers, start_step=4, **settings), 3)
    assert all(same(a, b) for a, b in zip(reference[4:], resumed, strict=True))
    single = BatchLoader(Numbered(), CONFIG, 4, cache_bytes=0, **settings).batch(6)
    assert same(reference[6], single)


def test_seed_changes_order_and_augmentation():
    settings = {"augmentation": SSDAugmentation(CONFIG), "shuffle": False}
    a, b = (take(BatchLoader(Numbered(), CONFIG, 4, seed=s, **settings), 1)[0] for s in (0, 1))
    assert a.names == b.names
    assert not np.array_equal(a.images, b.images)
    a, b = (take(BatchLoader(Numbered(), CONFIG, 10, seed=s), 1)[0] for s in (0, 1))
    assert a.names != b.names


def test_the_same_sample_is_augmented_anew_each_time():
    loader = BatchLoader(Numbered(1), CONFIG, 1, augmentation=SSDAugmentation(CONFIG))
    a, b = take(loader, 2)
    assert not np.array_equal(a.images, b.images)


def test_batches_share_no_memory():
    batches = take(BatchLoader(Numbered(3), CONFIG, 3, shuffle=False), 2)
    batches[0].images[:] = 7
    for boxes_xyxy in batches[0].gt_xyxy:
        boxes_xyxy[:] = 7
    assert batches[1].images.max() < 0
    assert batches[1].gt_xyxy[1].max() == 0.75


def test_cache_asks_once_and_keeps_to_its_bound():
    size = 30 * 40 * 3
    for cache_bytes, asked in ((1 << 20, 4), (0, 16), (2 * size, 2 + 2 * 4)):
        dataset = Numbered(4)
        loader = BatchLoader(dataset, CONFIG, 4, workers=0, cache_bytes=cache_bytes)
        take(loader, 4)
        assert dataset.asked == asked


def test_cached_samples_cannot_be_written_to():
    def vandal(sample, rng):
        sample.image[:] = 0
        return sample

    with pytest.raises(ValueError, match="read-only"):
        take(BatchLoader(Numbered(), CONFIG, 2, augmentation=vandal), 1)
    assert background_threads() == []


def test_errors_in_the_background_reach_the_caller():
    def fails(sample, rng):
        if sample.name == "5":
            raise InputError("5.jpg: broken")
        return sample

    seen = []
    loader = BatchLoader(Numbered(), CONFIG, 2, augmentation=fails, shuffle=False)
    with pytest.raises(InputError, match=r"5\.jpg"):
        seen.extend(batch.names for batch in loader)
    assert seen == [["0", "1"], ["2", "3"]]
    gc.collect()
    assert background_threads() == []


def test_no_threads_are_left_by_break_with_or_an_error():
    for _batch in BatchLoader(Numbered(), CONFIG, 2):
        assert background_threads()
        break
    gc.collect()
    assert background_threads() == []

    with BatchLoader(Numbered(), CONFIG, 2) as loader:
        steps = iter(loader)
        next(steps)
        assert background_threads()
    assert background_threads() == []
    with pytest.raises(StopIteration):
        next(steps)

    with pytest.raises(KeyboardInterrupt), BatchLoader(Numbered(), CONFIG, 2) as loader:
        for _batch in loader:
            raise KeyboardInterrupt
    assert background_threads() == []


def test_it_prepares_ahead_but_not_without_bound():
    dataset = Numbered(1000)
    with BatchLoader(dataset, CONFIG, 2, prefetch=3, cache_bytes=0) as loader:
        next(iter_ := iter(loader))
        deadline = time.monotonic() + 10
        while dataset.asked < 8 and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.05)
        assert dataset.asked == 8  # one batch given, three ready
        next(iter_)


def test_each_iteration_begins_at_the_start_step():
    loader = BatchLoader(Numbered(), CONFIG, 2, start_step=2)
    with loader:
        first, again = next(iter(loader)), next(iter(loader))
    assert same(first, again)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("batch_size", 0), ("workers", -1), ("start_step", -1), ("prefetch", 0), ("seed", -1)],
)
def test_bad_settings(setting, value):
    with pytest.raises(InputError, match=setting):
        BatchLoader(Numbered(), CONFIG, **({"batch_size": 2} | {setting: value}))
    with pytest.raises(InputError, match="dataset: has no samples"):
        BatchLoader([], CONFIG, 2)
