"""Checks that are printed as rows of a Markdown table as soon as they are done, and written to a CSV file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minissd.backend import to_cpu

FLOAT32 = 1e-4  # largest error beside the largest number


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what came out, and whether that will do (None: it is only stated)."""

    what: str
    found: str
    wanted: str = ""
    holds: bool | None = None

    @classmethod
    def of_error(cls, what, found, expected, bound=FLOAT32):
        """The error of an array beside its bound."""
        return cls.of_bound(what, relative_error(found, expected), bound)

    @classmethod
    def of_bound(cls, what, error, bound=FLOAT32):
        """An error beside its bound; without one it is only stated."""
        return cls(what, f"{error:.1e}", f"{bound:g}" if bound else "", error <= bound if bound else None)

    @classmethod
    def of_exception(cls, what, error):
        """Something that could not be looked at."""
        text = str(error).replace("\n", " ").replace("|", "/")
        return cls(what, f"{type(error).__name__}: {text[:500]}", "no error", False)


def relative_error(found, expected):
    """The largest difference as a part of the largest number expected; infinite where one is no number."""
    found, expected = (np.asarray(to_cpu(array), np.float64) for array in (found, expected))
    error = np.abs(found - expected).max(initial=0) / (np.abs(expected).max(initial=0) or 1)
    return float(error) if np.isfinite(error) else np.inf


def run(part, checks, path):
    """Print and write the checks of a part as they come; returns how many do not hold.

    An exception is a check that does not hold, and the last one of its part.
    """
    print("| check | found | at most | |\n|---|---|---|---|", flush=True)
    failed = 0
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("part", "check", "found", "wanted", "holds"))
        for check in _until_error(checks):
            failed += check.holds is False
            verdict = {True: "ok", False: "**NOT**", None: ""}[check.holds]
            print(f"| {check.what} | {check.found} | {check.wanted} | {verdict} |", flush=True)
            writer.writerow((part, check.what, check.found, check.wanted, check.holds))
            file.flush()
    return failed


def _until_error(checks):
    try:
        yield from checks
    except Exception as error:  # whatever it is, the report shall hold it
        yield Check.of_exception("all of the rest", error)
