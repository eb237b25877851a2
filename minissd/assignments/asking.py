"""What the checks of an assignment use: they ask a submission, and say of the answer what it must be.

``ask("iou", a, b).is_close(expected)`` calls the student's function. If the answer is wrong, the check fails
with a message for the student: the call, what was expected, what came, where it first differs. All that was
asked is noted down, so that it can be asked again of an answer that makes a typical mistake; if that gives
what the student gave, the message names the mistake.
"""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from minissd.assignments.answer import Answer, Wrong, part_of, part_text
from minissd.assignments.comparison import is_list_of_numbers, is_numeric
from minissd.assignments.display import call_text
from minissd.assignments.handout import reference_namespace
from minissd.assignments.submission import Handle, LocalSubmission, StudentError
from minissd.errors import InputError

__all__ = ["Answer", "Ask", "RemoteObject", "Unmarkable", "Wrong"]

DURING_A_CALL = ("raised", "time", "memory", "exit", "reply")  # kinds of StudentError
MOST_EARLIER_STEPS = 4  # that a message shows


class Unmarkable(Exception):
    """The submission cannot be asked at all, which is not its fault; the cause is an `InputError`."""


@dataclass(frozen=True)
class Step:
    """One thing that a submission was asked; it can be asked again of another one.

    Attributes
    ----------
    how : str
        Method of `Submission`: call, call_in_place, new, call_method or get.
    name : str
        Function, class, method or attribute.
    args : tuple
    kwargs : dict
    of : RemoteObject, optional
        Whose method or attribute it is.
    """

    how: str
    name: str
    args: tuple = ()
    kwargs: dict = field(default_factory=dict)
    of: RemoteObject | None = None

    def take(self, submission, results):
        """Ask a submission; `results` are those of the earlier steps. Returns the value and what changed."""

        def there(value):
            return value.found_in(results) if isinstance(value, RemoteObject) else value

        what = [self.name] if self.of is None else [there(self.of), self.name]
        if self.how != "get":
            what += [_mapped(self.args, there), _mapped(self.kwargs, there)]
        result = getattr(submission, self.how)(*what)
        if self.how in ("new", "get"):
            return result, ()
        value, more = result
        return ((value, *more), ()) if self.how == "call_in_place" else (value, more)

    def objects(self):
        """The objects that take part."""
        found = []
        _mapped((self.of, self.args, self.kwargs), found.append)
        return [each for each in found if isinstance(each, RemoteObject)]


class Ask:
    """Asks a submission for the values of its functions; the fixture ``ask`` of every check.

    Parameters
    ----------
    submission : Submission or LocalSubmission
    assignment : Assignment
    question : Question
        Its wrong answers are tried to explain what came.
    """

    def __init__(self, submission, assignment, question):
        self.submission, self.assignment, self.question = submission, assignment, question
        self.steps, self.results, self.objects = [], {}, []

    def __call__(self, name, *args, **kwargs):
        """Call a function of the submission. Lists of numbers become arrays.

        Returns
        -------
        Answer

        Raises
        ------
        Wrong
            If it cannot be called, fails, or modifies one of its arguments.
        """
        return self._take("call", name, args, kwargs)

    def in_place(self, name, *args, **kwargs):
        """Call a function that may modify its arguments; the answer is ``(result, *arguments after)``."""
        return self._take("call_in_place", name, args, kwargs)

    def new(self, name, *args, **kwargs):
        """Make an object of a class of the submission; returns a `RemoteObject`."""
        return self._take("new", name, args, kwargs).value

    def _take(self, how, name, args=(), kwargs=None, of=None):
        args, kwargs = _prepared(tuple(args)), _prepared(kwargs or {})
        step, index = Step(how, name, args, kwargs, of), len(self.steps)
        self.steps.append(step)
        try:
            result, changed = step.take(self.submission, self.results)
        except StudentError as error:
            during = f"{self.text_of(index)}\n" if error.kind in DURING_A_CALL else ""
            raise Wrong(f"{during}{error}", error.kind) from None
        except InputError as error:
            raise Unmarkable from error
        self.results[index] = result
        if changed:
            raise Wrong(self._changed(index, changed))
        return Answer(self, index, self._wrapped(result, index))

    def _wrapped(self, value, index, path=()):
        """The value with a `RemoteObject` in place of each handle."""
        if isinstance(value, Handle):
            step = self.steps[index]
            kind = step.name if step.how == "new" else value.type_name
            same = sum(each.type_name == kind for each in self.objects)
            name = kind.lower() + (f"_{same + 1}" if same else "")
            self.objects.append(RemoteObject(self, index, path, kind, name))
            return self.objects[-1]
        if type(value) in (tuple, list):
            return type(value)(self._wrapped(each, index, (*path, i)) for i, each in enumerate(value))
        return value

    def again(self, index, submission):
        """Ask another submission for what step `index` asked, in the same way; returns the value."""
        results = {}
        for i in range(index + 1) if self.objects else (index,):  # objects have a history
            results[i], _ = self.steps[i].take(submission, results)
        return results[index]

    def likely_mistake(self, matches):
        """Find the typical mistake of the question that gives what came.

        Parameters
        ----------
        matches : callable
            Is given a `LocalSubmission` that makes the mistake; returns whether it gives what came.

        Returns
        -------
        str
            A sentence and a hint, or ``""``.
        """
        for wrong in self.question.wrong:
            try:
                found = matches(LocalSubmission(reference_namespace(self.assignment, wrong)))
            except Exception:  # it stumbles over this question in a way of its own: not what came
                continue
            if found:
                return f"This is what comes out if {wrong.mistake}.\n{wrong.hint}".strip()
        return ""

    def text_of(self, index, path=()):
        """The call of a step as text, after what was done before; `path` leads to the part that is meant."""
        lines = [self._step_text(i).partition("\n")[0].removesuffix(" with") for i in self._before(index)]
        if len(lines) > MOST_EARLIER_STEPS:
            lines[1 : 1 - MOST_EARLIER_STEPS] = ["..."]
        return "\n".join([*lines, self._step_text(index, path)])

    def _before(self, index):
        """The earlier steps that made or used the objects of a step, or those that these were made of."""
        objects, before = set(self.steps[index].objects()), []
        for i in reversed(range(index)):
            if i in {each.index for each in objects} or objects & set(self.steps[i].objects()):
                objects |= set(self.steps[i].objects())
                before.insert(0, i)
        return before

    def _step_text(self, index, path=()):
        step = self.steps[index]
        name = step.name if step.of is None else f"{step.of.name}.{step.name}".removesuffix(".__call__")
        if step.how == "get":
            return name + part_text(self.results.get(index), path)
        arguments = self._named(step)
        if step.how == "call_in_place" and path and path[0]:
            afterwards = list(arguments)[path[0] - 1] + part_text(step.args[path[0] - 1], path[1:])
            return f"{call_text(name, arguments)}\n{afterwards} after the call:"
        made = [each.name for each in self.objects if each.index == index and not each.path]
        part = part_text(self.results.get(index), path)
        return "".join(f"{each} = " for each in made) + call_text(name, arguments, part)

    def _named(self, step):
        """The arguments of a step by the names of the parameters."""
        try:
            if step.of is None:
                function, selves = self._reference[step.name], ()
            else:
                function, selves = getattr(self._reference[step.of.type_name], step.name), (None,)
            bound = inspect.signature(function).bind_partial(*selves, *step.args, **step.kwargs)
        except (KeyError, AttributeError, TypeError, ValueError):
            return {**{f"argument_{i + 1}": value for i, value in enumerate(step.args)}, **step.kwargs}
        return dict(list(bound.arguments.items())[len(selves) :])

    @cached_property
    def _reference(self):
        return reference_namespace(self.assignment)

    def _changed(self, index, changed):
        step, first = self.steps[index], changed[0]
        names = dict(enumerate(self._named(step)))
        name = names.get(first, f"argument_{first + 1}") if isinstance(first, int) else first
        return (
            f"{self.text_of(index)}\n{step.name} changed its argument {name}. "
            f"Others still need it as it was: work on a copy, {name}.copy()."
        )


class RemoteObject:
    """An object that a submission made, and that lives there.

    Attributes
    ----------
    type_name : str
    name : str
        What messages call it.
    """

    def __init__(self, ask, index, path, type_name, name):
        self._ask, self.index, self.path = ask, index, path
        self.type_name, self.name = type_name, name

    def __repr__(self):
        return self.name

    def __deepcopy__(self, memo):
        return self

    def call(self, method, *args, **kwargs):
        """Call one of its methods; returns an `Answer`."""
        return self._ask._take("call_method", method, args, kwargs, self)

    def get(self, attribute):
        """Ask for one of its attributes; returns an `Answer`."""
        return self._ask._take("get", attribute, of=self)

    def found_in(self, results):
        """Its handle, in the results of the steps that were taken."""
        return part_of(results[self.index], self.path)


def _prepared(value):
    """A copy in which lists of numbers are arrays."""
    return _mapped(value, copy.deepcopy)


def _mapped(value, change):
    """The value and what is in lists, tuples and dictionaries changed; lists of numbers become arrays."""
    if isinstance(value, list) and is_list_of_numbers(value) and is_numeric(value):
        return change(np.asarray(value))
    if isinstance(value, dict):
        return {key: _mapped(each, change) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_mapped(each, change) for each in value)
    return change(value)
