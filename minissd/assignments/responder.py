"""Does what the marker asks of a student's code, and answers.

It serves in two places: in a worker, where the code is a submission, and in the marker's own process, where
the code is the library with one typical mistake. So what comes out of the two can be compared.
"""

from __future__ import annotations

import importlib
import secrets

from . import wire  # by its place: the worker's package has another name
from .student_errors import StudentError, explain

CUT = (
    "What {what} returns cannot be read by the marker: {error}.\n"
    "Return arrays, numbers, tuples, lists or dictionaries."
)
GONE = "The {type_name} that was made before is gone: the program ended, or was stopped, in between."


class Responder:
    """Calls functions, makes objects and keeps them.

    Parameters
    ----------
    find : callable
        Takes a name and returns the student's function or class; raises `StudentError` if there is none.
    own_file : callable
        Takes a file name of a traceback; returns the name to show, or None if it is not the student's.
    afterwards : callable, optional
        Called after each use of the student's code with what was used; may raise `StudentError`.
    catches : tuple of exception types
        What becomes a `StudentError`.
    """

    def __init__(self, find, own_file, afterwards=lambda what: None, catches=(BaseException,)):
        self._find = find
        self._own_file = own_file
        self._afterwards = afterwards
        self._catches = catches
        self._objects = {}

    def answer(self, message):
        """Answer a request; both are bytes of `minissd.assignments.wire`."""
        try:
            request = wire.decode(message, self._revive)
            return self._answer(request)
        except StudentError as error:
            return wire.encode({"error": [error.kind, error.message]})

    def _answer(self, request):
        what = request["what"]
        try:
            return wire.encode({"result": self._do(request)}, self._refer)
        except StudentError:
            raise
        except wire.WireError as error:
            raise StudentError("reply", CUT.format(what=what, error=error)) from None
        except self._catches as error:
            raise explain(error, what, self._own_file, request["do"] == "load") from None

    def _do(self, request):
        try:
            return _ACTIONS[request["do"]](self, request)
        finally:
            self._afterwards(request["what"])

    def load(self, request):
        importlib.import_module(request["what"].removesuffix(".py"))

    def call(self, request):
        return self._call(self._find(request["what"]), request)

    def method(self, request):
        return self._call(_attribute(request["object"], request["method"]), request)

    def get(self, request):
        return _attribute(request["object"], request["attribute"])

    def new(self, request):
        return self._refer(self._find(request["what"])(*request["args"], **request["kwargs"]))

    def _call(self, function, request):
        args, kwargs = request["args"], request["kwargs"]
        passed = {**dict(enumerate(args)), **kwargs}
        before = {key: _bytes(argument) for key, argument in passed.items()}
        value = function(*args, **kwargs)
        changed = [key for key, argument in passed.items() if _bytes(argument) != before[key]]
        return (value, args if request["in_place"] else changed)

    def _refer(self, thing):
        handle = wire.Handle(secrets.randbits(52), type(thing).__name__)
        self._objects[handle.id] = thing
        return handle

    def _revive(self, reference):
        if isinstance(reference, wire.Given):
            return getattr(importlib.import_module(reference.module), reference.name)
        if reference.id not in self._objects:
            raise StudentError("exit", GONE.format(type_name=reference.type_name))
        return self._objects[reference.id]


_ACTIONS = {
    "load": Responder.load,
    "call": Responder.call,
    "method": Responder.method,
    "get": Responder.get,
    "new": Responder.new,
}


def _attribute(thing, name):
    try:
        return getattr(thing, name)
    except AttributeError:
        if hasattr(type(thing), name):  # a property that fails by itself
            raise
        kind = type(thing).__name__
        problem = (
            f"{kind} has no {name}.\n"
            f"Define it in the class, or set self.{name} in __init__, under exactly this name."
        )
        raise StudentError("missing_name", problem) from None


def _bytes(value):
    """Return what tells whether an argument was changed; None for an object that has no plain data."""
    try:
        return wire.encode(value)
    except wire.WireError:
        return None
