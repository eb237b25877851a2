"""What a manifest may say wrongly of the library, or of itself, although every entry is of the right kind."""

from __future__ import annotations

import ast
from collections import Counter

from minissd.assignments.blanks import blanked, definitions_of
from minissd.assignments.imports import module_of
from minissd.assignments.library import find_definition, is_module, names_of
from minissd.errors import InputError


def faults_of(assignment):
    """Say what is wrong with an assignment.

    Parameters
    ----------
    assignment : Assignment

    Yields
    ------
    str
        Where, what, and in brackets how to mend it.
    """
    yield from repeated_names(assignment)
    for module in assignment.given:
        if not is_module(module):
            yield f"given: there is no module {module} (give its full name, such as minissd.config)"
    for line in assignment.imports:
        yield from faults_of_import(line, assignment)
    for file in assignment.files:
        for fault in faults_of_file(file, assignment):
            yield f"file {file.name}: {fault}"
    for question in assignment.questions:
        for fault in faults_of_question(question, assignment):
            yield f"question {question.name}: {fault}"


def repeated_names(assignment):
    """Names that mean two things."""
    names = {
        "files": assignment.file_names,
        "questions": [question.name for question in assignment.questions],
        "answers": [name for question in assignment.questions for name in _whole_answers(question)],
    }
    for what, of_kind in names.items():
        for name, count in Counter(of_kind).items():
            if count > 1:
                yield f"{count} {what} are called {name} (give each a name of its own)"


def _whole_answers(question):
    """The names of a question's answers; several questions may ask for methods of one class."""
    return [name for name, found in definitions_of([question]).items() if not found.method]


def faults_of_file(file, assignment):
    """What is wrong with the imports of a file, and with what it gives."""
    for line in file.imports:
        yield from faults_of_import(line, assignment)
    answers = {name for question in assignment.questions for name in question.answer_names}
    for path in file.keep:
        for name in names_of(find_definition(path).node) & answers:
            yield f"keep: {name} is to be written (keep something else)"


def faults_of_import(line, assignment):
    """Whether a line is an import, and one that `reference_namespace` can do without."""
    module = module_of(line)
    if module is None:
        yield f"imports: {line!r} imports nothing (write it as in a file)"
    elif module in assignment.modules and (line.startswith("import") or " as " in line):
        yield f"imports: {line!r} (of the handout's own files import names: from {module} import ...)"


def faults_of_question(question, assignment):
    """What is wrong with the answers of a question, and with its wrong ones."""
    if question.file not in assignment.file_names:
        yield f"file: there is no {question.file} (name one of the files)"
    try:
        blanked([question], lambda part: "pass")
    except InputError as error:
        yield str(error)
    for wrong in question.wrong:
        if fault := fault_of_code(wrong.code, question.answer_names):
            yield f"wrong answer {wrong.mistake!r}: {fault}"


def fault_of_code(code, names):
    """What is wrong with the code of a wrong answer."""
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg} (correct the code)"
    if not any(name in names_of(node) for node in tree.body for name in names):
        return f"its code does not define {' or '.join(names)} (write what a student would)"
    return ""
