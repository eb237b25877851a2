"""Plain charts: histograms of groups, and lines over steps."""

import numpy as np
import pytest

from minissd.errors import InputError
from minissd.viz.charts import draw_histograms, draw_lines

EDGES = [10, 20, 40]


def by_gid(shapes, gid):
    (shape,) = [shape for shape in shapes if shape.get_gid() == gid]
    return shape


def test_a_group_is_drawn_as_its_shares_also_of_what_lies_outside():
    figure = draw_histograms({"few": [12, 15, 30, 99], "one": [25]}, EDGES)
    (ax,) = figure.axes
    assert by_gid(ax.patches, "share-few").get_data().values.tolist() == [50, 25]
    assert by_gid(ax.patches, "share-one").get_data().values.tolist() == [0, 100]


def test_bins_are_marked_by_whole_numbers():
    figure = draw_histograms({"few": [12]}, EDGES, "side, px")
    figure.canvas.draw()
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.get_xticklabels()] == ["10", "20", "40"]
    assert ax.get_xlabel() == "side, px"


def test_lines_have_their_numbers_and_a_gap_where_one_is_not_finite():
    given = np.array([3.0, np.inf, 1.0])
    (ax,) = draw_lines({"loss": given, "short": [2]}, logarithmic=True).axes
    assert np.array_equal(by_gid(ax.lines, "line-loss").get_ydata(), [3, np.nan, 1], equal_nan=True)
    assert ax.get_yscale() == "log"
    assert ax.get_xlim() == (0, 2)
    assert np.isinf(given[1])  # what was given stays


def test_colour_is_never_the_only_sign():
    figure = draw_lines({name: [1, 2] for name in "abcd"})
    handles = figure.legends[0].get_lines()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list("abcd")
    assert len({line.get_color() for line in handles}) == 4
    assert len({str(line._dash_pattern) for line in handles}) == 4


def test_many_lines_are_all_drawn_and_look_different():
    (ax,) = draw_lines({name: [1, 2] for name in "abcdefghij"}).axes
    assert len(ax.lines) == 10
    assert len({(line.get_color(), str(line._dash_pattern)) for line in ax.lines}) == 10


@pytest.mark.parametrize("draw", [draw_lines, lambda groups: draw_histograms(groups, EDGES)])
@pytest.mark.parametrize("groups, words", [({}, "nothing to draw"), ({"a": []}, "'a': holds no numbers")])
def test_nothing_to_draw_is_refused(draw, groups, words):
    with pytest.raises(InputError, match=words):
        draw(groups)
