"""Argument types and options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from minissd.errors import InputError

MODELS = {"tiny": "tiny", "ssd300": "ssd300-voc", "ssd512": "ssd512-voc"}  # names in minissd.config.CONFIGS


def add_command(commands, name, run, summary, examples):
    """Add a command with a description and examples to the parser; returns its parser."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog="examples:\n" + "\n".join("  " + line for line in examples.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def positive_int(text):
    """Argument type: a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def count(text):
    """Argument type: a whole number of at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def fraction(text):
    """Argument type: a number between 0 and 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def add_model_options(parser):
    """Add ``--weights`` and ``--model`` (random weights) as the two ways to get a model."""
    parser.add_argument("--weights", type=Path, metavar="FILE", help="trained weights (.safetensors)")
    parser.add_argument(
        "--model", choices=MODELS, help="without --weights: a network of this kind with random weights"
    )


def read_model(options):
    """Return the model and the class names that ``--weights`` or ``--model`` ask for."""
    import numpy as np

    from minissd import weights
    from minissd.config import CONFIGS
    from minissd.data import VOC_CLASSES
    from minissd.models import SSD

    if options.weights and options.model:
        raise InputError("--weights and --model: give only one (the weights know their model)")
    if options.weights:
        return weights.load_model(options.weights)
    if not options.model:
        raise InputError("--weights: missing (or give --model tiny|ssd300|ssd512 for random weights)")
    config = CONFIGS[MODELS[options.model]]
    return SSD(config, np.random.default_rng(getattr(options, "seed", 0))), VOC_CLASSES
