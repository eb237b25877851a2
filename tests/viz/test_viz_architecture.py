"""The architecture and the receptive fields as pictures: sizes and numbers are those of the network."""

import numpy as np
import pytest

from minissd.config import SSD300_VOC, SSD512_VOC, TINY
from minissd.models import SSD
from minissd.viz.architecture import draw_architecture, source_maps, trunk_maps
from minissd.viz.maps import map_colors
from minissd.viz.receptive import draw_atrous_taps, draw_receptive_fields


@pytest.fixture(scope="module")
def ssd300():
    return SSD(SSD300_VOC)


@pytest.fixture(scope="module")
def picture(ssd300):
    (ax,) = draw_architecture(ssd300).axes
    return ax


def sizes(ax, gid):
    found = [patch for patch in ax.patches if patch.get_gid() == gid]
    return np.array([(patch.get_width(), patch.get_height()) for patch in found])


def test_slabs_are_as_high_as_the_sides_of_the_maps_and_as_thick_as_their_channels(picture):
    slabs = sizes(picture, "slab")
    sides = np.array([300, 300, 150, 75, 38, 19, 19, 10, 5, 3, 1])
    np.testing.assert_allclose(slabs[:, 1] / slabs[0, 1], sides / 300)
    channels = np.array([512, 512, 1024, 512, 256, 256, 256])
    np.testing.assert_allclose(slabs[4:, 0] / slabs[6, 0], channels / 1024)


def test_source_maps_are_at_one_scale_with_a_window_of_three_cells(picture):
    maps, windows = sizes(picture, "map"), sizes(picture, "window")
    np.testing.assert_allclose(maps[:, 0] / maps[-1, 0], [38, 19, 10, 5, 3, 1])
    np.testing.assert_allclose(windows, 3 * maps[-1, 0])


def test_a_window_lies_on_whole_cells(picture):
    for cells, window in zip(*([p for p in picture.patches if p.get_gid() == g] for g in ("map", "window"))):
        offset = (window.get_x() - cells.get_x()) / (window.get_width() / 3)
        assert offset == pytest.approx(round(offset), abs=1e-6)


def test_the_bar_is_divided_as_the_default_boxes_are(picture):
    counts = sizes(picture, "count")[:, 0]
    np.testing.assert_allclose(counts / counts.sum() * 8732, [5776, 2166, 600, 150, 36, 4])
    texts = [text.get_text() for text in picture.texts]
    assert "5776 + 2166 + 600 + 150 + 36 + 4 = 8732" in texts
    assert "8732 default boxes, each with 4 offsets and 21 class scores" in texts


def test_an_arrow_for_every_source_map(picture):
    assert sum(text.get_gid() == "feeds" for text in picture.texts) == 6


def test_heads_of_ssd300_have_the_filters_of_the_paper(ssd300):
    found = source_maps(ssd300)
    assert [one.filters for one in found] == [k * (21 + 4) for k in (4, 6, 6, 6, 4, 4)]
    assert [one.normalized for one in found] == [True] + [False] * 5
    assert sum(one.num_priors for one in found) == 8732


def test_other_networks_have_their_own_maps():
    assert [row.name for row in trunk_maps(SSD(TINY))][-2:] == ["conv6_2", "conv7_2"]
    (ax,) = draw_architecture(SSD512_VOC).axes
    sides = sizes(ax, "map")[:, 0]
    np.testing.assert_allclose(sides / sides[-1], [64, 32, 16, 8, 4, 2, 1])
    assert "16384 + 6144 + 1536 + 384 + 96 + 16 + 4 = 24564" in [text.get_text() for text in ax.texts]


def test_colours_of_maps_grow_lighter():
    rgb = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in map_colors(7)])
    assert (np.diff(rgb @ [0.2126, 0.7152, 0.0722]) > 0).all()
    assert len(map_colors(1)) == 1


# -- receptive fields --------------------------------------------------------------------------------------

FIELDS = [92, 420, 452, 516, 644, 772]


@pytest.fixture(scope="module")
def fields(ssd300):
    image = np.full((60, 80, 3), 200, np.uint8)
    return draw_receptive_fields(ssd300, image).axes


def test_squares_are_as_large_as_the_fields_and_around_the_middle(fields, by_gid):
    squares = by_gid(fields[0], "field")
    np.testing.assert_allclose([square.get_width() * 300 for square in squares], FIELDS)
    for square in squares:
        assert square.get_x() + square.get_width() / 2 == pytest.approx(0.5)
        assert square.get_height() == square.get_width()
    low, high = fields[0].get_xlim()
    assert low < 0.5 - 772 / 600 and high > 0.5 + 772 / 600  # all are inside the panel


def test_bars_are_the_fields_and_lines_those_of_the_heads(fields, by_gid):
    chart = fields[1]
    assert [bar.get_width() for bar in by_gid(chart, "map-field")] == FIELDS
    heads = [line.get_xdata()[1] for line in chart.lines if line.get_gid() == "head-field"]
    assert heads == [108, 452, 516, 644, 772, 900]
    boxes = [tuple(line.get_xdata()) for line in chart.lines if line.get_gid() == "boxes"]
    assert boxes == list(zip(SSD300_VOC.min_sizes, SSD300_VOC.max_sizes))


def test_the_taps_of_fc6_span_what_they_spanned_in_vgg16():
    (ax,) = draw_atrous_taps().axes
    taps = [line.get_xdata().tolist() for line in ax.lines if line.get_gid() == "taps"]
    assert taps == [[-96, -64, -32, 0, 32, 64, 96], [-96, 0, 96], [-16, 0, 16]]
    cells = [np.diff(line.get_xdata())[0] for line in ax.lines if line.get_gid() == "cells"]
    assert cells == [32, 16, 16]
