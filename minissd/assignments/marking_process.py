"""A process that marks one submission after another, so that a class is marked on all cores."""

from __future__ import annotations

import contextlib
import multiprocessing
import shutil
import signal
import tempfile

from minissd.errors import InputError


class MarkingProcess:
    """One process. It is ready when the first `receive` returns; then `send` and `receive` take turns.

    Several can be waited for with `multiprocessing.connection.wait`.

    Parameters
    ----------
    assignment : Assignment
    settings : dict
        Further arguments of `minissd.assignments.marking.mark`.
    """

    def __init__(self, assignment, settings):
        context = multiprocessing.get_context("spawn")
        self._folder = tempfile.TemporaryDirectory(prefix="minissd-class-", ignore_cleanup_errors=True)
        self._connection, theirs = context.Pipe()
        arguments = theirs, assignment, settings, self._folder.name
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def fileno(self):
        """What `multiprocessing.connection.wait` waits for."""
        return self._connection.fileno()

    def send(self, path):
        """Have a submission marked."""
        with contextlib.suppress(OSError):  # it has died; `receive` will tell
            self._connection.send(path)

    def receive(self):
        """Wait for a Report or an InputError, or at first ``"ready"``; None comes if the process has died."""
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            self.stop()
            return None

    def stop(self):
        """End the process; what it is marking is left."""
        self._connection.close()
        self._process.terminate()
        self._process.join()
        self._folder.cleanup()


def _serve(connection, assignment, settings, folder):
    """Mark what the connection asks for until it is closed, or the process that asked has ended."""
    tempfile.tempdir = folder  # whichever of the two processes ends last removes it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; one decides
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        connection.send("ready")
        while True:
            connection.send(_outcome(assignment, connection.recv(), settings))
    shutil.rmtree(folder, ignore_errors=True)


def _outcome(assignment, path, settings):
    """Mark one submission. If this process is ended meanwhile, the submission's process ends with it."""
    from minissd.assignments.marking import mark

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return mark(assignment, path, **settings)
    except InputError as error:
        return error
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
