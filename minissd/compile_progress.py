"""Says that kernels are being compiled, so that nobody waits in silence."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager

from numba.core import event
from tqdm import tqdm

from minissd.compilation import is_kernel

NOTICE = "compiling the engine for this processor, once per machine"
PATIENCE = 1.0  # seconds of compiling that need no explanation


@contextmanager
def compile_progress():
    """Within this ``with`` block, compilation is announced on stderr, if it takes longer than a moment.

    On a terminal a line counts kernels and seconds, and goes away when the work goes on. Elsewhere, in a log
    or a notebook, one line is printed. Where all kernels are on disk already, nothing is said. The commands
    of minissd work within it; from Python nothing is said unless it is used.

    Examples
    --------
    >>> from minissd.nn import Conv2d
    >>> with compile_progress():
    ...     y = Conv2d(3, 16, 3).forward(np.zeros((1, 3, 8, 8), np.float32))
    """
    announcer = Announcer()
    event.register("numba:compile", announcer)
    try:
        yield
    finally:
        event.unregister("numba:compile", announcer)


class Announcer(event.Listener):
    """Hears from Numba what is compiled. Numba tells it under a lock, so one thread at a time."""

    def __init__(self):
        self._running = []  # a kernel, the part of it that is compiled now, a part of this part ...
        self._kernels = 0
        self._seconds = 0.0
        self._began = 0.0
        self._announced = False
        self._line = None

    def on_start(self, event):
        """A function begins to be compiled."""
        if not self._running:
            self._began = time.monotonic()
        self._running.append(event.data["dispatcher"])
        if is_kernel(self._running[-1]):
            self._kernels += 1
            if self._seconds >= PATIENCE:
                self._announce()

    def on_end(self, event):
        """A function is compiled, or cannot be."""
        self._running.pop()
        if not self._running:
            self._seconds += time.monotonic() - self._began
            self._clear()

    def _announce(self):
        if sys.stderr.isatty():
            self._clear()
            text = f"{NOTICE}: {self._seconds:.0f} s, kernel {self._kernels}"
            self._line = tqdm(bar_format="{desc}", desc=text, leave=False, dynamic_ncols=True)
        elif not self._announced:
            print(f"minissd: {NOTICE} ...", file=sys.stderr, flush=True)
        self._announced = True

    def _clear(self):
        if self._line is not None:
            self._line.close()
            self._line = None
