"""Arguments that make no sense: each is refused in one line that says what would."""

import os
import re
from pathlib import Path

import pytest
from command_line import PHOTO, XML, files_in

from minissd import settings, viz
from minissd.errors import InputError

DETECT = f"detect --weights weights.safetensors {PHOTO}"
SHOW = f"show priors {PHOTO}"
EVALUATE = "evaluate --data voc --weights weights.safetensors"
TRAINING = "train --data voc --output run"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", "the following arguments are required: COMMAND (see minissd --help)"),
        ("trian", "COMMAND: invalid choice: 'trian' (choose from"),
        ("train --data voc", "the following arguments are required: --output (see minissd train --help)"),
        (f"{TRAINING} --steps -3", "--steps: -3 is not a whole number of 1 or more (see minissd train"),
        (f"{TRAINING} --steps 2.5", "--steps: 2.5 is not a whole number of 1 or more"),
        (f"{TRAINING} --batch-size 0", "--batch-size: 0 is not a whole number of 1 or more"),
        (f"{TRAINING} --seed -1", "--seed: -1 is not a whole number of 0 or more"),
        (f"{TRAINING} --learning-rate abc", "--learning-rate: abc is not a number over 0"),
        (f"{TRAINING} --learning-rate nan", "--learning-rate: nan is not a number over 0"),
        (f"{TRAINING} --learning-rate inf", "--learning-rate: inf is not a number over 0"),
        (f"{TRAINING} --learning-rate -0.1", "--learning-rate: -0.1 is not a number over 0"),
        (f"{TRAINING} --weight-decay -1", "--weight-decay: -1 is not a number of 0 or more"),
        (f"{TRAINING} --neg-pos-ratio nan", "--neg-pos-ratio: nan is not a number of 0 or more"),
        (f"{TRAINING} --iou-threshold 7", "--iou-threshold: 7 is not a number from 0 to 1"),
        (f"{TRAINING} --schedule up", "schedule: no schedule 'up' (choose one of one-cycle, cosine"),
        (f"{TRAINING} --model vgg", "--model: invalid choice: 'vgg' (choose from"),
        (f"{TRAINING} --resume --weights w", "--resume and --weights: give only one"),
        (f"{TRAINING} --resume", "run: holds no run to resume (train without --resume first)"),
        (
            f"{TRAINING} --val-split none",
            "--val-split: voc has no split 'none' to evaluate on (choose one of train, val, or",
        ),
        ("train --data coco --output run --val-split x", "--val-split: coco has no split 'x' to evaluate on"),
        ("train --data scenes --output run --val-split x", "scenes: no split 'x' (choose one of train, val)"),
        (f"{EVALUATE} --iou-threshold 7", "--iou-threshold: 7 is not a number from 0 to 1"),
        (f"{EVALUATE} --curves out.xyz", "out.xyz: cannot write a figure as '.xyz' (use .png, .svg or .pdf)"),
        (f"{EVALUATE} --metric best", "metric: no metric 'best' (choose one of 11point, area, 11point_"),
        (
            f"{EVALUATE} --metric coco --iou-threshold 0.5",
            "--iou-threshold: not with --metric coco, which has",
        ),
        (f"{EVALUATE} --metric coco --curves out.png", "--curves: not with --metric coco, which has"),
        (
            f"{EVALUATE} --split x",
            "voc/ImageSets/Main/x.txt: there is no split 'x' (splits in this folder: t",
        ),
        (
            "evaluate --data coco --split x --weights weights.safetensors",
            "coco: there is no split 'x': no anno",
        ),
        (f"{DETECT} --model tiny", "--weights and --model: give only one"),
        (
            f"detect {PHOTO}",
            "--weights: missing (or give --model tiny|ssd300|ssd512 for an untrained network)",
        ),
        ("detect --weights weights.safetensors", "the following arguments are required: IMAGE"),
        (f"{DETECT} --score 40", "--score: 40 is not a number from 0 to 1"),
        (f"{DETECT} voc", "voc: is a folder, not an image (name one image file)"),
        (f"{DETECT} nowhere.jpg", "nowhere.jpg: there is no such image file (check the name)"),
        (f"{DETECT} {PHOTO}", f"IMAGE: {PHOTO} and {PHOTO} would both become val_000000.png"),
        (f"{SHOW} --layer 99", "layer: 99 of tiny (choose 0...2)"),
        (f"{SHOW} --layer -1", "--layer: -1 is not a whole number of 0 or more"),
        (f"{SHOW} --layer 1 --cell 99 99", "cell: (99, 99) on a 4 × 4 map (choose 0...3)"),
        (f"{SHOW} --cell 1 1", "cell: (1, 1) of which feature map? (give its layer too)"),
        (f"{SHOW} --output out.xyz", "out.xyz: cannot write a figure as '.xyz' (use .png, .svg or .pdf)"),
        (f"{SHOW} --output {PHOTO}", f"--output: {PHOTO} is the picture itself"),
        (
            f"show nms {PHOTO} --weights weights.safetensors --class cat",
            "--class: no class 'cat' (choose one of",
        ),
        (f"show matches {PHOTO}", "the following arguments are required: --annotation"),
        (f"show matches {PHOTO} --annotation {XML} --rule best", "rule: no matching rule 'best' ("),
        (f"{TRAINING} --stpes 3", "arguments: --stpes 3, did you mean --steps? (see minissd train --help)"),
        (f"{TRAINING} voc", "unrecognized arguments: voc (see minissd train --help)"),
        (f"train --data {PHOTO} --output run", f"{PHOTO}: is a file (name a folder in VOC's or"),
        ("show prior", "STEP: invalid choice: 'prior' (choose from"),
        ("demo --steps 0", "--steps: 0 is not a whole number of 1 or more"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_in_one_line(command, words, refuse, tmp_path):
    before = files_in(tmp_path), sorted(os.listdir())
    assert words in refuse(*command.split())
    assert (files_in(tmp_path), sorted(os.listdir())) == before


@pytest.mark.parametrize("option", ["learning-rate=nan", "learning-rate=0", "weight-decay=-1", "steps=0"])
@pytest.mark.parametrize("kind", ["command", "library"])
def test_settings_are_refused_by_the_library_in_the_same_words(option, kind, refuse):
    name, _, text = option.partition("=")
    number = float(text) if "." in text or text == "nan" else int(text)
    if kind == "command":
        message = refuse(*TRAINING.split(), "--" + name, text).removeprefix("--").partition(" (see")[0]
    else:
        with pytest.raises(InputError) as error:
            settings.TrainSettings(**{name.replace("-", "_"): number})
        message = str(error.value).replace("_", "-")
    assert re.fullmatch(rf"{name}: {text} is not a (whole )?number (over 0|of [01] or more)", message)


def test_figure_suffixes_are_those_of_the_library(refuse, tmp_path):
    with pytest.raises(InputError) as error:
        viz.save(None, Path("out.xyz"))
    assert str(error.value) in refuse(*SHOW.split(), "--output", "out.xyz")
