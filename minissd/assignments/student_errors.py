"""What went wrong in a student's code, in words for the student.

The worker loads this file by its path, so it needs the standard library alone.
"""

from __future__ import annotations

import linecache
import traceback

from .guard import Forbidden, ForbiddenImport  # by its place: the worker's package has another name

LONGEST = 600  # characters of an exception's text that are shown
KIND_NAMES = (
    *("missing_file", "missing_name", "syntax", "import", "raised", "not_implemented"),
    *("time", "memory", "exit", "forbidden", "reply"),
)


class StudentError(Exception):
    """The student's code gave no answer.

    Attributes
    ----------
    kind : str
        One of `KIND_NAMES`.
    message : str
        What happened, where, and what to do about it.
    """

    def __init__(self, kind, message):
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    def __str__(self):
        return self.message


def sentences(*parts):
    """Join the lines of a message, leaving out those that are empty."""
    return "\n".join(part for part in parts if part)


KINDS = (  # the first that fits; {what} is a file or a function
    (Forbidden, "forbidden", "{what} {error}", ""),
    (ForbiddenImport, "forbidden", "{what} {error}", ""),
    (NotImplementedError, "not_implemented", "{what} is not written yet.",
     "Write it, and take out the line `raise NotImplementedError`."),
    (SystemExit, "exit", "{what} ends the program ({error}).",
     "Take out sys.exit(), exit() and quit(): a function returns, or raises an exception."),
    (MemoryError, "memory", "{what} needs more memory than there is for it: {error}",
     "Print the shapes of the arrays on this line: is one of them far larger than it should be?"),
    (SyntaxError, "syntax", "{what} is not correct Python: {error}",
     "Look at this line and at the one before it."),
    (ImportError, "import", "{what} cannot be imported: {error}",
     "Import only NumPy, Python's own modules, what the handout imports, and files that you hand in."),
)  # fmt: skip

HINTS = (  # what is likely, for exceptions without a kind of their own
    (RecursionError, "It calls itself again and again: when should that end?"),
    (
        UnboundLocalError,
        "A name that gets a value anywhere in a function is its own, and hides a function of that name.\n"
        "Give the result a name of its own, or give the variable its value before this line.",
    ),
    (NameError, "Is the name spelled right, and is it set or imported before this line?"),
    (
        IndexError,
        "Print the index and the shapes of the arrays on this line: counting begins at 0, "
        "and an axis may be missing.",
    ),
    (KeyError, "The dictionary has no such key."),
    (ZeroDivisionError, "For which input is the divisor 0?"),
    (FileNotFoundError, "Only the .py files that you hand in are there when it is marked."),
    (EOFError, "Nobody answers input() when it is marked: use the parameters."),
    (KeyboardInterrupt, "Take out whatever raises it."),
)

EMPTY = "An array on this line is empty, as a[k:-k] is for k = 0: print the shapes."
SHAPES = "Print the shapes of the arrays on this line: an axis may be missing (x[:, None])."
WHOLE = "Sizes and indices are whole numbers: // and int() give one, / does not."
NOTHING = "Of an empty array there is no largest or smallest value: say yourself what comes out then."
TEXT_HINTS = (  # the same, by a piece of the exception's text
    (",0)", EMPTY),
    ("(0,", EMPTY),
    ("broadcast", SHAPES),
    ("shape-mismatch", SHAPES),
    ("core dimension", SHAPES),
    ("not aligned", SHAPES),
    ("must match exactly", "Print the shapes: only along the axis that they are joined at may they differ."),
    ("interpreted as an integer", WHOLE),
    ("sequence of integers", WHOLE),
    ("indices must be integers", WHOLE),
    ("zero-size array to reduction", NOTHING),
    ("an empty sequence", NOTHING),
    ("argument is empty", NOTHING),
    ("out of bounds for uint8", "uint8 holds 0 to 255 and nothing negative: turn it into int(...) first."),
    (
        "truth value of an array",
        "Use & and | with parentheses, or .any() and .all(), in place of and, or, if.",
    ),
    ("positional argument", "Keep the names and the order of the parameters as they are in the handout."),
    ("unexpected keyword argument", "Keep the names of the parameters as they are in the handout."),
    ("'NoneType'", "Something here is None: a parameter that may be, or what a function forgot to return."),
    ("object has no attribute", "Is the name spelled right, and was it set before (self.name = ...)?"),
)


def explain(error, what, own_file, loading=False):
    """Say what an exception of a student's code means.

    Parameters
    ----------
    error : BaseException
    what : str
        The function that was called or the file that was imported.
    own_file : callable
        Takes a file name of a traceback; returns the name to show, or None if it is not the student's.
    loading : bool
        Whether a file was being imported.

    Returns
    -------
    StudentError
    """
    error = next((cause for cause in _causes(error) if isinstance(cause, Forbidden | ForbiddenImport)), error)
    text = f"{type(error).__name__}: {_text(error)}".removesuffix(": ")
    for types, kind, headline, hint in KINDS:
        if isinstance(error, types):
            shown = _text(error) if kind == "forbidden" else text
            return StudentError(
                kind, sentences(headline.format(what=what, error=shown), _place(error, own_file), hint)
            )
    kind, verb = ("import", "cannot be imported") if loading else ("raised", "stops")
    return StudentError(
        kind, sentences(f"{what} {verb}: {text}", _place(error, own_file), _hint(error, text))
    )


def _causes(error):
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return seen


def _text(error):
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        return text if len(text) <= LONGEST else text[:LONGEST] + " ..."
    except Exception:  # an exception of the student's own, which cannot even be printed
        return ""


def _hint(error, text):
    by_type = (hint for types, hint in HINTS if isinstance(error, types))
    by_text = (hint for piece, hint in TEXT_HINTS if piece in text)
    return next(by_text, None) or next(by_type, "")


def _place(error, own_file):
    """Return where the student's own code was, ``at boxes.py, line 12, in iou: area = ...``.

    That is the innermost line; above it stands the outermost if that is in another file.
    """
    if isinstance(error, SyntaxError) and error.filename and own_file(error.filename):
        return f"at {own_file(error.filename)}, line {error.lineno}: {(error.text or '').strip()}"
    frames = [
        (own_file(frame.f_code.co_filename), line, frame.f_code)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if own_file(frame.f_code.co_filename)
    ]
    by_file = {frame[0]: frame for frame in (frames[:1] + frames[-1:])}
    return "\n".join(_place_of(*frame) for frame in by_file.values())


def _place_of(name, line, code):
    function = "" if code.co_name == "<module>" else f", in {code.co_name}"
    source = linecache.getline(code.co_filename, line).strip()
    return f"at {name}, line {line}{function}: {source}"
