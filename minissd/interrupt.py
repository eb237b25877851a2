"""Stopping a long run with Ctrl-C, but not in the middle of a step."""

from __future__ import annotations

import signal
import threading


class Interrupted(KeyboardInterrupt):
    """A run was stopped by the user; the message says how to go on."""


class CtrlC:
    """Within the block a first Ctrl-C only sets `pressed`; a second one interrupts at once.

    Outside the main thread, where Python has no signals, it does nothing.

    Attributes
    ----------
    pressed : bool
    """

    def __init__(self):
        self.pressed = False
        self._previous = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception):
        self._restore()

    def _note(self, number, frame):
        self.pressed = True
        self._restore()

    def _restore(self):
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
