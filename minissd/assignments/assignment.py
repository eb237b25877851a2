"""Assignments: questions, the files they are answered in, and the mistakes that people make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from minissd.assignments.library import split
from minissd.choice import chosen
from minissd.lessons import notebooks_folder

FOLDER = Path(__file__).parent  # of those that come with minissd
CHECKS = "checks"


@dataclass(frozen=True)
class WrongAnswer:
    """A mistake that people make.

    Attributes
    ----------
    mistake : str
        Ends the sentence "This is what comes out if ...".
    code : str
        Definitions that make the mistake.
    hint : str
        Sentences that help.
    """

    mistake: str
    code: str
    hint: str = ""


@dataclass(frozen=True)
class Question:
    """Something to write: one function, several, or a class.

    Attributes
    ----------
    name : str
    file : str
        Name of the handout's file.
    answers : tuple of str
        What of the library the student writes: functions, classes, or single methods of a class. With
        ``"minissd.nn.conv_loops.forward as conv_forward"`` the student's has another name.
    task : str
        What to do, in a few sentences.
    leave_out : tuple of str
        Parameters that the handout does not have.
    replace : tuple of (str, str)
        Words of the docstrings, and what stands there instead.
    wrong : tuple of WrongAnswer
    """

    name: str
    file: str
    answers: tuple[str, ...]
    task: str
    leave_out: tuple[str, ...] = ()
    replace: tuple[tuple[str, str], ...] = ()
    wrong: tuple[WrongAnswer, ...] = ()

    @property
    def answer_names(self):
        """Names of the functions and classes that the student defines."""
        return tuple(dict.fromkeys(path_and_name(answer)[1] for answer in self.answers))

    @property
    def written_names(self):
        """The same, but ``Head.forward`` where only that method of a class is asked for."""
        names = []
        for path, name in map(path_and_name, self.answers):
            *_, owner, last = path.split(".")
            names.append(f"{name}.{last}" if owner == name else name)
        return tuple(names)


@dataclass(frozen=True)
class File:
    """A file of the handout.

    Attributes
    ----------
    name : str
    about : str
        Its docstring.
    imports : tuple of str
        Lines beside those of the assignment, such as ``"from boxes import iou"``.
    keep : tuple of str
        What of the library is handed out whole.
    replace : tuple of (str, str)
        Words of that, and what stands there instead.
    """

    name: str
    about: str
    imports: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    replace: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Assignment:
    """Questions, the files they are answered in, and the folder of manifest and checks.

    Attributes
    ----------
    name, title : str
    trains : str
        A sentence for teachers.
    hours : float
    lessons : tuple of str
        Notebooks that prepare for it, such as ``"01_priors"``.
    given : tuple of str
        Modules of minissd that an answer may import.
    imports : tuple of str
        First lines of every file.
    files : tuple of File
    questions : tuple of Question
    folder : Path
    """

    name: str
    title: str
    trains: str
    hours: float
    files: tuple[File, ...]
    questions: tuple[Question, ...]
    folder: Path
    lessons: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    imports: tuple[str, ...] = ("import numpy as np",)

    @property
    def file_names(self):
        """Names of the files that a student hands in."""
        return tuple(file.name for file in self.files)

    @property
    def address(self):
        """What `load_assignment` finds it by: its name, or its folder if it does not come with minissd."""
        return self.name if self.folder.parent == FOLDER else str(self.folder)

    @property
    def checks_folder(self):
        """The package of the checks."""
        return self.folder / CHECKS

    @property
    def checks_paths(self):
        """Its files with checks: one for each file of the handout that has questions, of the same name."""
        return [self.checks_folder / name for name in dict.fromkeys(each.file for each in self.questions)]

    @property
    def notebook_path(self):
        """The notebook that goes with it, in its own folder or among the lessons; it may be missing."""
        own = self.folder / f"{self.name}.ipynb"
        return own if own.is_file() else notebooks_folder() / "assignments" / own.name

    @property
    def modules(self):
        """The files as Python imports them: their names without ``.py``."""
        return tuple(Path(name).stem for name in self.file_names)

    @property
    def answers_by_file(self):
        """Names of the functions and classes that the student defines in each file: a dict of tuples."""
        names = dict.fromkeys(self.file_names, ())
        for question in self.questions:
            names[question.file] += question.answer_names
        return names

    def questions_in(self, file_name):
        """The questions that a file answers."""
        return [question for question in self.questions if question.file == file_name]

    def question(self, name):
        """Return the question of a name; raise InputError, which lists the names, if there is none."""
        return chosen({each.name: each for each in self.questions}, name, self.name, "question")

    def place_of(self, question):
        """Where the question of a name stands among all, from 0; raises InputError as `question` does."""
        return self.questions.index(self.question(question))

    def file(self, name):
        """Return the file of a name; raise InputError, which lists the names, if there is none."""
        return chosen({each.name: each for each in self.files}, name, self.name, "file")


def path_and_name(answer):
    """Take an answer apart into what it is in the library and what the student calls it.

    Examples
    --------
    >>> path_and_name("minissd.boxes.iou")
    ('minissd.boxes.iou', 'iou')
    >>> path_and_name("minissd.models.head.Head.forward")
    ('minissd.models.head.Head.forward', 'Head')
    >>> path_and_name("minissd.nn.conv_loops.forward as conv_forward")
    ('minissd.nn.conv_loops.forward', 'conv_forward')
    """
    path, _, name = answer.partition(" as ")
    return path, name or split(path)[1][0]
