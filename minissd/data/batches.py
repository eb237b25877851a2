"""Batches: samples brought to the form a network takes, prepared in the background.

A `BatchLoader` has no memory of what it gave: the batch of step t follows from the seed and t alone. Each
epoch has its own permutation, drawn from ``[seed, epoch]``; the augmentation of the k-th sample since the
beginning draws from ``[seed, k, 1]``. So a training that resumes at step t sees what it would have seen.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from minissd.backend import device_of, to_device
from minissd.data.augmentation import Resize
from minissd.data.image import network_input
from minissd.data.sample import Sample, sample_of
from minissd.errors import input_error

ARRAYS = ("images", "loc_target", "conf_target")  # of a batch: what the training computes with


@dataclass(frozen=True)
class Batch:
    """What one training step takes.

    Attributes
    ----------
    images : ndarray of float32, (N, 3, S, S)
        Input of the network.
    gt_xyxy : list of ndarray of float64, N of (G_n, 4)
    labels : list of ndarray of int64, N of (G_n,)
    names : list of str
    loc_target : ndarray of float32, (N, P, 4), or None
    conf_target : ndarray of int64, (N, P), or None
        Matched and encoded targets, where the loader was given a `target_fn`.
    difficult : list of ndarray of bool, N of (G_n,)
    """

    images: np.ndarray
    gt_xyxy: list
    labels: list
    names: list
    loc_target: np.ndarray | None = None
    conf_target: np.ndarray | None = None
    difficult: list = field(default_factory=list)

    def __len__(self):
        return len(self.images)

    def to(self, device):
        """Return the batch with images and targets on a device, see `minissd.backend.to_device`."""
        if device_of(self.images) == device:
            return self
        arrays = {name: getattr(self, name) for name in ARRAYS}
        sent = {n: to_device(array, device) for n, array in arrays.items() if array is not None}
        return replace(self, **sent)


def collate(samples, config, target_fn=None):
    """Make a batch of samples; images that are not S x S yet are warped to it.

    Parameters
    ----------
    samples : sequence of Sample
    config : SSDConfig
    target_fn : callable, optional
        ``target_fn(gt_xyxy, labels) -> (loc_target (N, P, 4), conf_target (N, P))``, called with the lists of
        all samples; `minissd.targets.make_batch_targets` with its settings filled in.

    Returns
    -------
    Batch
        It shares no memory with the samples.
    """
    gt_xyxy, labels = [s.gt_xyxy.copy() for s in samples], [s.labels.copy() for s in samples]
    loc_target, conf_target = (None, None) if target_fn is None else target_fn(gt_xyxy, labels)
    return Batch(
        images=network_input([sample.image for sample in samples], config),
        gt_xyxy=gt_xyxy,
        labels=labels,
        names=[sample.name for sample in samples],
        loc_target=loc_target,
        conf_target=conf_target,
        difficult=[sample.difficult.copy() for sample in samples],
    )


class BatchLoader:
    """The batches of training steps `start_step`, `start_step` + 1, ..., without end.

    Iterate over it, best within ``with``: leaving the block ends the background threads at once. Leaving
    the loop by ``break`` ends them too. Every new iteration begins at `start_step` again. An error in a
    background thread is raised where the batch it spoils is asked for.

    Parameters
    ----------
    dataset : sequence of Sample
        Anything with a length and integer indices; `VOCDetection`, `DrawnScenes`, a list.
    config : SSDConfig
    batch_size : int
        Batches always have this size; one may span two epochs.
    augmentation : callable, optional
        ``(sample, rng) -> Sample``. Without it images are only resized.
    seed : int
    shuffle : bool
        A new order in every epoch; else the data set's own.
    workers : int
        Background threads; 0 prepares each batch when it is asked for. Threads are enough, because decoding,
        resampling and colour run in compiled code that lets other threads run.
    start_step : int
        Number of the first batch.
    target_fn : callable, optional
        See `collate`; runs in the background too.
    prefetch : int
        Batches prepared ahead.
    cache_bytes : int
        Samples are kept in memory, as the data set gives them, up to this size; 0 keeps none.

    Raises
    ------
    InputError
        If the data set is empty or a number is out of its range.

    Examples
    --------
    >>> from minissd.config import TINY
    >>> from minissd.data import DrawnScenes
    >>> with BatchLoader(DrawnScenes(length=8), TINY, batch_size=4) as loader:
    ...     batch = next(iter(loader))
    >>> batch.images.shape
    (4, 3, 256, 256)
    """

    def __init__(
        self,
        dataset,
        config,
        batch_size,
        augmentation=None,
        seed=0,
        shuffle=True,
        workers=2,
        start_step=0,
        target_fn=None,
        prefetch=3,
        cache_bytes=1 << 30,
    ):
        if not len(dataset):
            raise input_error("dataset", "has no samples", "give it at least one image")
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("workers", workers, 0),
            ("start_step", start_step, 0),
            ("prefetch", prefetch, 1),
            ("seed", seed, 0),
        ):
            if value < least:
                raise input_error(name, f"is {value}", f"give {least} or more")
        self.dataset = _Cached(dataset, cache_bytes) if cache_bytes else dataset
        self.config, self.batch_size = config, batch_size
        self.augmentation = augmentation or Resize(config)
        self.seed, self.shuffle, self.workers = seed, shuffle, workers
        self.start_step, self.target_fn, self.prefetch = start_step, target_fn, prefetch
        self._open = weakref.WeakSet()  # weak, so that an iteration left by `break` still comes to its end
        self._orders = {}

    def batch(self, step):
        """Prepare the batch of one step, here and now."""
        first = step * self.batch_size
        samples = [self.sample(position) for position in range(first, first + self.batch_size)]
        return collate(samples, self.config, self.target_fn)

    def sample(self, position):
        """Return the augmented sample at `position`, counted from the first of step 0."""
        epoch, place = divmod(position, len(self.dataset))
        index = int(self._order(epoch)[place]) if self.shuffle else place
        # The 1 keeps this stream apart from the one of the order of an epoch with the same number.
        rng = np.random.default_rng([self.seed, position, 1])
        return self.augmentation(sample_of(self.dataset, index), rng)

    def _order(self, epoch):
        order = self._orders.get(epoch)
        if order is None:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))
            # A fresh dictionary instead of a change in place: other threads may be reading the old one.
            recent = {e: o for e, o in list(self._orders.items()) if abs(e - epoch) <= 1}
            self._orders = {**recent, epoch: order}
        return order

    # -- in the background -----------------------------------------------------------------------------

    def __iter__(self):
        steps = self._steps()
        self._open.add(steps)
        return steps

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """End all iterations and their threads."""
        for steps in list(self._open):
            steps.close()

    def _steps(self):
        if not self.workers:
            step = self.start_step
            while True:
                yield self.batch(step)
                step += 1
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="minissd-batches")
        try:
            ahead = range(self.start_step, self.start_step + self.prefetch)
            waiting = deque(pool.submit(self.batch, step) for step in ahead)
            step = ahead.stop
            while True:
                batch = waiting.popleft().result()
                waiting.append(pool.submit(self.batch, step))
                yield batch
                step += 1
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Cached:
    """A data set that remembers its samples, up to a number of bytes; they cannot be written to."""

    def __init__(self, dataset, limit):
        self.dataset, self.limit = dataset, limit
        self.used = 0
        self._samples = {}
        self._lock = threading.Lock()

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        sample = self._samples.get(index)
        return sample if sample is not None else self._remember(index, sample_of(self.dataset, index))

    def _remember(self, index, sample):
        with self._lock:
            if index not in self._samples and self.used + sample.image.nbytes <= self.limit:
                self.used += sample.image.nbytes
                self._samples[index] = _read_only(sample)
            return self._samples.get(index, sample)


def _read_only(sample):
    arrays = [a.view() for a in (sample.image, sample.gt_xyxy, sample.labels, sample.difficult)]
    for array in arrays:
        array.setflags(write=False)
    return Sample(*arrays, name=sample.name)
