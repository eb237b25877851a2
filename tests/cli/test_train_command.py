"""``minissd train``: what it prints and writes, where it starts, and what it resumes."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from command_line import CLASSES, TRAIN, losses, make_weights

from minissd import predict, weights
from minissd.data import DrawnScenes, VOCDetection


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
    first = losses("run")[0]
    minissd(*TRAIN, "--val-split", "", "--weights", "weights.safetensors", "--seed", 0, "--output", "second")
    same_seed = losses("second")[0]
    assert same_seed == first  # weights.safetensors has the weights that seed 0 gives
    minissd(*TRAIN, "--val-split", "", "--weights", "run/weights.safetensors", "--output", "third")
    assert losses("third")[0] != first


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


def test_a_coco_folder_works_like_a_voc_folder(minissd):
    """The same pictures and objects in the other format: the same losses and the same mAP."""
    by_format = {}
    for data in ("voc", "coco"):
        lines = minissd(*TRAIN, "--data", data, "--output", data + "-run")
        assert lines[-1] == f"weights: {data}-run/weights.safetensors"
        options = ("--data", data, "--weights", f"{data}-run/weights.safetensors")
        assert minissd("evaluate", *options)[-1].split()[1] == lines[-2].split()[1]
        by_format[data] = losses(f"{data}-run"), lines[-2]
    np.testing.assert_allclose(by_format["coco"][0], by_format["voc"][0], rtol=1e-4)
    assert by_format["coco"][1] == by_format["voc"][1]
