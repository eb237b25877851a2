"""Running the checks of an assignment with pytest, inside this process and without a trace.

pytest may already be running here, as in minissd's own tests: its settings, plugins and environment are kept
out, and nothing is printed.
"""

from __future__ import annotations

import inspect
import os
import warnings
from contextlib import contextmanager
from traceback import extract_tb
from types import SimpleNamespace

import numpy as np
import pytest

from minissd.assignments.asking import Ask, Unmarkable, Wrong
from minissd.assignments.check_modules import checks_of_folder
from minissd.assignments.handout import reference_namespace
from minissd.assignments.report import Result, clean
from minissd.errors import input_error

PATIENCE = 3  # times the time limit of a call, for all checks of a question together
HOPELESS = ("time", "forbidden")  # kinds of `StudentError` after which the rest of a question is left out
UNUSED = (  # pytest's plugins that print, write files, or take over what the outer pytest has taken over
    "terminal capture cacheprovider faulthandler unraisableexception threadexception warnings logging "
    "debugging doctest junitxml pastebin stepwise setuponly setupplan nose unittest recwarn subtests xdist"
)


def run_checks(assignment, submission, questions, time_limit):
    """Run the checks of some questions.

    Parameters
    ----------
    assignment : Assignment
    submission : Submission or LocalSubmission
    questions : sequence of str
    time_limit : float
        Seconds for one call, which the submission enforces.

    Returns
    -------
    tuple of Result

    Raises
    ------
    InputError
        If the checks cannot be loaded, or the submission cannot be asked.
    """
    if missing := [path for path in assignment.checks_paths if not path.is_file()]:
        raise input_error(missing[0], "is missing", "write the checks")
    run = CheckRun(assignment, submission, questions, time_limit)
    arguments = [*map(str, assignment.checks_paths), "-c", os.devnull]
    arguments += [f"--rootdir={assignment.folder}", f"--confcutdir={assignment.folder}"]  # look no higher
    arguments += ["--noconftest", "--import-mode=importlib", "--assert=plain", "-o", "addopts="]
    arguments += [word for plugin in UNUSED.split() for word in ("-p", f"no:{plugin}")]
    with _apart(), checks_of_folder(assignment.folder):
        code = pytest.main(arguments, plugins=[run])
    if run.broken:
        raise input_error(assignment.checks_folder, f"cannot be loaded: {run.broken}")
    if run.unmarkable:
        raise run.unmarkable
    if code == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise input_error(assignment.checks_folder, f"pytest stopped with {code!r}")
    return tuple(run.results)


class CheckRun:
    """The plugin: gives the checks their fixtures, and notes what becomes of them.

    Attributes
    ----------
    results : list of Result
    broken : str
        Why the checks could not be loaded; empty if they could.
    unmarkable : InputError or None
        Why the submission cannot be marked.
    """

    def __init__(self, assignment, submission, questions, time_limit):
        self._assignment, self._submission, self._questions = assignment, submission, questions
        self._patience = PATIENCE * time_limit
        self.results, self.broken, self.unmarkable = [], "", None
        self._failure, self._seconds = None, 0.0  # of the check that runs
        self._given_up, self._spent = {}, {}  # by question: why and its kind, and seconds

    @pytest.fixture
    def ask(self, request):
        """Asks the submission."""
        question = _question_of(request.node)
        if question in self._given_up:
            raise Wrong(*self._given_up[question])
        return Ask(self._submission, self._assignment, self._assignment.question(question))

    @pytest.fixture
    def rng(self):
        """A random generator with a fixed seed."""
        return np.random.default_rng(0)

    @pytest.fixture(scope="session")
    def reference(self):
        """The right answers, by name."""
        return SimpleNamespace(**reference_namespace(self._assignment))

    def pytest_configure(self, config):
        """Set the options of the left out terminal plugin that pytest looks at."""
        config.option.verbose = 0
        config.option.tbstyle = "native"  # nobody sees tracebacks, and this form takes the least time

    def pytest_collectreport(self, report):
        if report.failed and not self.broken:  # what fails later may only miss what failed before
            self.broken = str(report.longrepr).strip().splitlines()[-1]

    def pytest_collection_modifyitems(self, items):
        try:
            items.sort(key=lambda item: self._assignment.place_of(_question_of(item)))
        except ValueError as error:
            self.broken = str(error)
        items[:] = [item for item in items if not self.broken and _question_of(item) in self._questions]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        self._seconds += report.duration
        error = call.excinfo and call.excinfo.value
        if isinstance(error, Unmarkable):
            self.unmarkable = error.__cause__
            item.session.shouldstop = "nobody to ask"
        elif error and self._failure is None:
            self._failure = kind_and_message(error)
        if call.when == "teardown":
            self._note(item)
        return report

    def _note(self, item):
        (question, most), (kind, message) = question_and_points(item.obj), self._failure or ("", "")
        title = title_of(item.obj) + item.name.removeprefix(item.originalname).replace("[", " [")
        earned = 0 if kind else most
        seconds = round(self._seconds, 3)
        self.results.append(Result(question, item.name, earned, most, clean(message), seconds, title, kind))
        self._spent[question] = self._spent.get(question, 0) + self._seconds
        if kind in HOPELESS:
            self._given_up.setdefault(question, (message, kind))
        elif self._spent[question] > self._patience:
            text = f"The checks of {question} took over {self._patience:g} s together; the rest was left out."
            self._given_up.setdefault(question, (text, "time"))
        self._failure, self._seconds = None, 0.0


def _question_of(item):
    return question_and_points(item.obj)[0]


def question_and_points(check):
    """Question and points of a check, as `minissd.assignments.marking.points` noted them."""
    if not hasattr(check, "points"):
        raise input_error(f"check {check.__name__}", "no points", 'write @points("question", 2) above it')
    return check.points


def title_of(check):
    """What a check checks: the first line of its docstring."""
    return (inspect.getdoc(check) or check.__name__).splitlines()[0]


def kind_and_message(error):
    """What happened in a check that did not pass, as a word and as a message for the student."""
    if isinstance(error, AssertionError):
        line = extract_tb(error.__traceback__)[-1].line
        return getattr(error, "kind", "wrong"), str(error) or f"This does not hold: {line}"
    if isinstance(error, pytest.skip.Exception):
        return "skipped", f"Not checked: {error}"
    problem = f"The check could not go on with what came ({type(error).__name__}: {error})."
    return "check", f"{problem}\nIs it of the type that was asked for?"


@contextmanager
def _apart():
    """Keep the inner pytest from the outer one: warnings and environment."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("PYTEST_")}
    try:
        for name in environment:
            del os.environ[name]
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD", None)
        os.environ.update(environment)
