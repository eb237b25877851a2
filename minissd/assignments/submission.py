"""A student's files, and what can be asked of them.

The files are copied to a folder of their own, and a process of their own, the *worker*, runs them. The
marker sends it the name of a function with arguments and receives the result. A worker that dies or does not
answer in time costs one question: the next one gets a new worker.

Read on in this order: `wire` (what is sent), `responder` (what the worker does with it), `worker` (the
process that it runs in), `guard` (what it must not do), `process` (the marker's end of it), `student_errors`
(messages).
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

from minissd.assignments import wire
from minissd.assignments.limits import MEMORY_LIMIT, TIME_LIMIT
from minissd.assignments.process import LIBRARY, SHOWN_OUTPUT, WorkerProcess, result_of
from minissd.assignments.responder import Responder
from minissd.assignments.student_errors import StudentError
from minissd.assignments.student_files import fault_of
from minissd.assignments.wire import Given, Handle
from minissd.errors import input_error

__all__ = ["Given", "Handle", "LocalSubmission", "StudentError", "Submission"]

WORKER_SPOILED = ("time", "memory", "forbidden", "reply")  # kinds after which a new worker is started
NOT_STUDENTS = [str(LIBRARY), *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))]


class _Asked:
    """What can be asked, wherever the code runs; `_exchange` says how."""

    def call(self, name, args=(), kwargs=None):
        """Call a function.

        Parameters
        ----------
        name : str
        args : sequence
            What `minissd.assignments.wire` can send; a `Handle` or `Given` stands for the object it names.
        kwargs : dict, optional

        Returns
        -------
        value : object
            As described at `minissd.assignments.wire.decode`; anything else is a `Handle`.
        changed : list of int or str
            Positions and names of the arguments that the function modified.

        Raises
        ------
        StudentError
            If there is no answer.
        """
        return self._ask("call", name, args, kwargs, in_place=False)

    def call_in_place(self, name, args=(), kwargs=None):
        """Call a function that modifies its arguments; returns its value and the arguments afterwards."""
        return self._ask("call", name, args, kwargs, in_place=True)

    def new(self, name, args=(), kwargs=None):
        """Make an object of a class; returns its `Handle`."""
        return self._ask("new", name, args, kwargs)

    def call_method(self, handle, method, args=(), kwargs=None):
        """Call a method of an object; returns its value and the changed arguments, as `call` does."""
        what = f"{handle.type_name}.{method}"
        return self._ask("method", what, args, kwargs, object=handle, method=method, in_place=False)

    def get(self, handle, attribute):
        """Return an attribute of an object."""
        return self._ask("get", f"{handle.type_name}.{attribute}", object=handle, attribute=attribute)

    def _ask(self, do, what, args=(), kwargs=None, **details):
        request = {"do": do, "what": what, "args": list(args), "kwargs": kwargs or {}, **details}
        return result_of(self._exchange(request))


class LocalSubmission(_Asked):
    """The same for functions of this process: without limits, and without protection.

    Parameters
    ----------
    namespace : dict
        Name to function or class.

    Examples
    --------
    >>> LocalSubmission({"double": lambda x: 2 * x}).call("double", [21])
    (42, [])
    """

    def __init__(self, namespace):
        self._namespace = namespace
        self._responder = Responder(self._find, _file_outside_packages, catches=(Exception, SystemExit))

    def _find(self, name):
        if callable(self._namespace.get(name)):
            return self._namespace[name]
        raise StudentError("missing_name", f"There is no {name}.\nDefine it under exactly this name.")

    def _exchange(self, request):
        return self._responder.answer(wire.encode(request))


def _file_outside_packages(path):
    if "ipykernel" in path:
        return "the notebook"
    code = Path(path)  # a name such as <string> is no file
    return None if path.startswith(tuple(NOT_STUDENTS)) or not code.is_file() else code.name


class Submission(_Asked):
    """A student's folder; use it in a ``with`` statement.

    Parameters
    ----------
    folder : str or Path
        Of its files, those that end in ``.py`` are copied; links are not followed.
    files : dict of str to sequence of str
        The file that each function or class is in, ``{"boxes.py": ("iou",)}``. A file is imported when
        something in it is first used, so one that cannot be imported costs only its own questions.
    given : sequence of str
        Modules of minissd that it may import, with all that they import themselves.
    time_limit : float
        Seconds for one call, and for importing one file.
    memory_limit : int
        Bytes of address space, where the operating system can limit it (Linux).
    guarded : bool
        Whether `minissd.assignments.guard` watches over it.

    Attributes
    ----------
    output : str
        The end of what it has printed.

    Examples
    --------
    >>> with Submission("handout", {"boxes.py": ("iou",)}) as student:  # doctest: +SKIP
    ...     student.call("iou", [[[0, 0, 2, 2]], [[1, 1, 3, 3]]])
    (array([[0.14285714]]), [])
    """

    def __init__(
        self, folder, files, given=(), time_limit=TIME_LIMIT, memory_limit=MEMORY_LIMIT, guarded=True
    ):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise input_error(folder, "is not a folder", "name the folder that the student handed in")
        self._files = {file: tuple(names) for file, names in files.items()}
        self._settings = {
            "given": list(given),
            "time_limit": float(time_limit),
            "memory_limit": int(memory_limit),
            "guarded": bool(guarded),
        }
        self._broken = {}
        self._loaded = set()
        self._worker = None
        self._output = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """End the worker and remove its folder."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None
        self._loaded.clear()

    @property
    def output(self):
        """The end of what the submission has printed."""
        return self._output[-SHOWN_OUTPUT:].decode(errors="replace")

    def _ask(self, do, what, args=(), kwargs=None, **details):
        if self._worker is not None and self._worker.ended:
            self.close()
        if do in ("call", "new"):
            self._load(self._file_of(what))
        try:
            return super()._ask(do, what, args, kwargs, **details)
        except StudentError as error:
            if error.kind in WORKER_SPOILED:
                self.close()
            raise

    def _file_of(self, name):
        for file, names in self._files.items():
            if name in names:
                return file
        raise input_error(name, "is in none of the files of the assignment", "name it in the manifest")

    def _load(self, file):
        """Import a file once per worker; what went wrong the first time goes wrong every time."""
        if file in self._loaded:
            return
        try:
            self._import(file)
        except StudentError as error:
            self._broken[file] = (error.kind, error.message)
            raise
        self._loaded.add(file)

    def _import(self, file):
        if file in self._broken:
            raise StudentError(*self._broken[file])
        if fault_of(self.folder / file):
            raise StudentError("missing_file", fault_of(self.folder / file))
        self._ask("load", file)

    def _exchange(self, request):
        if self._worker is None:
            self._worker = WorkerProcess(self.folder, self._files, self._settings, self._output)
        return self._worker.exchange(request)
