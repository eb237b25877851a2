"""The marker's end of a worker process: starting it, talking to it, and ending it whatever it does."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from pathlib import Path

from minissd.assignments import wire
from minissd.assignments.student_errors import KIND_NAMES, StudentError, sentences
from minissd.assignments.student_files import copy_python_files
from minissd.assignments.worker import CHANNEL_LOST
from minissd.errors import input_error

HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parent
START_SECONDS = 60.0
GRACE_SECONDS = 1.0  # after the time limit, before the worker is ended from outside
SHOWN_OUTPUT = 4096  # bytes
LONGEST_MESSAGE = 4000  # characters
KEPT_VARIABLES = (
    *("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA", "NUMBA_CACHE_DIR"),  # where compiled code is
    *("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
)
NOT_STARTED = "no process for the submission could be started"
ONE_THREAD = ("OMP", "OPENBLAS", "MKL", "NUMBA")  # each with _NUM_THREADS

# The worker's files are loaded as a package of another name, so that the library itself is not.
BOOTSTRAP = """
import sys, types
package = types.ModuleType("marking")
package.__path__ = [sys.argv[1]]
sys.modules["marking"] = package
from marking.worker import main
main()
"""

UNREADABLE = (
    "{what} gave an answer that cannot be read.\n"
    "Does the code write to files or channels that it did not open itself, or close them?"
)
TOO_LONG = "{what} was not ready after {limit:g} s and was stopped."
TOO_LONG_HINT = "Is there a loop that never ends, or one over every number that NumPy could do at once?"
ENDED = (
    "{what} ended the program ({how}).\nA function returns, or raises an exception, and the program goes on."
)


class WorkerProcess:
    """One worker process, with a fresh copy of the submission.

    Parameters
    ----------
    folder : Path
        The submission.
    files : dict of str to sequence of str
        The file that each name is in.
    settings : dict
        ``given``, ``time_limit``, ``memory_limit`` and ``guarded``, see `minissd.assignments.submission`.
    output : bytearray
        Gets the end of what it prints.

    Raises
    ------
    InputError
        If it does not start.
    """

    def __init__(self, folder, files, settings, output):
        self._limit = settings["time_limit"]
        self._undo = contextlib.ExitStack()
        try:
            self._start(folder, output)
            self._begin({"files": files, "library": str(LIBRARY), **settings}, output)
        except BaseException:  # Ctrl-C too
            self.close()
            raise

    def _start(self, folder, output):
        self._job = Path(tempfile.mkdtemp(prefix="minissd-marking-")).resolve()
        self._undo.callback(shutil.rmtree, self._job, ignore_errors=True)
        self._work, self._stopped_at = self._job / "work", self._job / "stopped_at"
        copy_python_files(folder, self._work)
        self._pool = ThreadPoolExecutor(1)  # a pipe can be waited for with a limit only in a thread
        try:
            self._process = self._launch()
        except OSError as error:  # no permission, or too many processes
            fix = "allow the marker to start processes"
            raise input_error("marking", f"{NOT_STARTED}: {error}", fix) from error
        self._reader = threading.Thread(target=_drain, args=(self._process.stderr, output), daemon=True)
        self._reader.start()
        self._undo.callback(self._end)

    def _launch(self):
        environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        environment |= {f"{name}_NUM_THREADS": "1" for name in ONE_THREAD} | {"MPLBACKEND": "Agg"}
        return subprocess.Popen(
            [sys.executable, "-I", "-B", "-X", "utf8", "-c", BOOTSTRAP, str(HERE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._work,
            env=environment,
            start_new_session=True,  # so that it can be ended with all that it started
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows
        )

    def _begin(self, settings, output):
        start = settings | {"folder": str(self._work), "stopped_at": str(self._stopped_at)}
        try:
            result_of(self._pool.submit(self._talk, wire.encode(start)).result(START_SECONDS))
        except (OSError, EOFError, StillWaiting, StudentError, wire.WireError) as error:
            self.close()  # the output is whole then
            lines = f"{error}\n{output.decode(errors='replace')}".strip().splitlines() or [""]
            fix = "allow it more memory, and give it only modules that exist"
            raise input_error("marking", f"{NOT_STARTED}: {lines[-1]}", fix) from None

    @property
    def ended(self):
        """Whether the process has ended by itself."""
        return self._process.poll() is not None

    def exchange(self, request):
        """Send a request.

        Parameters
        ----------
        request : dict
            See `minissd.assignments.responder`; ``what`` names it in messages.

        Returns
        -------
        bytes
            The reply, for `result_of`.

        Raises
        ------
        StudentError
            If none came.
        """
        what = request["what"]
        task = self._pool.submit(self._talk, wire.encode(request))
        try:
            return task.result(self._limit + GRACE_SECONDS)
        except StillWaiting:
            raise self._too_long(what) from None
        except wire.WireError:
            raise StudentError("reply", UNREADABLE.format(what=what)) from None
        except (EOFError, OSError):
            raise self._death(what) from None

    def _talk(self, message):
        wire.write_frame(self._process.stdin, message)
        return wire.read_frame(self._process.stdout)

    def _death(self, what):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        code = self._process.returncode
        if self._stack():
            return self._too_long(what)
        if code in (None, CHANNEL_LOST):
            return StudentError("reply", UNREADABLE.format(what=what))
        return StudentError("exit", ENDED.format(what=what, how=_how(code)))

    def _too_long(self, what):
        headline = TOO_LONG.format(what=what, limit=self._limit)
        return StudentError("time", sentences(headline, self._line(), TOO_LONG_HINT))

    def _stack(self):
        """What the worker's clock wrote: the calls that it was in when the time was over."""
        try:
            return self._stopped_at.read_text(errors="replace")
        except OSError:
            return ""

    def _line(self):
        work = re.escape(f"{self._work}{os.sep}")
        found = re.search(rf'File "{work}(.*)", line (\d+) in (.*)', self._stack())
        return "It was at {}, line {}, in {}.".format(*found.groups()) if found else ""

    def close(self):
        """End the process, whatever it is doing, and remove its folder."""
        self._undo.close()

    def _end(self):
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
        self._process.wait()
        self._pool.shutdown()
        self._reader.join(GRACE_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # a rest that was never sent
                pipe.close()


def result_of(reply):
    """Unpack a reply, of which nothing is certain; raises the `StudentError` that it tells of."""
    try:
        values = wire.decode(reply)
        if "error" not in values:
            return values["result"]
        kind, message = values["error"]
    except (wire.WireError, TypeError, KeyError, ValueError):
        raise StudentError("reply", UNREADABLE.format(what="The code")) from None
    raise StudentError(kind if kind in KIND_NAMES else "reply", str(message)[:LONGEST_MESSAGE])


def _drain(pipe, output):
    """Read all that is printed and keep its end."""
    with contextlib.suppress(OSError, ValueError), pipe:
        while piece := pipe.read1(1 << 16):
            output += piece
            del output[:-SHOWN_OUTPUT]


def _how(code):
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit code {code}"
