"""The view of default boxes says the number, the size and the centre of each."""

import re

import numpy as np
import pytest

from minissd import explore
from minissd.config import SSD300_VOC, TINY
from minissd.explore.priors import describe_cell
from minissd.priors import prior_boxes


def parse(line):
    """Number of the prior, and cx, cy, w, h in pixels."""
    number, width, height, x, y = re.search(
        r"prior (\d+): .*, ([\d.]+) × ([\d.]+) px, centre \(([\d.]+), ([\d.]+)\) px", line
    ).groups()
    return int(number), [float(x), float(y), float(width), float(height)]


@pytest.mark.parametrize("config", [TINY, SSD300_VOC], ids=lambda config: config.name)
def test_each_line_is_about_the_box_of_its_number(config):
    priors_px = prior_boxes(config) * config.image_size
    for layer, side in enumerate(config.feature_maps):
        for cell in ((0, 0), (side - 1, 0), (side // 2, side - 1)):
            lines = describe_cell(config, layer, cell)
            assert len(lines) == config.boxes_per_cell[layer]
            for line in lines:
                number, box_px = parse(line)
                np.testing.assert_allclose(box_px, priors_px[number], atol=0.051)


def test_by_hand():
    """Map 1 comes after 32 * 32 * 4 boxes; before cell (5, 9) are 5 * 16 + 9 cells of four boxes."""
    (line,) = describe_cell(TINY, 1, (5, 9), shape=2)
    number, (x, y, width, height) = parse(line)
    assert number == 32 * 32 * 4 + (5 * 16 + 9) * 4 + 2
    assert (x, y) == (152, 88)
    assert width == pytest.approx(38 * 2**0.5, abs=0.051) and height == pytest.approx(38 / 2**0.5, abs=0.051)


def test_another_map_has_other_cells_and_shapes(widgets, image):
    view = explore.priors(image, SSD300_VOC)
    view.set(row=37, column=20, shape=3)
    view.controls["layer"].value = 1
    assert view.drawings == 3
    controls = view.controls
    assert (controls["row"].max, controls["row"].value, controls["column"].value) == (18, 18, 18)
    assert len(controls["shape"].options) == 7  # all, and six shapes
    assert controls["shape"].value == 3
    controls["shape"].value = 5
    view.controls["layer"].value = 5  # one cell, four shapes
    assert controls["row"].disabled and controls["shape"].value == 3
    assert view.text.value.startswith("prior 8731: ratio 1/2")


def test_one_shape_or_all(widgets, image, config):
    view = explore.priors(image, config)
    assert view.text.value.count("prior") == 4
    view.controls["shape"].value = 1
    assert view.text.value.count("prior") == 1 and "large square" in view.text.value
