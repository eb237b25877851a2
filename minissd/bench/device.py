"""Where the programs of a row compute: on the processor, or on a GPU, and there how exactly."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import numpy as np

from minissd import backend
from minissd.bench import peers

FLOAT32, TF32 = "float32", "TF32"
# TF32 keeps 10 bits of every factor, so a product may be off by a thousandth, and Winograd's sums of products
# that nearly cancel by several times as much.
TF32_TOLERANCE = 3e-2


@dataclass(frozen=True)
class Device:
    """A device, with the precision of its matrix products.

    Attributes
    ----------
    name : str
        As `minissd.backend.check_device` returns it.
    tf32 : bool
        Whether everybody may round the factors of products to TF32; on a GPU only.
    """

    name: str = backend.CPU
    tf32: bool = False

    @property
    def on_gpu(self) -> bool:
        """Whether this is a GPU."""
        return self.name != backend.CPU

    @property
    def precision(self) -> str:
        """`FLOAT32` or `TF32`."""
        return TF32 if self.tf32 else FLOAT32

    def precisions(self):
        """This device in every precision that it has.

        Examples
        --------
        >>> [device.precision for device in Device("cuda:0").precisions()]
        ['float32', 'TF32']
        >>> len(Device().precisions())
        1
        """
        return (self, replace(self, tf32=True)) if self.on_gpu else (self,)

    def references(self):
        """The devices that our program runs on too, so that a GPU is compared with the processor."""
        if not self.on_gpu:
            return ()
        return (replace(self, tf32=False),) if self.tf32 else (PROCESSOR,)

    @property
    def reference_name(self) -> str:
        """What our program here is called where one elsewhere is measured."""
        return f"minissd in {self.precision}" if self.on_gpu else "minissd on the CPU"

    def title(self, name):
        """Name of a row.

        Examples
        --------
        >>> Device("cuda:0", tf32=True).title("a row"), Device().title("a row")
        ('a row, TF32', 'a row')
        """
        return f"{name}, {TF32}" if self.tf32 else name

    def tolerance(self, of_float32):
        """How far results may be apart, where `of_float32` is what rounding to float32 allows."""
        return max(of_float32, TF32_TOLERANCE) if self.tf32 else of_float32

    def send(self, array):
        """An array of NumPy's on this device; on a GPU in the order of its shape, as our kernels like it."""
        return backend.to_device(np.ascontiguousarray(array), self.name) if self.on_gpu else array

    def clock(self):
        """A function that returns the seconds now, when all work that was ordered before is done."""
        return EventClock() if self.on_gpu else time.perf_counter

    @contextmanager
    def settings(self):
        """Within this block everybody computes in this precision."""
        theirs = peers.tf32(self.tf32) if self.on_gpu and peers.find("torch") else nullcontext()
        with backend.tf32(self.tf32), theirs:
            yield

    def free_memory(self):
        """Give back what the programs keep of the GPU's memory."""
        if self.on_gpu:
            backend.free_memory()
            if torch := peers.find("torch"):
                torch.cuda.empty_cache()


PROCESSOR = Device()


class EventClock:
    """A clock that reads the GPU's own time: events, which the GPU marks when its work has got so far.

    Everybody's work goes to the default stream, in which the events lie.
    """

    def __init__(self):
        self._cuda, self._seconds = backend.cuda().cuda, 0.0
        self._last = self._mark()

    def __call__(self):
        last, self._last = self._last, self._mark()
        # An event's time is float32: only short differences of two are exact.
        self._seconds += self._cuda.get_elapsed_time(last, self._last) / 1e3
        return self._seconds

    def _mark(self):
        event = self._cuda.Event()
        event.record()
        event.synchronize()
        return event
