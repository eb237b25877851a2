"""Argument types and options that several commands share."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from minissd.errors import InputError

MODELS = {"tiny": "tiny", "ssd300": "ssd300-voc", "ssd512": "ssd512-voc"}  # names in minissd.config.CONFIGS
WEIGHTS_HELP = "trained weights (.safetensors, .pth, .caffemodel or .npz)"
RULES_HELP = "bipartite, argmax, torchvision, d2l or threshold"  # minissd.matching.RULES, not imported here
FIGURE_SUFFIXES = (".png", ".svg", ".pdf")  # what minissd.viz.save can write


def add_command(commands, name, run, summary, examples, compiles=True):
    """Add a command with a description and examples to the parser; returns its parser.

    If nothing is compiled for it, it need not wait until Numba is imported.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog="examples:\n" + "\n".join("  " + line for line in examples.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, compiles=compiles)
    return parser


def positive_int(text):
    """Argument type: a whole number of at least 1."""
    return _number(int, text, "a whole number of 1 or more", lambda value: value >= 1)


def count(text):
    """Argument type: a whole number of at least 0."""
    return _number(int, text, "a whole number of 0 or more", lambda value: value >= 0)


def fraction(text):
    """Argument type: a number between 0 and 1."""
    return _number(float, text, "a number from 0 to 1", lambda value: 0 <= value <= 1)


def positive(text):
    """Argument type: a number over 0."""
    return _number(float, text, "a number over 0", lambda value: 0 < value < math.inf)


def not_negative(text):
    """Argument type: a number of at least 0."""
    return _number(float, text, "a number of 0 or more", lambda value: 0 <= value < math.inf)


def _number(kind, text, wanted, holds):
    try:
        value = kind(text)
        fits = holds(value)  # never true for NaN
    except (ValueError, OverflowError):
        fits = False
    if not fits:
        raise argparse.ArgumentTypeError(f"{text} is not {wanted}")
    return value


def figure_file(text):
    """Argument type: where a figure can be written."""
    path = Path(text)
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise argparse.ArgumentTypeError(
            f"{text}: cannot write a figure as {path.suffix!r} (use .png, .svg or .pdf)"
        )
    return path


def add_device_options(parser):
    """Add ``--device`` and ``--tf32``, in which `minissd.cli` has the command run."""
    add_device_option(parser)
    parser.add_argument(
        "--tf32", action="store_true", help="on a GPU: round what is multiplied to three digits, to save time"
    )


def add_device_option(parser):
    """Add ``--device``; its name is checked by `minissd.backend.check_device`."""
    parser.add_argument(
        "--device", default="cpu", metavar="NAME", help="cpu, or cuda, cuda:1... for a GPU (default: cpu)"
    )


def add_model_options(parser):
    """Add ``--weights`` and ``--model`` (random weights) as the two ways to get a model."""
    parser.add_argument("--weights", type=Path, metavar="FILE", help=WEIGHTS_HELP)
    parser.add_argument(
        "--model", choices=MODELS, help="instead of --weights: an untrained network, only to see it run"
    )


def read_model(options):
    """Return the model and the class names that ``--weights`` or ``--model`` ask for.

    Classes without a name, in weights that were saved without names, are called "class 1" and so on.
    """
    import numpy as np

    from minissd import weights
    from minissd.config import CONFIGS
    from minissd.data import VOC_CLASSES
    from minissd.models import SSD

    if options.weights and options.model:
        raise InputError("--weights and --model: give only one (the weights know their model)")
    if options.weights:
        model, class_names = weights.load_model(options.weights)
        return model, class_names or tuple(f"class {i}" for i in range(1, model.config.num_classes))
    if not options.model:
        raise InputError("--weights: missing (or give --model tiny|ssd300|ssd512 for an untrained network)")
    config = CONFIGS[MODELS[options.model]]
    return SSD(config, np.random.default_rng(0)), VOC_CLASSES


def require_other_file(picture, image):
    """Refuse to write a picture over the image that it is made from."""
    if picture.resolve() == image.resolve():
        raise InputError(f"--output: {picture} is the picture itself (choose another place)")
