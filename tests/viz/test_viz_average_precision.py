"""The picture of what average precision takes of a curve."""

import numpy as np
import pytest

from minissd.evaluate import PrecisionRecall, area_ap, eleven_point_ap
from minissd.viz.average_precision import MOST_NUMBERS, draw_average_precision


def curve(hits, num_objects):
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    return PrecisionRecall(right / num_objects, precision, np.linspace(1, 0, len(hits)), num_objects)


def part(figure, gid):
    (found,) = [shape for shape in figure.axes[0].get_children() if shape.get_gid() == gid]
    return found


TEETH = curve([1, 0, 0, 1, 1, 0], 3)


@pytest.mark.parametrize("walk", [TEETH, curve([0, 1, 1, 0, 1], 7), curve([0, 0], 2), curve([], 2)])
def test_the_shaded_area_and_the_points_are_the_two_average_precisions(walk):
    figure = draw_average_precision(walk)
    for gid in ("area", "envelope"):
        values, edges, _ = part(figure, gid).get_data()
        assert (values * np.diff(edges)).sum() == pytest.approx(area_ap(walk.recall, walk.precision))
    points = part(figure, "eleven").get_ydata()
    assert np.mean(points) == pytest.approx(eleven_point_ap(walk.recall, walk.precision))


def test_right_and_wrong_detections_are_marked_where_they_are():
    figure = draw_average_precision(TEETH)
    np.testing.assert_allclose(
        part(figure, "right").get_xydata(), [[1 / 3, 1], [2 / 3, 1 / 2], [1, 3 / 5]], rtol=1e-12
    )
    np.testing.assert_allclose(
        part(figure, "wrong").get_xydata(), [[1 / 3, 1 / 2], [1 / 3, 1 / 3], [1, 1 / 2]], rtol=1e-12
    )


def test_few_detections_are_numbered_and_many_are_not():
    for count, numbered in ((3, 3), (MOST_NUMBERS, MOST_NUMBERS), (MOST_NUMBERS + 1, 0)):
        texts = draw_average_precision(curve([1] * count, count)).axes[0].texts
        assert [t.get_text() for t in texts] == [str(n + 1) for n in range(numbered)]


def test_the_title_says_both_numbers_unless_it_is_given():
    title = draw_average_precision(TEETH).texts[0].get_text()
    assert "0.745" in title
    assert "0.733" in title
    assert draw_average_precision(TEETH, "A toy").texts[0].get_text() == "A toy"
