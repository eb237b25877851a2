"""``minissd evaluate``: the numbers and curves of the library, on data of either format."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import CLASSES, EVALUATE, PHOTO, make_weights

from minissd import predict, weights
from minissd.data import COCODetection, VOCDetection


def test_evaluate_prints_what_evaluate_model_gives(minissd):
    model, _ = weights.load_model("weights.safetensors")
    result = predict.evaluate_model(model, VOCDetection("voc", "val", CLASSES), 0.3, "11point")
    options = ("--iou-threshold", "0.3", "--metric", "11point")
    lines = minissd(*EVALUATE, *options)
    assert lines[-1] == f"mAP     {result.mAP:.4f}   (11point, IoU 0.3, 2 images)"
    assert lines[:-1] == [f"{CLASSES[label - 1]:6}  {ap:.4f}" for label, ap in result.ap.items()]

    report = json.loads("".join(minissd(*EVALUATE, *options, "--json")))
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


def test_scenes_have_no_other_classes(refuse):
    make_weights("pets.safetensors", class_names=("cat", "dog"))
    line = refuse("evaluate", "--data", "scenes", "--weights", "pets.safetensors")
    assert line.startswith("class_names: 'cat' cannot be drawn (use some of")


def test_evaluate_draws_curves(minissd):
    minissd(*EVALUATE, "--curves", "new/curves.svg")
    assert "<svg" in Path("new/curves.svg").read_text()


def test_weights_without_class_names(refuse, minissd):
    make_weights("nameless.safetensors", class_names=())
    line = refuse("evaluate", "--data", "voc", "--weights", "nameless.safetensors")
    assert line.startswith("nameless.safetensors: holds no class names")
    report = json.loads(
        "".join(minissd("detect", PHOTO, "--weights", "nameless.safetensors", "--json", "--score", 0))
    )
    assert {found["class"] for found in report[0]["detections"]} <= {"class 1", "class 2"}
