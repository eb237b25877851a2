"""What a submission must not do while it is marked, and how it is kept from it.

An *audit hook* is told by Python before a file is opened, a program started, a socket made, and so on; one
that raises an exception prevents it. It stops carelessness and curiosity. Somebody who is determined to break
out of a Python process can (through ``ctypes``, for one), so an examination runs the whole marker in a
container that holds nothing worth stealing.

Numba's caches of compiled code are the exception: they may be read and written, or else every submission
would wait for the given modules to be compiled again.

The worker loads this file by its path, so it needs the standard library alone.
"""

from __future__ import annotations

import builtins
import importlib.abc
import os
import re
import sys
import sysconfig

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_SYSTEM_FILES = (
    *(os.devnull, "/dev", "/sys", "/proc/self", "/proc/cpuinfo", "/proc/meminfo"),
    *("/usr/share/zoneinfo", "/usr/share/fonts"),
)
_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")
_COMPILED = re.compile(r".*\.nb[ic](\.tmp\.\w+)?|.*__pycache__.tmp\w{8}")  # Numba's, which given modules need
_GONE = object()

STARTS = "starts another program ({event}). Everything has to happen in Python, in the function itself."
LOADS = "loads code that is not Python's ({event}). Take that out."
NETWORK = "uses the network ({event}). Everything that it needs comes through its parameters."
SIGNALS = "sends a signal to a program ({event}). Take that out."
LIMITS = "changes the limits of its own process ({event}). Take that out."
READS = "reads {path}. It may read only the files that are handed in with it."
WRITES = "writes, moves or deletes {path}. It may do that only with files in its own folder."
LIBRARY = "imports {name}, which is not given in this assignment: this is what you are to write yourself."

EVENTS = {
    **dict.fromkeys(("os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system"), STARTS),
    **dict.fromkeys(("os.startfile", "subprocess.Popen", "pty.spawn"), STARTS),
    **dict.fromkeys(("os.kill", "os.killpg", "signal.pthread_kill"), SIGNALS),
    **dict.fromkeys(("resource.setrlimit", "resource.prlimit"), LIMITS),
    "ctypes.dlopen": LOADS,
    **dict.fromkeys(("socket.__new__", "socket.getaddrinfo", "socket.gethostbyname"), NETWORK),
}

# Events about files, and how many of their first arguments are paths.
READING = {"os.listdir": 1, "os.scandir": 1}
CHANGING = {
    **dict.fromkeys(("os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.chown"), 1),
    **dict.fromkeys(("os.utime", "os.setxattr", "os.removexattr", "sqlite3.connect"), 1),
    **dict.fromkeys(("os.rename", "os.link", "os.symlink"), 2),
}


class Forbidden(PermissionError):
    """The submission tried something that is not allowed; the text goes on from its name."""

    def __str__(self):
        return self.args[0]  # also where somebody adds a file name, as shutil.rmtree does since Python 3.13


class ForbiddenImport(ImportError):
    """The submission imported a part of the library that it is to write itself."""


class Guard:
    """Watches over one process.

    Parameters
    ----------
    folder : str
        The submission's own folder.
    library : str
        Folder of the package, of which only those files may be read that are in use when this is made.
    """

    def __init__(self, folder, library):
        paths = sysconfig.get_paths()
        beside = os.path.dirname(library)  # a checkout of the library has tests and lessons there
        installed = [*(path for path in sys.path if path != beside), *(paths[name] for name in _INSTALLED)]
        self._folder, self._nothing = _real(folder), _real(os.devnull)
        self._library = _real(library)
        self._readable = tuple(_real(path) for path in (*installed, *_SYSTEM_FILES) if path)
        self._modules = {_real(path) for path in _files_in_use()}
        self._public_names = [(module, _public(module)) for module in _watched()]

    def close(self):
        """Begin. There is no way back in this process."""
        sys.meta_path.insert(0, _LibraryBlocker(os.path.basename(self._library)))
        _forbid_fork_exec()
        sys.addaudithook(self._hook)

    def restore(self):
        """Put back what was replaced in NumPy and Python themselves; return the names, such as ``numpy.exp``.

        Nothing here calls a function by its name, since any of them may be among those that were replaced.
        """
        replaced = []
        for module, names in self._public_names:
            namespace = module.__dict__
            replaced += [
                f"{module.__name__}.{k}" for k, v in names.items() if namespace.get(k, _GONE) is not v
            ]
            namespace.update(names)
        return replaced

    def _hook(self, event, arguments):
        if event == "open":
            self._check_open(*arguments)
        elif event in EVENTS:
            raise Forbidden(EVENTS[event].format(event=event))
        elif event in READING:
            self._check(arguments[:1], self._may_read, READS)
        elif event in CHANGING:
            self._check(arguments[: CHANGING[event]], self._may_write, WRITES)
        elif event == "os.mkdir":
            self._check(arguments[:1], self._may_make, WRITES)

    def _check_open(self, path, mode, flags):
        if flags & _WRITING:
            self._check([path], self._may_make, WRITES)
        else:
            self._check([path], self._may_read_file, READS)

    def _check(self, paths, allowed, message):
        for path in paths:
            if isinstance(path, int):  # a file that is open already
                continue
            if not allowed(_real("." if path is None else path)):
                raise Forbidden(message.format(path=os.path.basename(os.fsdecode(path)) or "a folder"))

    def _may_write(self, path):
        return _within(path, self._folder) or path == self._nothing or _COMPILED.fullmatch(path)

    def _may_make(self, path):
        # A folder that is there can neither be made nor written to as a file. Numba tries both.
        return self._may_write(path) or os.path.isdir(path)

    def _may_read_file(self, path):
        # An open folder would be a way to name files in it without their path.
        return self._may_read(path) and (_within(path, self._folder) or not os.path.isdir(path))

    def _may_read(self, path):
        if _within(path, self._folder) or path in self._modules or _COMPILED.fullmatch(path):
            return True
        return not _within(path, self._library) and any(_within(path, root) for root in self._readable)


class _LibraryBlocker(importlib.abc.MetaPathFinder):
    """Refuses every import of the package that has not happened yet."""

    def __init__(self, package):
        self._package = package

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self._package:
            raise ForbiddenImport(LIBRARY.format(name=name))


def _real(path):
    return os.path.normcase(os.path.realpath(os.fsdecode(path)))


def _within(path, folder):
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _files_in_use():
    return [module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)]


def _watched():
    """Return the modules whose functions a submission must not replace, since later questions need them."""
    import math

    import numpy

    given = [module for name, module in sys.modules.items() if name.partition(".")[0] == "minissd"]
    return [builtins, math, numpy, numpy.linalg, numpy.random, *given]


def _public(module):
    return {k: v for k, v in vars(module).items() if not k.startswith("_") or k == "__import__"}


def _forbid_fork_exec():
    """Forbid the one function that starts processes without telling the hook (up to Python 3.13)."""
    try:
        import _posixsubprocess
    except ImportError:  # Windows
        return

    def fork_exec(*arguments):
        raise Forbidden(STARTS.format(event="fork_exec"))

    _posixsubprocess.fork_exec = fork_exec
