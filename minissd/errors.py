"""The one exception for input that a person can mend: a file, a box, a setting.

The library raises `InputError`; the command line prints its text as one line and exits with code 2.
Its text names the file, the field and the fix.
"""


class InputError(ValueError):
    """Input that cannot be used. The message names the file or argument, the field, and what to do."""


def input_error(where: object, problem: str, fix: str = "") -> InputError:
    """Build an `InputError` whose text reads ``where: problem (fix)``.

    Examples
    --------
    >>> print(input_error("cat.xml", "object 2 has no <bndbox>", "draw the box again"))
    cat.xml: object 2 has no <bndbox> (draw the box again)
    """
    return InputError(f"{where}: {problem}" + (f" ({fix})" if fix else ""))
