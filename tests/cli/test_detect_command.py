"""``minissd detect``: the boxes it prints, the pictures it writes, and what it says of them."""

import json
import re
from pathlib import Path

import numpy as np
from command_line import CLASSES, DETECT, PHOTO, SMALL, files_in, size_of
from PIL import Image

from minissd import boxes, predict, priors, weights
from minissd.data import read_image


def test_detect_prints_the_boxes_that_predict_finds(minissd):
    report = json.loads("".join(minissd(*DETECT, PHOTO, "--score", "0.3", "--json")))
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
    lines = minissd(*DETECT, PHOTO, "my photos/Äpfel und 梨.jpg", "--output", "found/here")
    assert files_in(Path("found/here")) == ["val_000000.png", "Äpfel und 梨.png"]
    assert size_of("found/here/Äpfel und 梨.png") == (50, 30)
    assert size_of("found/here/val_000000.png") == (80, 80)
    assert re.fullmatch(rf"{PHOTO}: .+ -> found/here/val_000000.png", lines[0])
    assert lines[1].endswith("-> found/here/Äpfel und 梨.png")


def test_detect_counts_what_it_found(minissd):
    report = json.loads("".join(minissd(*DETECT, PHOTO, "--score", "0.3", "--json")))
    names = [row["class"] for row in report[0]["detections"]]
    line = minissd(*DETECT, PHOTO, "--score", "0.3")[0]
    for name in set(names):
        assert f"{names.count(name)} {name}" in line
    assert ": nothing found -> " in minissd(*DETECT, PHOTO, "--score", "1")[0]


def test_detect_does_not_write_over_the_picture(refuse, tmp_path):
    Image.new("RGB", (50, 30)).save("photo.png")
    before = Path("photo.png").read_bytes()
    line = refuse("detect", "photo.png", "--model", "tiny", "--output", ".")
    assert line == "--output: photo.png is the picture itself (choose another place)"
    assert Path("photo.png").read_bytes() == before


def test_two_pictures_of_one_name_can_be_printed_but_not_drawn(minissd, refuse):
    Image.new("RGB", (50, 30)).save("val_000000.png")
    assert "would both become val_000000.png" in refuse(*DETECT, PHOTO, "val_000000.png")
    assert len(json.loads("".join(minissd(*DETECT, PHOTO, "val_000000.png", "--json")))) == 2


def test_detect_with_an_untrained_network(minissd):
    assert minissd("detect", PHOTO, "--model", "tiny")[0].startswith(f"{PHOTO}: ")
