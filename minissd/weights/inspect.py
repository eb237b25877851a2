"""What a weight file holds, in words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from minissd.convention_table import differences, in_words
from minissd.conventions import CONVENTIONS
from minissd.errors import InputError
from minissd.weights import checkpoint as own
from minissd.weights import translate
from minissd.weights.base_layouts import recognize_base
from minissd.weights.formats import read_file
from minissd.weights.loading import checkpoint_in, model_for

MOST_NAMES = 8  # classes that are listed


@dataclass(frozen=True)
class FileReport:
    """What a weight file holds.

    Attributes
    ----------
    path, format : str
    size : int
        Bytes of the file.
    arrays : dict of str to dict
        ``shape`` and ``dtype`` of each array by the file's names.
    layout : str
        Whose names they are; ``"unknown"`` if no one's.
    facts : dict of str to str
        What else is known, line by line.
    problem : str
        Why the file cannot be used as it is; empty if it can.
    """

    path: str
    format: str
    size: int
    arrays: dict[str, dict]
    layout: str
    facts: dict[str, str]
    problem: str = ""

    def to_dict(self):
        """Return everything as a plain dictionary, ready for JSON."""
        return asdict(self)

    def __str__(self):
        numbers = sum(math.prod(array["shape"]) for array in self.arrays.values())
        dtypes = ", ".join(sorted({array["dtype"] for array in self.arrays.values()}))
        rows = {
            "file": f"{self.path}, {self.format}, {self.size / 1e6:.1f} MB",
            "arrays": f"{len(self.arrays)}, {numbers:,} numbers, {dtypes}",
            "layout": self.layout,
            **self.facts,
        }
        if self.problem:
            rows["problem"] = self.problem
        return "\n".join(f"{name:<8}  {text}" for name, text in rows.items())

    def table_of_arrays(self):
        """Return a line for each array: name, shape, dtype."""
        width = max(map(len, self.arrays), default=0)
        return "\n".join(
            f"{name:<{width}}  {' x '.join(map(str, array['shape'])) or 'a number':<20}  {array['dtype']}"
            for name, array in self.arrays.items()
        )


def inspect_file(path):
    """Say what a weight file holds: format, layout, network, classes, input and rules.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    FileReport

    Raises
    ------
    InputError
        If the file cannot be read. A file of an unknown layout, or with arrays that do not fit, can: its
        report names the problem.
    """
    file = read_file(path)
    arrays = {name: {"shape": list(a.shape), "dtype": str(a.dtype)} for name, a in file.arrays.items()}
    size = file.path.stat().st_size
    layout, facts, problem = _layout_of(file), {}, ""
    try:
        facts = describe(checkpoint_in(file, model_for(file)))
    except InputError as error:
        problem = str(error).removeprefix(f"{file.path}: ")
    return FileReport(str(path), file.format, size, arrays, layout, facts, problem)


def describe(checkpoint):
    """Return what a checkpoint is for: a line each on network, classes, input and rules.

    Parameters
    ----------
    checkpoint : Checkpoint

    Returns
    -------
    dict of str to str
    """
    config = checkpoint.config
    names = checkpoint.class_names
    shown = ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "") or "without names"
    mean = ", ".join(f"{value:g}" for value in config.mean_rgb)
    return {
        "network": f"{config.name}, {config.image_size} pixels, {len(config.feature_maps)} feature maps, "
        f"{config.num_priors} default boxes",
        "classes": f"{config.num_classes - 1} and the background: {shown}",
        "input": f"{config.channel_order.upper()}, resized by {config.resize}, minus ({mean}) in RGB,"
        f" over {config.pixel_scale:g}",
        "rules": _rules(CONVENTIONS[config.convention]),
    }


def _rules(convention):
    own_rules = differences(convention)
    own_rules.pop("boxes.sizes", None)
    listed = ", ".join(f"{name} {in_words(value)}" for name, value in own_rules.items())
    return convention.name + (f" (unlike caffe: {listed})" if listed else "")


def _layout_of(file):
    if own.is_checkpoint(file):
        return "minissd"
    base = recognize_base(file.arrays)
    layout, _ = translate.recognize(file.arrays)
    if layout is not None:
        return layout.name
    return f"{base.name}, a VGG16 without SSD's own layers" if base else "unknown"
