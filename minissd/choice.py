"""Options that are chosen by name: each is a small table, and a name that is not in it is an input error."""

from __future__ import annotations

from minissd.errors import InputError


def chosen(table, name, argument, noun):
    """Return what a table has under a name; raise `InputError`, which lists the names, if there is no such.

    Examples
    --------
    >>> chosen({"mean": sum, "largest": max}, "largest", "metric", "metric")([3, 5, 4])
    5
    """
    if name not in table:
        raise InputError(f"{argument}: no {noun} {name!r} (choose one of {', '.join(map(str, table))})")
    return table[name]
