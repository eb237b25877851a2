"""``minissd weights``: what is in a file, and writing it for others."""

import json

import numpy as np
import pytest
import safetensors.numpy
from command_line import CLASSES, done, make_weights, refused

from minissd import weights
from minissd.config import SSD300_VOC
from minissd.weights import translate
from minissd.weights.layouts import LAYOUTS
from minissd.weights.loading import undrawn_model


@pytest.fixture
def say(capsys):
    return lambda *arguments: done(capsys, "weights", *arguments)


@pytest.fixture
def refuse(capsys):
    return lambda *arguments: refused(capsys, "weights", *arguments)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def amdegroot():
    """SSD300 with weights 0 in amdegroot's layout."""
    arrays = translate.to_layout(undrawn_model(SSD300_VOC).params, SSD300_VOC, LAYOUTS["amdegroot"], "file")
    safetensors.numpy.save_file(arrays, "amdegroot.safetensors")
    return "amdegroot.safetensors"


class TestInspect:
    def test_a_file_of_minissd(self, say):
        make_weights("own.safetensors")
        facts = dict(line.split(maxsplit=1) for line in say("inspect", "own.safetensors"))
        assert facts["layout"] == "minissd"
        assert facts["network"] == "tiny, 64 pixels, 3 feature maps, 336 default boxes"
        assert facts["classes"] == f"2 and the background: {', '.join(CLASSES)}"
        assert facts["input"].endswith("minus (127.5, 127.5, 127.5) in RGB, over 64")
        assert facts["rules"] == "caffe"

    def test_a_file_of_someone_else(self, say, amdegroot):
        lines = say("inspect", amdegroot, "--arrays")
        facts = dict(line.split(maxsplit=1) for line in lines[:7])
        assert facts["arrays"] == "71, 26,285,486 numbers, float32"
        assert facts["layout"] == "amdegroot"
        assert facts["classes"].startswith("20 and the background: aeroplane, bicycle")
        assert facts["rules"].startswith(
            "amdegroot (unlike caffe: boxes.clip center_size, boxes.l2norm_guard added"
        )
        rows = [" ".join(line.split()) for line in lines]
        assert rows.count("vgg.0.weight 64 x 3 x 3 x 3 float32") == 1
        assert len(lines) == 7 + 71

    def test_json_holds_the_same(self, say, amdegroot):
        report = json.loads("\n".join(say("inspect", amdegroot, "--json")))
        assert report["layout"] == "amdegroot"
        assert report["arrays"]["extras.0.bias"] == {"shape": [256], "dtype": "float32"}

    def test_a_file_that_is_no_ssd_is_described_all_the_same(self, say):
        safetensors.numpy.save_file({"a": np.zeros((2, 3), np.float16)}, "other.safetensors")
        facts = dict(line.split(maxsplit=1) for line in say("inspect", "other.safetensors"))
        assert facts["arrays"] == "1, 6 numbers, float16"
        assert facts["layout"] == "unknown"
        assert facts["problem"].startswith("its arrays (1: a) are not those of an SSD")

    def test_what_is_no_weight_file_is_refused(self, refuse):
        with open("notes.txt", "w") as file:
            file.write("not weights")
        assert refuse("inspect", "notes.txt").startswith("notes.txt: is no weight file of a known kind")


class TestConvert:
    def test_to_minissd_and_back(self, say, amdegroot):
        lines = say("convert", amdegroot, "own.safetensors")
        assert lines == [f"{amdegroot} -> own.safetensors: ssd300-voc in the layout of minissd"]
        model, class_names = weights.load_model("own.safetensors")
        assert model.config.convention == "amdegroot"
        assert class_names[6] == "car"
        say("convert", "own.safetensors", "back.safetensors", "--layout", "amdegroot")
        there, back = (safetensors.numpy.load_file(name) for name in (amdegroot, "back.safetensors"))
        assert there.keys() == back.keys()

    def test_names_and_default_boxes_can_be_given(self, say, amdegroot):
        names = [f"thing{i}" for i in range(20)]
        options = ("--classes", *names, "--config", "ssd300-coco")
        say("convert", amdegroot, "own.safetensors", *options)
        model, class_names = weights.load_model("own.safetensors")
        assert class_names == tuple(names)
        assert model.config.min_sizes[0] == 21

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["out.pth"], "OUT: out.pth (call it out.safetensors)"),
            (["amdegroot.safetensors"], "OUT: amdegroot.safetensors is the file to convert"),
            (["o.safetensors", "--layout", "keras"], "layout: no layout 'keras' (choose one of minissd, tor"),
            (["o.safetensors", "--classes", "cat"], "--classes: 1 class names for 21 classes"),
            (["o.safetensors", "--config", "ssd512-voc"], "config: ssd512-voc has other feature maps"),
        ],
    )
    def test_what_cannot_be_converted(self, refuse, amdegroot, options, words, tmp_path):
        assert words in refuse("convert", amdegroot, *options)
        assert [path.name for path in tmp_path.iterdir()] == [amdegroot]

    def test_tiny_is_known_to_no_one_else(self, refuse):
        make_weights("own.safetensors")
        assert "is a tiny, lufficc has only SSD300" in refuse(
            "convert", "own.safetensors", "out.safetensors", "--layout", "lufficc"
        )
