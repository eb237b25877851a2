"""What a student gets: files to complete, made from the library, so that both always say the same."""

from __future__ import annotations

import ast
import re
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from minissd.assignments.blanks import blanked, definitions_of
from minissd.assignments.docstrings import replaced
from minissd.assignments.imports import import_blocks
from minissd.assignments.library import find_definition
from minissd.assignments.readme import readme
from minissd.errors import input_error
from minissd.files import written_whole

CONSTANT = re.compile(r"[A-Z_]+ = ")


def write_handout(assignment, folder):
    """Write the files to complete, a README and the notebook, if there is one.

    Parameters
    ----------
    assignment : Assignment
    folder : str or Path
        Created if needed.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If one of the files is there already, or the folder cannot be written.
    """
    texts = {"README.md": readme(assignment), **file_texts(assignment, blank)}
    if assignment.notebook_path.is_file():
        texts[f"{assignment.name}.ipynb"] = assignment.notebook_path.read_text(encoding="utf-8")
    return write_new(texts, folder)


def reference_namespace(assignment, wrong=None):
    """The answers of the library in this process, with the parameters that the handout has.

    Parameters
    ----------
    assignment : Assignment
    wrong : WrongAnswer, optional
        A mistake to make. Its code finds all the other names, and what the files import.

    Returns
    -------
    dict of str to object
        All names that the files define or import.
    """
    namespace = {"__name__": f"reference of {assignment.name}"}
    for name, text in file_texts(assignment, delegating).items():
        exec(_compiled(text, f"<reference {name}>", assignment.modules), namespace)
    if wrong:
        exec(_compiled(wrong.code, "<wrong answer>"), namespace)
    return namespace


@cache
def _compiled(text, title, siblings=()):
    """Compile a file without its imports from other files of the handout, and this file's `__future__`."""
    tree = ast.parse(text)
    tree.body = [node for node in tree.body if getattr(node, "module", None) not in siblings]
    return compile(tree, title, "exec", dont_inherit=True)


# -- the files ----------------------------------------------------------------------------------------------


def file_texts(assignment, new_body):
    """The files of a handout.

    Parameters
    ----------
    assignment : Assignment
    new_body : callable
        `blank` or `delegating`.

    Returns
    -------
    dict of str to str
        By their names.
    """
    return {file.name: file_text(assignment, file, new_body) for file in assignment.files}


@cache  # marking a wrong answer asks for the right ones again and again
def file_text(assignment, file, new_body):
    """One of the `file_texts`."""
    parts = ["\n\n".join([f'"""{file.about.strip()}"""', *imports_of(assignment, file)])]
    parts += kept_sources(file)
    parts += answer_code(assignment.questions_in(file.name), new_body).values()
    return "".join(map(below, parts)).lstrip("\n") + "\n"


def below(part):
    """A part of a file with the empty lines above it: one above a constant, two above all else."""
    return f"\n\n{part}" if CONSTANT.match(part) else f"\n\n\n{part}"


def kept_sources(file):
    """The sources of what a file gives whole."""
    return list(replaced({path: find_definition(path).text for path in file.keep}, file.replace).values())


def imports_of(assignment, file):
    """The blocks of imports at the head of a file."""
    return import_blocks([*assignment.imports, *file.imports], assignment.modules)


def answer_code(questions, new_body):
    """The sources of what is to be written.

    Parameters
    ----------
    questions : sequence of Question
        Of one file.
    new_body : callable
        `blank` or `delegating`. Of a class the latter makes an import of the library's.

    Returns
    -------
    dict of str to str
        By their names in the handout.
    """
    sources = blanked(questions, new_body)
    if new_body is delegating:
        classes = {name: found for name, found in definitions_of(questions).items() if found.is_class}
        sources |= {name: imported(found, name) for name, found in classes.items()}
    return sources


def blank(part):
    """The body that a student finds."""
    where = "its docstring" if part.literal else f"the docstring of {part.name}"
    return f'raise NotImplementedError("write {part}, see {where}")'


def delegating(part):
    """The body that leaves the work to the library."""
    return f"{imported(part.definition, 'reference')}\n\nreturn {part.call('reference')}"


def imported(definition, name):
    """The statement that imports a function or class of the library under a name."""
    return f"from {definition.module} import {definition.name}" + f" as {name}" * (name != definition.name)


def write_new(texts, folder):
    """Write files that are not there yet: all of them, or none.

    Parameters
    ----------
    texts : dict of str to str
        By their names.
    folder : str or Path

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If one of them is there, or cannot be written.
    """
    paths = {Path(folder) / name: text for name, text in texts.items()}
    for path in paths:
        if path.exists() or path.is_symlink():
            raise input_error(path, "is there already, and perhaps somebody's work", "choose another folder")
    with ExitStack() as stack:
        for path, text in paths.items():
            stack.enter_context(written_whole(path)).write_text(text, encoding="utf-8")
    return list(paths)
