"""The conventions side by side: in what each differs, and the table of all in Markdown."""

from __future__ import annotations

from minissd.conventions import CAFFE, CONVENTIONS

PARTS = ("boxes", "matching", "encoding", "loss", "detection", "evaluation")


def settings_of(convention):
    """Return every setting of a convention under one name, as in ``"matching.rule"``.

    Examples
    --------
    >>> settings_of(CONVENTIONS["lufficc"])["matching.union_epsilon"]
    1e-05
    """
    settings = {"offset_order": convention.offset_order}
    for part in PARTS:
        settings |= {f"{part}.{name}": value for name, value in vars(getattr(convention, part)).items()}
    return settings


def differences(convention, other=CAFFE):
    """Return the settings of a convention that differ from another's.

    Parameters
    ----------
    convention, other : Convention

    Returns
    -------
    dict
        As `settings_of`.

    Examples
    --------
    >>> differences(CONVENTIONS["paper"])["matching.strict"]
    True
    """
    theirs = settings_of(other)
    return {name: value for name, value in settings_of(convention).items() if value != theirs[name]}


def markdown_table():
    """Return the table of all conventions in Markdown: a row per setting in which any two differ."""
    columns = {name: settings_of(convention) for name, convention in CONVENTIONS.items()}
    rows = [("setting", *columns), ("---",) * (1 + len(columns))]
    for setting, usual in columns["caffe"].items():
        values = [column[setting] for column in columns.values()]
        if any(value != usual for value in values):
            shown = [in_words(values[0]), *("" if v == usual else in_words(v) for v in values[1:])]
            rows.append((f"`{setting}`", *shown))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def in_words(value):
    """One value in a cell of the table."""
    if isinstance(value, dict):
        return "own: " + ", ".join(value) if value else "as configured"
    if isinstance(value, float):
        return f"{value:.10g}"
    return {None: "no limit", True: "yes", False: "no"}.get(value, str(value))
