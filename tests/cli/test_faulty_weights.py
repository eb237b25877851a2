"""Weight files as they should not be: one line, the same from the command and the library."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from command_line import CLASSES, DETECT, EVALUATE, TRAIN, done, make_weights
from faults import IMAGE, cut, library_says

from minissd import weights
from minissd.models import SSD


def keep_arrays_only():
    safetensors.numpy.save_file({"conv1.weight": np.zeros(3)}, "weights.safetensors")


FILES = {
    "missing": (lambda: os.remove("weights.safetensors"), ": no such file (train a model first"),
    "folder": (
        lambda: (os.remove("weights.safetensors"), os.mkdir("weights.safetensors")),
        ": is a folder, not a weight file (name the file in it)",
    ),
    "cut off": (lambda: cut(Path("weights.safetensors"), 0.9), ": not a complete safetensors file: "),
    "empty": (lambda: cut(Path("weights.safetensors"), 0), ": is empty (copy it again)"),
    "an image": (lambda: shutil.copy(IMAGE, "weights.safetensors"), ": is no weight file of a known kind ("),
    "of others": (
        keep_arrays_only,
        ": its arrays (1: conv1.weight) are not those of an SSD that is known here (",
    ),
}


@pytest.mark.parametrize(
    "command", [(*TRAIN, "--weights", "weights.safetensors"), EVALUATE, (*DETECT, IMAGE)]
)
@pytest.mark.parametrize("case", FILES)
def test_faulty_weight_files(case, command, refuse):
    spoil, words = FILES[case]
    spoil()
    line = refuse(*command)
    assert line.startswith("weights.safetensors" + words)
    assert line == library_says(lambda: weights.load_model("weights.safetensors"))
    assert not Path("detections").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"class_names": ("circle", "square", "star")},
            "was trained with 4 classes (with the background), the model has 3 (use the model and classes of",
        ),
        (
            {"class_names": ("cat", "dog")},
            "was trained for the classes cat, dog, not circle, square (use data",
        ),
        (
            {"image_size": 128, "steps": (16, 32, 64)},
            "was trained with 128 pixels of input, the model has 64 (use the model and classes of",
        ),
        (
            {"clip": True},
            "is of another configuration, with other values of clip (use the model of",
        ),
    ],
    ids=["number of classes", "names of classes", "image size", "boxes"],
)
@pytest.mark.parametrize("option", ["weights", "resume"])
def test_weights_of_another_model(options, words, option, refuse, capsys):
    if option == "weights":
        path, arguments = make_weights("other.safetensors", **options), ("--weights", "other.safetensors")
    else:
        done(capsys, *TRAIN)
        path, arguments = make_weights("run/checkpoint.safetensors", **options), ("--resume",)
    line = refuse(*TRAIN, *arguments)
    assert line.startswith(f"{path}: {words}")
    model = SSD(weights.load_model("weights.safetensors")[0].config)
    assert line == library_says(lambda: weights.load(model, path, CLASSES))


def test_a_long_list_of_what_does_not_fit_is_cut_in_its_middle(refuse):
    with safetensors.safe_open("weights.safetensors", framework="numpy") as file:
        metadata = file.metadata()
        arrays = {f"old_{name}": file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    safetensors.numpy.save_file(arrays, "weights.safetensors", metadata)
    line = refuse(*DETECT, IMAGE)
    assert line.startswith(f"weights.safetensors: does not fit the model in {2 * len(arrays)} arrays: ")
    assert " ... " in line and len(line) < 1000
    assert line.endswith("(use the network that it was trained with; --base takes all but the heads)")
    whole = library_says(lambda: weights.load_model("weights.safetensors"))
    assert all(f"{name} is unknown" in whole for name in arrays)


def test_a_checkpoint_that_is_cut_off_cannot_be_resumed(refuse, capsys):
    done(capsys, *TRAIN)
    cut(Path("run/checkpoint.safetensors"))
    assert refuse(*TRAIN, "--resume").startswith(
        "run/checkpoint.safetensors: not a complete safetensors file"
    )
