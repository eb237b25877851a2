"""What a trace has to tell, word for word."""

import dataclasses

import numpy as np
import pytest
from command_line import SMALL
from two_maps import TWO_MAPS

from minissd.models import SSD
from minissd.places import locate
from minissd.priors import prior_boxes
from minissd.sentences import (
    describe_input,
    describe_offsets,
    describe_origin,
    describe_source,
    describe_threshold,
)
from minissd.trace import trace


@pytest.fixture(scope="module")
def seen():
    """The trace of an untrained network."""
    image = np.random.default_rng(1).integers(0, 256, (50, 80, 3), dtype=np.uint8)
    return trace(SSD(SMALL, np.random.default_rng(0)), image, score_threshold=0.3)


@pytest.fixture(scope="module")
def on_two_maps():
    """The trace of a network of two maps, which detects with the box of our choice."""
    seen = trace(SSD(TWO_MAPS, np.random.default_rng(0)), np.zeros((32, 32, 3), np.uint8), keep_top_k=1)
    (one,) = seen.found

    def with_offsets(prior, offsets, rules=None, **changes):
        at = {"prior": prior, "place": locate(TWO_MAPS, prior), "prior_cxcywh": prior_boxes(TWO_MAPS)[prior]}
        found = dataclasses.replace(one, offsets=np.array(offsets, np.float32), **at | changes)
        return dataclasses.replace(seen, options=seen.options | (rules or {})), found

    return with_offsets


def test_the_input(seen):
    text = describe_input(seen)
    assert text.startswith("The picture of 80 × 50 is resized to 64 × 64, whatever its shape.")
    assert "(127.5, 127.5, 127.5) is subtracted, and the rest is divided by 64." in text
    config = dataclasses.replace(seen.config, pixel_scale=1.0, channel_order="bgr")
    text = describe_input(dataclasses.replace(seen, config=config))
    assert "divided" not in text and "go in as BGR" in text


def test_a_source_map(seen):
    """TINY's first source: 53 pixels, and its head one cell of 8 more on each side."""
    assert describe_source(seen, 0) == (
        "64 channels of 8 × 8 cells, 8 px apart. What is predicted for a cell depends on 69 × 69 px around "
        "it, and starts from default boxes such as squares of 8 and 11 px."
    )
    normalised = dataclasses.replace(seen, normalized=("conv4_2",))
    assert "8 px apart, L2-normalised as its head sees them." in describe_source(normalised, 0)
    assert "L2" not in describe_source(normalised, 1)


def test_a_source_map_of_one_cell_that_depends_on_everything(seen):
    last = list(seen.sources)[-1]
    alone = dataclasses.replace(seen, sources=seen.sources | {last: np.zeros((64, 1, 1))})
    text = describe_source(alone, len(seen.sources) - 1)
    assert text.startswith(
        "64 channels of one cell. What is predicted for a cell depends on the whole picture,"
    )


def test_the_origin_of_a_detection(on_two_maps):
    seen, one = on_two_maps(68, [0, 0, 0, 0])
    for count, words in ((0, "no other boxes"), (1, "1 other box"), (2, "2 other boxes")):
        lost = one.suppressed.select(np.zeros(0, int))
        lost = dataclasses.replace(lost, scores=np.zeros(count))
        assert describe_origin(seen, dataclasses.replace(one, suppressed=lost)) == (
            "Found on map 1 (conv5_2, 2 × 2 cells) in row 1, column 0, from the default box “small square "
            f"1” of 16 × 16 px, number 68 of 72. It suppressed {words}."
        )


def test_offsets(on_two_maps):
    assert describe_offsets(*on_two_maps(68, [1, 0, 0, 5 * np.log(2)])) == [
        ("x", "+1.000", "1.000 × 0.1 × 16 px", "moved 1.6 px to the right"),
        ("y", "+0.000", "0.000 × 0.1 × 16 px", "not moved"),
        ("width", "+0.000", "e^(0.000 × 0.2)", "1.00 times as wide: 16 to 16 px"),
        ("height", "+3.466", "e^(3.466 × 0.2)", "2.00 times as high: 16 to 32 px"),
    ]
    effects = [row[3] for row in describe_offsets(*on_two_maps(68, [-1, -2, 0, 0]))]
    assert effects[:2] == ["moved 1.6 px to the left", "moved 3.2 px up"]


def test_offsets_by_the_rules_of_torchvision(on_two_maps):
    rules = {"max_log_size": np.log(1000 / 16), "clip": True}
    box_xyxy = np.array([0, 0.5, 1, 1])
    rows = describe_offsets(*on_two_maps(68, [0, 0, 50, 5 * np.log(2)], rules, box_xyxy=box_xyxy, cut=True))
    how, effect = "e^(50.000 × 0.2), at most 62.5", "62.50 times as wide: 16 to 1000 px"
    assert rows[2] == ("width", "+50.000", how, effect)
    assert rows[3][2:] == ("e^(3.466 × 0.2)", "2.00 times as high: 16 to 32 px")
    assert rows[4] == ("border", "", "", "cut at the border, to 32 × 16 px")


def test_offsets_without_end(on_two_maps):
    rows = describe_offsets(*on_two_maps(68, [0, 0, 441, 9999]))
    assert rows[2][3] == "2.0e+38 times as wide: 16 to 3.2e+39 px"
    assert rows[3][3] == "inf times as high: 16 to inf px"


def test_thresholds():
    options = {
        "score_threshold": 0.4,
        "inclusive_scores": False,
        "iou_threshold": 0.45,
        "inclusive_nms": True,
    }
    assert describe_threshold(options, "score") == "over 0.4"
    assert describe_threshold(options, "iou") == "at least 0.45"
