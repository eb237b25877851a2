"""Runs minissd's commands in this process, on small files that it makes."""

import dataclasses
import warnings

import numpy as np
from PIL import Image

from minissd import config, weights
from minissd.cli import main
from minissd.compile_progress import NOTICE
from minissd.data import AnnotationWarning, DrawnScenes, write_coco, write_voc
from minissd.models import SSD

CLASSES = ("circle", "square")
SCENES = DrawnScenes(length=6, image_size=80, seed=5, class_names=CLASSES, max_objects=3)

SMALL = dataclasses.replace(  # TINY at 64 pixels: a step takes milliseconds
    config.TINY,
    image_size=64,
    feature_maps=(8, 4, 2),
    steps=(8, 16, 32),
    min_sizes=(8, 16, 32),
    max_sizes=(16, 32, 60),
    aspect_ratios=((2,), (2,), (2,)),
)
PHOTO = "voc/JPEGImages/val_000000.png"
XML = "voc/Annotations/val_000000.xml"
TRAIN = ("train", "--data", "voc", "--output", "run", "--steps", 2, "--batch-size", 2, "--quiet")
EVALUATE = ("evaluate", "--data", "voc", "--weights", "weights.safetensors")
DETECT = ("detect", "--weights", "weights.safetensors")


class Result:
    """What a command gave: exit code, and the lines of its two streams."""

    def __init__(self, code, output, errors):
        self.code, self.output = code, output
        self.lines, self.errors = output.splitlines(), without_notice(errors).splitlines()


def without_notice(errors):
    """Without the line that a new machine shows while the engine is compiled."""
    return "".join(line for line in errors.splitlines(keepends=True) if NOTICE not in line)


def run(capsys, *arguments):
    """Run `minissd` with these arguments."""
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("default", AnnotationWarning)  # the tests turn warnings into errors
        code = main([str(argument) for argument in arguments])
    return Result(code, *capsys.readouterr())


def done(capsys, *arguments):
    """Run a command that must succeed without a word on stderr; returns its lines."""
    result = run(capsys, *arguments)
    assert (result.code, result.errors) == (0, [])
    return result.lines


def refused(capsys, *arguments):
    """Run a command that must be refused in one line; returns the line without ``minissd: ``."""
    result = run(capsys, *arguments)
    assert result.code == 2, result.output
    assert len(result.errors) == 1, result.errors
    assert result.errors[0].startswith("minissd: ")
    return result.errors[0].removeprefix("minissd: ")


def make_dataset(folder, write):
    """Write the scenes as a folder in VOC's or COCO's format: 4 to train on, 2 to validate."""
    write(folder, "train", [SCENES[i] for i in range(4)], CLASSES, image_format="png")
    write(folder, "val", [SCENES[i] for i in (4, 5)], CLASSES, image_format="png")


def make_weights(path, class_names=CLASSES, seed=0, **changes):
    """Write random weights of a small SSD; `changes` are fields of its configuration."""
    num_classes = max(len(class_names) + 1, 3)
    model = SSD(dataclasses.replace(SMALL, num_classes=num_classes, **changes), np.random.default_rng(seed))
    weights.save(model, path, class_names)
    return path


def files_in(folder):
    """All files below a folder, hidden ones too, as sorted names relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def losses(folder):
    """The losses of all steps of a run, as its checkpoint tells them."""
    return [row["loss"] for row in weights.read(f"{folder}/checkpoint.safetensors").details["rows"]]


def size_of(path):
    """Width and height of a picture that can be read to its end."""
    with Image.open(path) as picture:
        picture.load()
        return picture.size


def make_workplace(folder):
    """Make what nearly every command needs: a small dataset in two formats, and weights. Returns it."""
    make_dataset(folder / "voc", write_voc)
    make_dataset(folder / "coco", write_coco)
    make_weights(folder / "weights.safetensors")
    return folder
