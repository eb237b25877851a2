"""The command line, ``minissd COMMAND``: picks the command and turns errors into one line.

Each command is a module of `minissd.commands` with `add`, which describes its arguments, and `run`, which
does it. NumPy, Numba and matplotlib are imported inside `run`, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import sys
import warnings

from minissd.commands import demo, detect, evaluate, show, train
from minissd.errors import InputError

USAGE_ERROR, INTERRUPTED = 2, 130

EXAMPLES = """\
examples:
  minissd demo
      train on drawn scenes and draw every step of SSD
  minissd train --data VOC2007 --model tiny --output run
      train on a folder in VOC format
  minissd evaluate --data VOC2007 --split val --weights run/weights.safetensors
  minissd detect photo.jpg --weights run/weights.safetensors
  minissd show matches photo.jpg --annotation photo.xml

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
        Exit code: 0, 2 for input that cannot be used, 130 after Ctrl-C.
    """
    options = build_parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            options.run(options)
    except InputError as error:
        return _fail(error)
    except OSError as error:
        return _fail(f"{error.filename or 'file'}: {error.strerror or error}")
    except MemoryError as error:
        return _fail(f"not enough memory: {error} (use a smaller batch size or model)")
    except KeyboardInterrupt as interruption:
        _fail(str(interruption) or "stopped")
        return INTERRUPTED
    return 0


def build_parser():
    """Build the parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="minissd",
        description="SSD, the Single Shot MultiBox Detector, from scratch: train it, use it, look inside.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (demo, train, evaluate, detect, show):
        command.add(commands)
    return parser


def _fail(message):
    print(f"minissd: {message}", file=sys.stderr)
    return USAGE_ERROR


def _show_warning(message, category, filename, lineno, file=None, line=None):
    print(f"minissd: warning: {message}", file=sys.stderr)
