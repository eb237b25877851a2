"""``minissd show``: a picture of every step, and what is said of it."""

import pytest
from command_line import CLASSES, EVALUATE, PHOTO, XML, size_of

from minissd import matching, weights
from minissd.data import read_image
from minissd.evaluate import METRICS
from minissd.show import show_nms


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


def test_a_rule_and_a_metric_of_ones_own_can_be_asked_for(minissd, monkeypatch):
    monkeypatch.setitem(matching.RULES, "mine", matching.RULES["threshold"])
    monkeypatch.setitem(METRICS, "half", lambda recall, precision: 0.5)
    show = ("show", "matches", PHOTO, "--annotation", XML, "--rule")
    assert minissd(*show, "mine") == minissd(*show, "threshold")
    assert minissd(*EVALUATE, "--metric", "half")[-1].startswith("mAP     0.5000   (half, IoU 0.5")
