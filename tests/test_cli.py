"""The command line: what it prints and writes, how it ends, and how it refuses arguments."""

import argparse
import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import (
    CLASSES,
    SMALL,
    TRAIN,
    done,
    files_in,
    make_weights,
    make_workplace,
    refused,
    run,
    without_notice,
)
from PIL import Image

from minissd import (
    __version__,
    boxes,
    cli,
    config,
    demo,
    interrupt,
    matching,
    predict,
    priors,
    settings,
    train,
    viz,
    weights,
)
from minissd.cli import build_parser, main
from minissd.commands.train import SETTINGS
from minissd.data import COCODetection, DrawnScenes, VOCDetection, read_image
from minissd.errors import InputError
from minissd.evaluate import METRICS
from minissd.show import show_nms

COMMANDS = ["demo", "train", "evaluate", "detect", "show", "weights", "bench", "lessons", "assignment"]
STEPS = ["show priors", "show matches", "show mining", "show nms", "weights inspect", "weights convert"]
STEPS += [f"assignment {action}" for action in ("list", "new", "grade", "nbgrader", "prove")]
PHOTO = "voc/JPEGImages/val_000000.png"
XML = "voc/Annotations/val_000000.xml"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return make_workplace(tmp_path_factory.mktemp("cli"))


@pytest.fixture(autouse=True)
def small_and_apart(workplace, tmp_path, monkeypatch):
    """Every test works in its own folder, and `--model tiny` is small."""
    monkeypatch.setitem(config.CONFIGS, "tiny", SMALL)
    monkeypatch.chdir(tmp_path)
    for name in ("voc", "coco", "weights.safetensors"):
        (tmp_path / name).symlink_to(workplace / name)


@pytest.fixture
def minissd(capsys):
    return lambda *arguments: done(capsys, *arguments)


@pytest.fixture
def refuse(capsys):
    return lambda *arguments: refused(capsys, *arguments)


def size_of(path):
    with Image.open(path) as picture:
        picture.load()
        return picture.size


# -- help --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", *COMMANDS, *STEPS])
def test_help_shows_examples_that_can_be_parsed(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    examples = re.findall(r"(?m)^  minissd (.*?)(?: +\(.*\)| > \S+)?$", text.partition("examples:")[2])
    assert examples and all(example.startswith(command) for example in examples)
    for example in examples:
        build_parser().parse_args(example.split())


def parsers(parser):
    """A parser and all parsers below it."""
    yield parser
    for action in parser._actions:
        for below in action.choices.values() if isinstance(action.choices, dict) else ():
            if isinstance(below, argparse.ArgumentParser):
                yield from parsers(below)


def test_help_says_something_of_every_argument():
    found = list(parsers(build_parser()))
    assert len(found) == 1 + len(COMMANDS) + len(STEPS)
    for parser in found:
        for action in parser._actions:
            steps = isinstance(action, argparse._SubParsersAction)
            assert steps or action.help, f"{parser.prog}: {action.option_strings or action.dest}"


def test_help_of_train_tells_the_true_defaults():
    defaults = settings.TrainSettings()
    assert {name: default for name, (_, _, default) in SETTINGS.items()} == {
        name: getattr(defaults, name) for name in SETTINGS
    }


def test_help_of_demo_tells_the_true_number_of_steps(capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--help"])
    assert f"training steps (default: {demo.STEPS})" in capsys.readouterr().out


# -- arguments that make no sense --------------------------------------------------------------------------

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


# -- training and evaluation -------------------------------------------------------------------------------


def test_train_tells_where_the_weights_are_and_what_they_are_worth(minissd):
    lines = minissd(*TRAIN)
    model, names = weights.load_model("run/weights.safetensors")
    assert names == CLASSES
    mean_ap = predict.evaluate_model(model, VOCDetection("voc", "val")).mAP
    assert lines[-2:] == [f"mAP {mean_ap:.4f} on 2 pictures of val", "weights: run/weights.safetensors"]


def test_train_without_validation(minissd):
    assert minissd(*TRAIN, "--val-split", "") == ["weights: run/weights.safetensors"]


def test_train_on_drawn_scenes(minissd, monkeypatch):
    monkeypatch.setattr(
        "minissd.data.DrawnScenes",
        lambda length, seed, **options: DrawnScenes(min(length, 4), 64, seed, **options),
    )
    lines = minissd(*TRAIN, "--data", "scenes")
    assert re.fullmatch(r"mAP 0\.\d{4} on 4 unseen scenes", lines[-2])
    evaluated = minissd("evaluate", "--data", "scenes", "--weights", "run/weights.safetensors")
    assert evaluated[-1].split()[:2] == lines[-2].split()[:2]
    assert minissd(*TRAIN, "--data", "scenes", "--val-split", "") == ["weights: run/weights.safetensors"]


def test_options_reach_the_settings(minissd):
    minissd(*TRAIN, "--learning-rate", "0.003", "--augmentation", "none", "--seed", 4, "--val-split", "")
    stored = json.loads(Path("run/settings.json").read_text())["training"]
    assert (stored["learning_rate"], stored["augmentation"], stored["seed"]) == (0.003, "none", 4)
    assert stored["steps"] == stored["batch_size"] == 2


def test_train_starts_from_weights(minissd, capsys):
    minissd(*TRAIN, "--val-split", "")
    first = weights.read("run/checkpoint.safetensors").details["rows"][0]["loss"]
    minissd(*TRAIN, "--val-split", "", "--weights", "weights.safetensors", "--seed", 0, "--output", "second")
    same_seed = weights.read("second/checkpoint.safetensors").details["rows"][0]["loss"]
    assert same_seed == first  # weights.safetensors has the weights that seed 0 gives
    minissd(*TRAIN, "--val-split", "", "--weights", "run/weights.safetensors", "--output", "third")
    assert weights.read("third/checkpoint.safetensors").details["rows"][0]["loss"] != first


def test_train_by_a_convention_and_go_on_by_it(minissd, refuse):
    options = (*TRAIN, "--val-split", "")
    minissd(*options, "--convention", "d2l")
    model, _ = weights.load_model("run/weights.safetensors")
    assert model.config.convention == "d2l"
    assert json.loads(Path("run/settings.json").read_text())["training"]["matching_rule"] == "d2l"
    line = refuse(*options, "--resume")
    assert re.match(r"run/checkpoint.safetensors: is of another configuration, .* of .*convention \(", line)
    finished = minissd(*options, "--resume", "--convention", "d2l")
    assert finished[0] == "this run is finished: all 2 steps are done"
    assert refuse(*options, "--convention", "darknet").startswith(
        "convention: no convention 'darknet' (choose"
    )


def test_train_starts_from_a_detector_of_other_classes(minissd, refuse):
    base = make_weights("base.safetensors", ("ring", "star", "cross"), seed=7)
    options = (*TRAIN, "--val-split", "", "--steps", 1, "--learning-rate", "1e-9", "--base", base)
    minissd(*options)
    learned, started = weights.read(base).arrays, weights.read("run/weights.safetensors").arrays
    for name, array in started.items():
        if "_head" not in name and "running" not in name:
            np.testing.assert_allclose(array, learned[name], atol=1e-6)
    assert "--weights and --base: give only one" in refuse(*options, "--weights", base)
    assert "base.safetensor: no such file" in refuse(*options[:-1], "base.safetensor")


def test_resuming_a_finished_run_says_that_it_is_finished(minissd):
    lines = minissd(*TRAIN)
    before = Path("run/weights.safetensors").read_bytes()
    assert minissd(*TRAIN, "--resume") == ["this run is finished: all 2 steps are done", *lines[-2:]]
    assert Path("run/weights.safetensors").read_bytes() == before


@pytest.mark.parametrize("damaged", [True, False])
def test_a_checkpoint_that_holds_no_run_may_be_replaced(damaged, minissd):
    checkpoint = Path("run/checkpoint.safetensors")
    checkpoint.parent.mkdir()
    make_weights(checkpoint)
    if damaged:
        checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    assert minissd(*TRAIN)[-1] == "weights: run/weights.safetensors"


def test_resuming_with_other_settings_is_refused(minissd, refuse):
    minissd(*TRAIN)
    line = refuse(*TRAIN, "--resume", "--learning-rate", "0.5", "--seed", 3)
    words = "the run was started with other settings: learning_rate 0.04, seed 0 (resume with the same ones"
    assert line.startswith(f"run/checkpoint.safetensors: {words}")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda run: (run / "checkpoint.safetensors").unlink(), "run: holds no run to resume"),
        (
            lambda run: (run / "weights.safetensors").replace(run / "checkpoint.safetensors"),
            "run/checkpoint.safetensors: holds no state of a training run",
        ),
    ],
)
def test_resuming_a_damaged_run_is_refused(spoil, words, minissd, refuse):
    minissd(*TRAIN, "--val-split", "")
    spoil(Path("run"))
    line = refuse(*TRAIN, "--val-split", "", "--resume")
    assert line.startswith(words) and "(train without --resume" in line


def test_evaluate_prints_what_evaluate_model_gives(minissd):
    model, _ = weights.load_model("weights.safetensors")
    result = predict.evaluate_model(model, VOCDetection("voc", "val", CLASSES), 0.3, "11point")
    options = ("--iou-threshold", "0.3", "--metric", "11point")
    lines = minissd(*EVALUATE.split(), *options)
    assert lines[-1] == f"mAP     {result.mAP:.4f}   (11point, IoU 0.3, 2 images)"
    assert lines[:-1] == [f"{CLASSES[label - 1]:6}  {ap:.4f}" for label, ap in result.ap.items()]

    report = json.loads("".join(minissd(*EVALUATE.split(), *options, "--json")))
    ap_by_name = {CLASSES[label - 1]: ap for label, ap in result.ap.items()}
    assert report == {"mAP": result.mAP, "ap": ap_by_name, "images": 2}


@pytest.mark.parametrize("data", ["voc", "coco"])
def test_evaluate_prints_cocos_twelve_numbers(data, minissd):
    model, _ = weights.load_model("weights.safetensors")
    dataset = (VOCDetection if data == "voc" else COCODetection)(data, "val", CLASSES)
    result = predict.evaluate_model(model, dataset, metric="coco")
    options = ("evaluate", "--data", data, "--weights", "weights.safetensors", "--metric", "coco")
    lines = minissd(*options)
    assert lines[-1] == f"mAP     {result.ap:.4f}   (coco, IoU .50-.95, 2 images)"
    assert lines[-14:-1] == str(result).splitlines()
    names = [CLASSES[label - 1] for label in result.class_ap]
    assert [line.split()[0] for line in lines[:-14]] == names

    report = json.loads("".join(minissd(*options, "--json")))
    assert (report["mAP"], report["images"]) == (result.ap, 2)
    assert report["numbers"].keys() == result.numbers.keys()
    for name, number in result.numbers.items():
        assert report["numbers"][name] == (None if np.isnan(number) else number)


def test_a_coco_folder_works_like_a_voc_folder(minissd):
    """The same pictures and objects in the other format: the same losses and the same mAP."""
    by_format = {}
    for data in ("voc", "coco"):
        lines = minissd(*TRAIN, "--data", data, "--output", data + "-run")
        assert lines[-1] == f"weights: {data}-run/weights.safetensors"
        options = ("--data", data, "--weights", f"{data}-run/weights.safetensors")
        assert minissd("evaluate", *options)[-1].split()[1] == lines[-2].split()[1]
        rows = weights.read(f"{data}-run/checkpoint.safetensors").details["rows"]
        by_format[data] = [row["loss"] for row in rows], lines[-2]
    np.testing.assert_allclose(by_format["coco"][0], by_format["voc"][0], rtol=1e-4)
    assert by_format["coco"][1] == by_format["voc"][1]


def test_scenes_have_no_other_classes(refuse):
    make_weights("pets.safetensors", class_names=("cat", "dog"))
    line = refuse("evaluate", "--data", "scenes", "--weights", "pets.safetensors")
    assert line.startswith("class_names: 'cat' cannot be drawn (use some of")


def test_evaluate_draws_curves(minissd):
    minissd(*EVALUATE.split(), "--curves", "new/curves.svg")
    assert "<svg" in Path("new/curves.svg").read_text()


def test_weights_without_class_names(refuse, minissd):
    make_weights("nameless.safetensors", class_names=())
    line = refuse("evaluate", "--data", "voc", "--weights", "nameless.safetensors")
    assert line.startswith("nameless.safetensors: holds no class names")
    report = json.loads(
        "".join(minissd("detect", PHOTO, "--weights", "nameless.safetensors", "--json", "--score", 0))
    )
    assert {found["class"] for found in report[0]["detections"]} <= {"class 1", "class 2"}


# -- detect ------------------------------------------------------------------------------------------------


def test_detect_prints_the_boxes_that_predict_finds(minissd):
    report = json.loads("".join(minissd(*DETECT.split(), "--score", "0.3", "--json")))
    model, _ = weights.load_model("weights.safetensors")
    found = predict.predict(model, [read_image(PHOTO)], score_threshold=0.3)[0]
    assert len(report) == 1 and report[0]["image"] == PHOTO and len(found) > 0
    rows = report[0]["detections"]
    assert [row["class"] for row in rows] == [CLASSES[label - 1] for label in found.labels]
    np.testing.assert_allclose([row["score"] for row in rows], found.scores, atol=1e-6)
    boxes_px = [row["box_xyxy_px"] for row in rows]
    np.testing.assert_allclose(boxes_px, boxes.clip(found.boxes_xyxy) * 80, atol=0.0051)


def test_boxes_are_in_pixels_of_the_picture_x_before_y(minissd):
    """A network that only answers with the squares of the coarsest map: their places are known."""
    model, names = weights.load_model("weights.safetensors")
    for name, array in model.params.items():
        if "_head" in name:
            model.params[name] = np.zeros_like(array)
    head = [name for name in model.params if name.endswith("_head.bias")][-1]
    bias = np.zeros(4 * (4 + 3), np.float32)
    bias[16 + 2] = 9  # 16 offsets, then 3 logits for each of 4 boxes: the first box, class 2
    model.params[head] = bias
    weights.save(model, "squares.safetensors", names)
    Image.new("RGB", (320, 160)).save("wide.png")
    report = json.loads("".join(minissd("detect", "wide.png", "--weights", "squares.safetensors", "--json")))
    assert (report[0]["width"], report[0]["height"]) == (320, 160)
    assert {row["class"] for row in report[0]["detections"]} == {"square"}
    # SMALL's coarsest map has 2 x 2 cells of half a picture, and squares of 32 of 64 pixels in their middle.
    found = sorted(row["box_xyxy_px"] for row in report[0]["detections"])
    assert found == [[0, 0, 160, 80], [0, 80, 160, 160], [160, 0, 320, 80], [160, 80, 320, 160]]
    assert len(priors.prior_boxes(model.config)) == SMALL.num_priors


def test_detect_writes_pictures_of_their_own_sizes_and_says_what_is_on_them(minissd):
    Path("my photos").mkdir()
    Image.new("RGB", (50, 30), "red").save("my photos/Äpfel und 梨.jpg")
    lines = minissd(*DETECT.split(), "my photos/Äpfel und 梨.jpg", "--output", "found/here")
    assert files_in(Path("found/here")) == ["val_000000.png", "Äpfel und 梨.png"]
    assert size_of("found/here/Äpfel und 梨.png") == (50, 30)
    assert size_of("found/here/val_000000.png") == (80, 80)
    assert re.fullmatch(rf"{PHOTO}: .+ -> found/here/val_000000.png", lines[0])
    assert lines[1].endswith("-> found/here/Äpfel und 梨.png")


def test_detect_counts_what_it_found(minissd):
    report = json.loads("".join(minissd(*DETECT.split(), "--score", "0.3", "--json")))
    names = [row["class"] for row in report[0]["detections"]]
    line = minissd(*DETECT.split(), "--score", "0.3")[0]
    for name in set(names):
        assert f"{names.count(name)} {name}" in line
    assert ": nothing found -> " in minissd(*DETECT.split(), "--score", "1")[0]


def test_detect_does_not_write_over_the_picture(refuse, tmp_path):
    Image.new("RGB", (50, 30)).save("photo.png")
    before = Path("photo.png").read_bytes()
    line = refuse("detect", "photo.png", "--model", "tiny", "--output", ".")
    assert line == "--output: photo.png is the picture itself (choose another place)"
    assert Path("photo.png").read_bytes() == before


def test_two_pictures_of_one_name_can_be_printed_but_not_drawn(minissd, refuse):
    Image.new("RGB", (50, 30)).save("val_000000.png")
    assert "would both become val_000000.png" in refuse(*DETECT.split(), "val_000000.png")
    assert len(json.loads("".join(minissd(*DETECT.split(), "val_000000.png", "--json")))) == 2


def test_detect_with_an_untrained_network(minissd):
    assert minissd("detect", PHOTO, "--model", "tiny")[0].startswith(f"{PHOTO}: ")


# -- show --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "first"),
    [
        (f"priors {PHOTO}", "tiny: 336 default boxes on 3 feature maps"),
        (f"priors {PHOTO} --layer 2 --cell 1 0", "map 2: 2 × 2 cells of 32 px, 4 boxes a cell, 16 boxes"),
        (f"matches {PHOTO} --annotation {XML} --rule argmax", "default boxes are matched to"),
        (f"mining {PHOTO} --annotation {XML} --weights weights.safetensors", "hard negatives"),
        (f"nms {PHOTO} --weights weights.safetensors --class square", "of square over score 0.1"),
    ],
)
def test_show_writes_a_picture_and_says_what_is_on_it(command, first, minissd):
    lines = minissd("show", *command.split())
    name = command.split()[0]
    assert first in lines[0]
    assert lines[-1] == f"-> {name}.png"
    assert size_of(f"{name}.png")[0] > 300


def test_show_takes_the_thresholds(minissd):
    options = ("--score", "0.3", "--iou-threshold", "0.6", "--top-k", 5, "--class", "circle")
    lines = minissd("show", "nms", PHOTO, "--weights", "weights.safetensors", *options)
    model, _ = weights.load_model("weights.safetensors")
    _, expected = show_nms(read_image(PHOTO), model, 1, CLASSES, 0.3, 0.6, 5)
    assert lines[:-1] == expected


def test_help_names_the_rules_and_metrics_of_the_library(capsys):
    named = {"show matches": matching.RULES, "train": matching.RULES, "evaluate": METRICS}
    for command, names in named.items():
        with pytest.raises(SystemExit):
            main([*command.split(), "--help"])
        text = capsys.readouterr().out
        assert all(re.search(rf"\b{name}\b", text) for name in names)


def test_a_rule_and_a_metric_of_ones_own_can_be_asked_for(minissd, monkeypatch):
    monkeypatch.setitem(matching.RULES, "mine", matching.RULES["threshold"])
    monkeypatch.setitem(METRICS, "half", lambda recall, precision: 0.5)
    show = ("show", "matches", PHOTO, "--annotation", XML, "--rule")
    assert minissd(*show, "mine") == minissd(*show, "threshold")
    assert minissd(*EVALUATE.split(), "--metric", "half")[-1].startswith("mAP     0.5000   (half, IoU 0.5")


# -- demo --------------------------------------------------------------------------------------------------


def test_demo_writes_a_page_and_every_picture_on_it(minissd, monkeypatch):
    monkeypatch.setattr(demo, "TINY", SMALL)
    monkeypatch.setattr(demo, "NUM_UNSEEN", 3)
    lines = minissd("demo", "--output", "out", "--steps", 2, "--seed", 1, "--quiet")
    assert re.fullmatch(r"mAP 0\.\d{4} on 3 unseen scenes", lines[-2])
    assert lines[-1] == "every step as a picture: out/index.html"
    page = Path("out/index.html").read_text()
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert len(pictures) == 11
    assert sorted(pictures) == sorted(path.name for path in Path("out").glob("*.png"))
    for picture in pictures:
        assert size_of(f"out/{picture}")[0] > 300
    links = re.findall(r'href="#([^"]+)"', page)
    assert links == re.findall(r'<section id="([^"]+)"', page)


def test_an_interrupted_demo_does_not_offer_to_resume(capsys, monkeypatch):
    def stop(*arguments):
        raise interrupt.Interrupted("the same command with --resume")

    monkeypatch.setattr(demo, "run", stop)
    result = run(capsys, "demo", "--output", "out")
    assert (result.code, result.errors) == (130, ["minissd: stopped (minissd demo begins anew)"])


# -- stopping ----------------------------------------------------------------------------------------------


def losses(folder):
    return [row["loss"] for row in weights.read(f"{folder}/checkpoint.safetensors").details["rows"]]


def press_ctrl_c_in_step_2(trainer, batch, step=train.Trainer.train_step):
    """A training step during which the user presses Ctrl-C, if it is the second."""
    if trainer.step == 1:
        os.kill(os.getpid(), signal.SIGINT)
    return step(trainer, batch)


def test_ctrl_c_says_in_one_line_how_to_resume_and_resuming_gives_the_same_losses(capsys, monkeypatch):
    options = (*TRAIN, "--steps", 4, "--val-split", "", "--evaluate-every", 0)
    done(capsys, *options, "--output", "whole")
    with monkeypatch.context() as patch:
        patch.setattr(train.Trainer, "train_step", press_ctrl_c_in_step_2)
        result = run(capsys, *options)
    assert (result.code, result.lines) == (130, [])
    assert result.errors == [
        "minissd: stopped after step 2 of 4; everything is saved. "
        "To go on: the same command with --resume (output folder run)"
    ]
    assert refused(capsys, *options, "--seed", 7).startswith(
        "--output: run holds a run that was stopped after step 2 of 4 (--resume goes on; else choose another"
    )
    done(capsys, *options, "--resume")
    assert losses("run") == losses("whole")


def test_ctrl_c_in_the_last_step_changes_nothing(capsys, monkeypatch):
    monkeypatch.setattr(train.Trainer, "train_step", press_ctrl_c_in_step_2)
    assert done(capsys, *TRAIN)[-1] == "weights: run/weights.safetensors"


def test_ctrl_c_elsewhere(capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("minissd.predict.predict", interrupt)
    result = run(capsys, *DETECT.split())
    assert (result.code, result.errors) == (130, ["minissd: stopped"])


# -- what the machine can run out of -----------------------------------------------------------------------


@pytest.mark.parametrize("detail", ["Unable to allocate 3 GiB", ""])
def test_too_little_memory(detail, refuse, monkeypatch):
    def allocate(*arguments, **options):
        raise MemoryError(detail)

    monkeypatch.setattr("minissd.data.image._to_rgb", allocate)  # not taken for a broken picture
    expected = (
        f"not enough memory{': ' if detail else ''}{detail} (use a smaller --batch-size, picture or model)"
    )
    assert refuse(*DETECT.split()) == expected


def test_an_error_of_the_operating_system_names_the_file(refuse, monkeypatch):
    def read(*arguments, **options):
        raise OSError(errno.EIO, "Input/output error", "disk/file.png")

    monkeypatch.setattr("minissd.data.read_image", read)
    assert refuse(*DETECT.split()) == "disk/file.png: Input/output error"


def test_output_that_cannot_be_spelled_is_escaped(monkeypatch):
    Image.new("RGB", (50, 30)).save("梨.png")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["detect", "梨.png", "--model", "tiny", "--score", "1"]) == 0
    stream.seek(0)
    assert stream.read() == "\\u68a8.png: nothing found -> detections/\\u68a8.png\n"


# -- as a program ------------------------------------------------------------------------------------------

MODULE = [sys.executable, "-m", "minissd"]
PROGRAM = [str(Path(sys.executable).with_name("minissd"))]


@pytest.mark.parametrize("program", [MODULE, PROGRAM], ids=["module", "script"])
def test_both_programs_answer(program):
    if not Path(program[0]).exists():
        pytest.skip("needs the package to be installed with its script")
    answer = subprocess.run([*program, "--help"], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("usage: minissd") and answer.stderr == ""


@pytest.mark.parametrize(
    "command", ["--help", "weights --help", "assignment list", "assignment new A1 handout", "lessons --list"]
)
def test_commands_that_compile_nothing_do_not_import_numba(command, tmp_path):
    code = (
        "import sys; from minissd.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: assert 'minissd.cli' in sys.modules and 'numba' not in sys.modules"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, *command.split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert (answer.returncode, answer.stderr) == (0, "")


def test_the_exit_code_leaves_the_process():
    answer = subprocess.run([*MODULE, "detect", "x.jpg"], capture_output=True, text=True)
    assert answer.returncode == 2
    assert answer.stderr.startswith("minissd: --weights: missing") and answer.stderr.count("\n") == 1


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert (end.value.code, capsys.readouterr().out) == (0, f"minissd {__version__}\n")


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_closed_output_and_the_backend_of_a_notebook_stop_no_command():
    command = ["sh", "-c", '"$@" >&-', "sh", *MODULE, *SHOW.split()]
    surroundings = os.environ | {"MPLBACKEND": "module://of.a.notebook"}
    answer = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=surroundings)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert Path("priors.png").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_onto_a_full_disk():
    with open("/dev/full", "w") as full:
        answer = subprocess.run([*MODULE, *SHOW.split()], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (answer.returncode, answer.stderr) == (2, "minissd: output: No space left on device\n")


@pytest.mark.skipif(os.name != "posix", reason="pipes of another kind")
def test_a_reader_who_has_seen_enough():
    reading, writing = os.pipe()
    os.close(reading)
    answer = subprocess.run([*MODULE, *SHOW.split()], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (answer.returncode, answer.stderr) == (cli.READER_GONE, "")


@pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")
def test_ctrl_c_in_the_program_and_on_it_goes(capsys):
    small = "import sys, command_line as c; c.config.CONFIGS['tiny'] = c.SMALL; sys.exit(c.main())"
    options = ["train", "--data", "voc", "--val-split", "", "--steps", "8", "--batch-size", "1", "--quiet"]
    options += ["--checkpoint-every", "1", "--output"]
    with subprocess.Popen(
        [sys.executable, "-c", small, *options, "run"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    ) as process:
        deadline = time.monotonic() + 60
        while not Path("run/checkpoint.safetensors").exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        errors = without_notice(process.communicate(timeout=60)[1])
    assert process.returncode == 130
    assert re.fullmatch(
        r"minissd: stopped after step [1-7] of 8; everything is saved\. .*--resume.*\n", errors
    )
    assert not any(name.startswith(".") for name in files_in(Path("run")))
    done(capsys, *options, "run", "--resume")
    done(capsys, *options, "whole")
    assert losses("run") == losses("whole")
