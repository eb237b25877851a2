"""Numbers of things in words."""


def counted(number, noun, plural=""):
    """A number of things.

    Examples
    --------
    >>> counted(1, "point"), counted(2.5, "point"), counted(0, "box", "boxes")
    ('1 point', '2.5 points', '0 boxes')
    """
    return f"{number:.12g} {noun if number == 1 else plural or noun + 's'}"
