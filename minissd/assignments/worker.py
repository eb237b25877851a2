"""The process that a submission runs in; see `minissd.assignments.submission` for the marker's end.

It is given one request after the other on its standard input, and writes the answers to what was its standard
output. It knows neither the checks nor what they expect.
"""

from __future__ import annotations

import contextlib
import difflib
import faulthandler
import functools
import importlib
import os
import sys
import threading
from types import SimpleNamespace

import numpy  # noqa: F401 - so that it is there before the time is counted

from . import guard, wire  # by its place: this package is loaded under another name here
from .responder import Responder
from .student_errors import StudentError

try:
    import resource
except ImportError:  # Windows
    resource = None

CHANNEL_LOST = 71  # the exit code where the submission closed the worker's own channels
OPEN_FILES = 256
FILE_BYTES = 64 << 20
REPLACED = (
    "{what} replaces {names}, for all code and not only for itself.\n"
    "Give your own function another name, and assign nothing to a name in numpy or in Python's own modules."
)
STILL_RUNS = "{what} is over, but a thread that it started still runs.\nWait for it with join()."
NO_FUNCTION = "{name} in {file} is no function or class, but {found!r:.40}."
UNNAMED = "{file} has no {name}.\nDefine it under exactly this name{similar}."


def main():
    """Serve until the marker hangs up."""
    try:
        _serve()
    except EOFError:
        os._exit(0)
    except OSError:
        os._exit(CHANNEL_LOST)


def _serve():
    requests, replies = _take_channels()
    start = SimpleNamespace(**wire.decode(wire.read_frame(requests)))
    stopped_at = open(start.stopped_at, "w")  # noqa: SIM115 - for the life of the process
    responder = _prepare(start)
    wire.write_frame(replies, wire.encode({"result": None}))
    while True:
        message = wire.read_frame(requests)
        # Its thread needs no lock of Python's: it ends the process whatever the submission is doing.
        faulthandler.dump_traceback_later(start.time_limit, exit=True, file=stopped_at)
        reply = responder.answer(message)
        faulthandler.cancel_dump_traceback_later()
        wire.write_frame(replies, reply)


def _take_channels():
    """Move both channels away from where print() and input() find them; what is printed goes to stderr."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")


def _prepare(start):
    _import_given(start)
    _limit(start.memory_limit)
    os.environ.update(dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), start.folder))
    sys.modules[__package__].__path__ = []  # nothing more is to be found here
    watch = guard.Guard(start.folder, start.library)
    sys.path.insert(0, start.folder)
    if start.guarded:
        watch.close()
    find = functools.partial(_find, files=start.files)
    return Responder(find, _own_file_of(start.folder), _cleaner(watch))


def _import_given(start):
    parent = os.path.dirname(start.library)
    sys.path.append(parent)  # for a library that is not installed
    for name in start.given:
        importlib.import_module(name)
    if start.guarded:
        sys.path.remove(parent)


def _cleaner(watch):
    """Return what is done after each use of the submission, so that the next finds all as it should be."""
    recursion_limit, set_recursion_limit = sys.getrecursionlimit(), sys.setrecursionlimit
    threads = set(threading.enumerate())

    def clean(what):
        set_recursion_limit(recursion_limit)
        names = watch.restore()
        with contextlib.suppress(Exception):  # it may be closed, or something else by now
            sys.stdout.flush()
        if names:
            raise StudentError("forbidden", REPLACED.format(what=what, names=", ".join(names[:5])))
        if set(threading.enumerate()) - threads:
            raise StudentError("forbidden", STILL_RUNS.format(what=what))

    return clean


def _limit(memory):
    """Limit memory, the size of a written file and the number of open ones, where the system can do that."""
    if resource is None:
        return
    for name, most in (("AS", memory), ("FSIZE", FILE_BYTES), ("NOFILE", OPEN_FILES), ("CORE", 0)):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))


def _own_file_of(folder):
    prefix = os.path.realpath(folder) + os.sep

    def own_file(path):
        if path.startswith("<"):  # no file, such as <frozen importlib._bootstrap>
            return None
        path = os.path.realpath(path)
        return path.removeprefix(prefix) if path.startswith(prefix) else None

    return own_file


def _find(name, files):
    file = next(file for file, names in files.items() if name in names)
    module = sys.modules[file.removesuffix(".py")]
    found = getattr(module, name, None)
    if callable(found):
        return found
    if found is not None:
        raise StudentError("missing_name", NO_FUNCTION.format(file=file, name=name, found=found))
    close = difflib.get_close_matches(name, _defined_in(module), n=1)
    similar = f"; there is {close[0]}" if close else ""
    raise StudentError("missing_name", UNNAMED.format(file=file, name=name, similar=similar))


def _defined_in(module):
    return [
        name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__
    ]
