"""Docstrings for students: the library's own words, without what the student's version does not have.

A text here is the inside of a docstring as it stands in the source, without its indentation.
"""

from __future__ import annotations

import re

from minissd.errors import InputError

SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)  # a heading of numpydoc's
ENTRY = re.compile(r"^(?=\S)", re.MULTILINE)  # what is not indented begins a parameter
EXAMPLE = re.compile(r"^>>>", re.MULTILINE)
DROPPED = "Raises"  # whether bad input is refused is the student's to decide


def trimmed(text, leave_out=()):
    """Drop parameters, the examples that pass them, and the section on exceptions.

    Parameters
    ----------
    text : str
    leave_out : sequence of str
        Names of parameters.

    Returns
    -------
    str

    Examples
    --------
    >>> print(trimmed("Add.\\n\\nParameters\\n----------\\na, b, eps : float\\n    Numbers.\\n", ["eps"]))
    Add.
    <BLANKLINE>
    Parameters
    ----------
    a, b : float
        Numbers.
    """
    summary, *pieces = SECTION.split(text)
    parts = [summary.rstrip()]
    for heading, content in zip(pieces[::2], pieces[1::2]):
        trim = TRIMS.get(heading, lambda content, leave_out: content)
        if content := trim(content, leave_out).lstrip("\n").rstrip():
            parts.append(f"{heading}\n{'-' * len(heading)}\n{content}")
    return "\n\n".join(parts)


def without_parameters(content, leave_out):
    """Drop names from the section on parameters, and entries that have no name left."""
    return "".join(_without(entry, leave_out) for entry in ENTRY.split(content))


def _without(entry, leave_out):
    names, colon, description = _first_line_apart(entry)
    kept = [name for name in names.split(", ") if name.strip("*") not in leave_out]
    return ", ".join(kept) + colon + description if kept else ""


def _first_line_apart(entry):
    """Names, the colon or the end of the line, and the rest."""
    line, newline, rest = entry.partition("\n")
    names, colon, kind = line.partition(" : ")
    return names, colon, kind + newline + rest


def without_examples(content, leave_out):
    """Drop the examples that pass a parameter which there is not."""
    passes = re.compile(rf"\b({'|'.join(map(re.escape, leave_out))})=") if leave_out else None
    text, *examples = EXAMPLE.split(content)
    for example in examples:
        said, blank, following = f">>>{example}".partition("\n\n")
        if passes and passes.search(said):
            said = ""
        text += said + blank + following
    return text


TRIMS = {
    "Parameters": without_parameters,
    "Examples": without_examples,
    DROPPED: lambda content, leave_out: "",
}


def replaced(texts, pairs):
    """Replace words in docstrings; each must occur exactly once in all of them together.

    Parameters
    ----------
    texts : dict of str to str
        Docstrings by what they belong to.
    pairs : sequence of (str, str)
        Old and new words.

    Returns
    -------
    dict of str to str

    Raises
    ------
    InputError
        If the old words occur nowhere, or more than once: the library has changed, or they are too few.

    Examples
    --------
    >>> replaced({"iou": "Overlap of boxes.", "area": "Area of boxes."}, [["Area of", "Area, of"]])
    {'iou': 'Overlap of boxes.', 'area': 'Area, of boxes.'}
    """
    for old, new in pairs:
        times = sum(text.count(old) for text in texts.values())
        if times != 1:
            names = ", ".join(map(str, texts))
            raise InputError(f"replace: {old!r} occurs {times} times in {names} (give words that occur once)")
        texts = {name: text.replace(old, new) for name, text in texts.items()}
    return texts


def mentioned(text, names):
    """Which of these parameters a docstring still speaks of, in backquotes or as ``name=``.

    Examples
    --------
    >>> mentioned("As `rule` says, unless ``strict=True``. Small is eps.", ["rule", "strict", "eps"])
    ['rule', 'strict']
    """
    return [name for name in names if re.search(rf"`\**{re.escape(name)}`|\b{re.escape(name)}=", text)]
