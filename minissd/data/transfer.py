"""Batches on their way to a GPU, each while the one before it is at work.

A GPU does its work in *streams*, each in order. Copies have a stream of their own here, and *events* tell it
and the computing one when to wait for each other; Python waits for neither. Only from *pinned* memory, which
the operating system leaves where it is, can the GPU copy by itself.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import replace

import numpy as np

from minissd.backend import CPU, use
from minissd.data.batches import ARRAYS


def on_device(batches, device):
    """Give the same batches with their arrays on a device.

    Parameters
    ----------
    batches : iterable of Batch
    device : str
        On ``"cpu"`` the batches are given as they are. A GPU always has the next batch on its way.

    Returns
    -------
    iterable of Batch
    """
    return batches if device == CPU else _sent_ahead(batches, Sender(device))


def _sent_ahead(batches, sender):
    waiting = deque()
    try:
        for batch in batches:
            waiting.append(sender.send(batch))
            if len(waiting) == 2:  # the first is asked for when the second is on its way
                yield sender.receive(waiting.popleft())
        yield from map(sender.receive, waiting)
    finally:
        sender.finish()


class Sender:
    """Sends batches to a GPU on a stream of its own.

    Parameters
    ----------
    device : str
        ``"cuda:0"``, ``"cuda:1"``...
    """

    def __init__(self, device):
        self.cupy = use(device)
        self.stream = self.cupy.cuda.Stream(non_blocking=True)
        self.slots = itertools.cycle([Slot(), Slot()])

    def send(self, batch):
        """Order the copies of a batch; returns the batch to come and the event of its arrival."""
        slot = next(self.slots)
        slot.wait()
        # The new arrays may get memory from which work that was ordered before is still reading.
        self.stream.wait_event(self._computing().record())
        arrays = {}
        for name in ARRAYS:
            if getattr(batch, name) is not None:
                pinned = slot.fill(self.cupy, name, getattr(batch, name))
                arrays[name] = self.cupy.empty(pinned.shape, pinned.dtype)
                arrays[name].set(pinned, stream=self.stream)
        slot.arrival = self.stream.record()
        return replace(batch, **arrays), slot.arrival

    def receive(self, sent):
        """Return the batch; what is computed from now on waits for its arrival."""
        batch, arrival = sent
        self._computing().wait_event(arrival)
        return batch

    def finish(self):
        """Wait until all has arrived: only then may others get the memory of what is on its way."""
        self.stream.synchronize()

    def _computing(self):
        return self.cupy.cuda.get_current_stream()


class Slot:
    """Pinned memory for one batch, and the event after which it may be written to again."""

    def __init__(self):
        self.arrays, self.arrival = {}, None

    def wait(self):
        """Wait until what was sent from here has arrived."""
        if self.arrival is not None:
            self.arrival.synchronize()

    def fill(self, cupy, name, array):
        """Copy an array into the slot; returns the copy."""
        pinned = self.arrays.get(name)
        if pinned is None or (pinned.shape, pinned.dtype) != (array.shape, array.dtype):
            memory = cupy.cuda.alloc_pinned_memory(array.nbytes)
            pinned = np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
            self.arrays[name] = pinned
        pinned[...] = array
        return pinned
