"""The library's functions and classes with other bodies: what a student gets, and what stands for an answer.

`ast` knows which lines are signature, docstring and body. The lines are edited, not printed anew, so all the
rest stays as it was written: comments, line breaks, backslashes.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from textwrap import dedent, indent

from minissd.assignments.assignment import path_and_name
from minissd.assignments.docstrings import mentioned, replaced, trimmed
from minissd.assignments.library import FUNCTION, Definition, find_definition, first_line, segment
from minissd.assignments.signatures import call, parameters, signature
from minissd.errors import InputError

LITERAL = re.compile(r'(\w*)("""|\'\'\'|"|\')(.*)\2', re.DOTALL)


@dataclass(frozen=True)
class Part:
    """A function whose body is to be replaced, or a class whose docstring is to be trimmed.

    Attributes
    ----------
    definition : Definition
        Of the function, or of the class that the method belongs to.
    name : str
        Of the function or class, in the handout.
    node : ast.stmt
    source : str
        Of the whole function or class.
    leave_out : tuple of str
        Parameters that the handout does not have.
    """

    definition: Definition
    name: str
    node: ast.stmt
    source: str
    leave_out: tuple[str, ...]

    def __str__(self):
        return f"{self.name}.{self.node.name}" if self.is_method else self.name

    @property
    def is_function(self):
        """Whether it is a function or a method."""
        return isinstance(self.node, FUNCTION)

    @property
    def is_method(self):
        """Whether it is a method."""
        return self.is_function and self.node.col_offset > 0

    @property
    def is_private(self):
        """Whether it is a method that only the library's own way needs; the handout drops it."""
        return self.is_method and re.match(r"_[^_]", self.node.name)

    @property
    def parameters(self):
        """Those that it has in the library."""
        return parameters(self.node, self.source)

    def call(self, function):
        """The source of a call of `function` with the parameters that the handout has, without ``self``."""
        return call(function, self.parameters[self.is_method :], self.leave_out)

    @property
    def literal(self):
        """The node of the docstring; None without one."""
        return self.node.body[0].value if ast.get_docstring(self.node) is not None else None

    @property
    def docstring(self):
        """The inside of the docstring as it stands in the source, without indentation."""
        text = LITERAL.fullmatch(segment(self.source, self.literal))[3]
        first, newline, others = text.partition("\n")
        return first + newline + dedent(others)

    @property
    def lines(self):
        """Which lines of the source are replaced: of a class those of its docstring."""
        if not self.is_function:
            return slice(self.literal.lineno - 1, self.literal.end_lineno) if self.literal else slice(0, 0)
        blank_line = 1 if self.is_private else 0  # it goes with the method below it
        return slice(first_line(self.node) - 1 - blank_line, self.node.end_lineno)


def blanked(questions, new_body):
    """The sources of all that is to be written, with other bodies.

    Parameters
    ----------
    questions : sequence of Question
        Those of one file.
    new_body : callable
        From a `Part` to the source of its body.

    Returns
    -------
    dict of str to str
        By their names in the handout.

    Raises
    ------
    InputError
        If an answer is not in the library, has no parameter that is to be left out, or a docstring does not
        hold the words to replace or still speaks of what is left out.
    """
    definitions = definitions_of(questions)
    sources = {name: renamed(definition, name) for name, definition in definitions.items()}
    for question in questions:
        parts = parts_of(question, sources, definitions)
        docstrings = trimmed_docstrings(question, parts)
        for part in reversed(parts):  # from the last line to the first: the numbers of the others stay right
            lines = sources[part.name].splitlines()
            lines[part.lines] = rewritten(part, docstrings.get(part), new_body)
            sources[part.name] = "\n".join(lines)
    return sources


def definitions_of(questions):
    """What of the library is to be written, by its name in the handout."""
    named = [path_and_name(answer) for question in questions for answer in question.answers]
    return {name: find_definition(path) for path, name in named}


def renamed(definition, name):
    """The source of a function or class that has another name."""
    return re.sub(rf"^(def|class) {definition.name}\b", rf"\1 {name}", definition.text, count=1, flags=re.M)


def parts_of(question, sources, definitions):
    """What a question asks for, in the order of the lines."""
    parts = []
    for name in question.answer_names:
        top = ast.parse(sources[name]).body[0]
        nodes = [top, *methods_asked_for(question, name, top)]
        parts += [Part(definitions[name], name, node, sources[name], question.leave_out) for node in nodes]
    return parts


def methods_asked_for(question, name, node):
    """The methods of a class that are to be written: those that are named, or all."""
    if not isinstance(node, ast.ClassDef):
        return []
    paths = [path for path, answer_name in map(path_and_name, question.answers) if answer_name == name]
    named = {find_definition(path).method for path in paths}
    methods = [each for each in node.body if isinstance(each, FUNCTION)]
    return [method for method in methods if "" in named or method.name in named]


def trimmed_docstrings(question, parts):
    """The docstrings of these parts in the handout."""
    leave_out = question.leave_out
    texts = {part: trimmed(part.docstring, leave_out) for part in parts if part.literal}
    texts = replaced(texts, question.replace)
    for part, text in texts.items():
        for name in mentioned(text, leave_out):
            raise InputError(f"leave_out: the docstring of {part} still speaks of {name} (replace its words)")
    found = {each.name: each for part in parts if part.is_function for each in part.parameters}
    for name in leave_out:
        if name not in found or not found[name].may_be_left_out:
            raise InputError(f"leave_out: {name} is no parameter with a default (leave out one that is)")
    return texts


def rewritten(part, docstring, new_body):
    """The lines that stand in the handout for ``part.lines``."""
    if part.is_private:
        return []
    margin = " " * part.node.body[0].col_offset
    literal = _literal(part, docstring, margin) if part.literal else []
    if not part.is_function:
        return literal
    head = _decorators(part) + signature(part.node, part.source, part.leave_out)
    return [*head, *literal, *indent(new_body(part), margin).splitlines()]


def _decorators(part):
    """The lines of those that change how a method is called; others belong to the answer."""
    needed = re.compile(r"property|staticmethod|classmethod|\w+\.setter")
    lines = part.source.splitlines()
    return [lines[d.lineno - 1] for d in part.node.decorator_list if needed.fullmatch(ast.unparse(d))]


def _literal(part, docstring, margin):
    """The lines of the docstring, between its old quotes."""
    prefix, quotes, _ = LITERAL.fullmatch(segment(part.source, part.literal)).groups()
    end = f"\n{quotes}" if "\n" in docstring else quotes
    return indent(prefix + quotes + docstring + end, margin).splitlines()
