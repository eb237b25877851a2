"""The command line, ``minissd COMMAND``: picks the command and turns errors into one line.

Each command is a module of `minissd.commands` with `add`, which describes its arguments, and `run`, which
does it. NumPy, Numba and matplotlib are imported inside `run`, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import warnings
from contextlib import nullcontext

from minissd import __version__
from minissd.commands import assignment, bench, demo, detect, evaluate, lessons, show, train, weights
from minissd.errors import InputError

USAGE_ERROR, INTERRUPTED, READER_GONE = 2, 130, 141
LONGEST_MESSAGE = 800

EXAMPLES = """\
examples:
  minissd demo
      train on drawn scenes and draw every step of SSD
  minissd train --data VOC2007 --model tiny --output run
      train on a folder in VOC format
  minissd evaluate --data VOC2007 --split val --weights run/weights.safetensors
  minissd detect photo.jpg --weights run/weights.safetensors
  minissd show matches photo.jpg --annotation photo.xml
  minissd weights inspect ssd300.pth
  minissd lessons
      learn how it all works, in notebooks
  minissd assignment grade A1 submissions/*
      mark what students wrote, a class at once

minissd COMMAND --help tells more."""


def main(arguments=None):
    """Run one command.

    Parameters
    ----------
    arguments : list of str, optional
        Without the program's name; by default those of the process.

    Returns
    -------
    int
        Exit code: 0, 2 for input that cannot be used, 130 after Ctrl-C, 141 if nobody reads the output
        any longer (as in ``minissd ... | head -1``).
    """
    _prepare_surroundings()
    try:
        options = build_parser().parse_args(arguments)
        compiling = _compile_progress() if options.compiles else nullcontext()
        with warnings.catch_warnings(), compiling, _precision(options):
            warnings.showwarning = _show_warning
            options.run(options)
        sys.stdout.flush()
    except InputError as error:
        return _fail(error)
    except BrokenPipeError:
        _drop_output()
        return READER_GONE
    except OSError as error:
        _drop_output()
        return _fail(f"{error.filename or 'output'}: {error.strerror or error}")
    except MemoryError as error:
        detail = f": {error}" if str(error) else ""
        return _fail(f"not enough memory{detail} (use a smaller --batch-size, picture or model)")
    except KeyboardInterrupt as interruption:
        _fail(str(interruption) or "stopped")
        return INTERRUPTED
    return 0


def build_parser():
    """Build the parser with all commands."""
    parser = _Parser(
        prog="minissd",
        description="SSD, the Single Shot MultiBox Detector, from scratch: train it, use it, look inside.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"minissd {__version__}", help="print the version"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (demo, train, evaluate, detect, show, weights, bench, lessons, assignment):
        command.add(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, like all other errors; argparse would print every option first."""

    def error(self, message):
        raise InputError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")

    def parse_known_args(self, args=None, namespace=None):
        """Refuse what is unknown here, where the options of the command are known, not of all commands."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = difflib.get_close_matches(unknown[0].partition("=")[0], self._option_string_actions, n=1)
            hint = f", did you mean {near[0]}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return options, unknown


def _fail(message):
    text = str(message)
    if len(text) > LONGEST_MESSAGE:  # a list; where (at the start) and fix (at the end) matter most
        text = f"{text[: LONGEST_MESSAGE // 2]} ... {text[-LONGEST_MESSAGE // 2 :]}"
    print(f"minissd: {text}", file=sys.stderr)
    return USAGE_ERROR


def _prepare_surroundings():
    """Make do with a terminal, streams and variables that are not as they usually are."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell, as in ``minissd ... >&-``
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    if hasattr(sys.stdout, "reconfigure"):  # a name that the terminal cannot write is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    os.environ.pop("MPLBACKEND", None)  # a notebook's may be unknown here; pictures go to files, without any


def _compile_progress():
    from minissd.compile_progress import compile_progress  # here, because it imports Numba

    return compile_progress()


def _precision(options):
    """TF32 in the products of a GPU, where it is asked for."""
    if not getattr(options, "tf32", False):
        return nullcontext()
    if options.device == "cpu":
        raise InputError("--tf32: only a GPU has it (add --device cuda)")
    from minissd.backend import tf32

    return tf32()


def _drop_output():
    """Forget output that cannot be written, or Python would try again, and complain, when it exits."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_warning(message, category, filename, lineno, file=None, line=None):
    print(f"minissd: warning: {message}", file=sys.stderr)
