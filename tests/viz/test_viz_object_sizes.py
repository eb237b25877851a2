"""The picture of the best IoU over the size of objects."""

import numpy as np
import pytest

from minissd.viz.object_sizes import draw_object_sizes

SIDES_PX = np.array([10, 20, 40])
BEST_IOU = np.array([[0.1, 0.2, 0.3], [0.4, 0.4, 0.4], [0.5, 0.9, 0.7]])


def lines(ax, gid):
    return [line for line in ax.lines if line.get_gid() == gid]


def test_the_line_is_the_mean_and_the_band_goes_from_the_worst_to_the_best():
    (ax,) = draw_object_sizes(SIDES_PX, BEST_IOU).axes
    (mean,) = lines(ax, "mean")
    np.testing.assert_allclose(mean.get_xydata(), [[10, 0.2], [20, 0.4], [40, 0.7]])
    (band,) = [shape for shape in ax.collections if shape.get_gid() == "range"]
    corners = {tuple(point) for point in band.get_paths()[0].vertices.round(6)}
    assert {(10, 0.1), (10, 0.3), (20, 0.4), (40, 0.5), (40, 0.9)} <= corners


@pytest.mark.parametrize("iou_threshold", [0.5, 0.35])
def test_the_threshold_is_a_line_and_in_the_legend(iou_threshold):
    figure = draw_object_sizes(SIDES_PX, BEST_IOU, iou_threshold=iou_threshold)
    (line,) = lines(figure.axes[0], "threshold")
    assert set(line.get_ydata()) == {iou_threshold}
    assert f"threshold {iou_threshold:g}" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_small_squares_are_marked_only_where_they_are_given():
    for min_sizes in ((), (15, 30)):
        figure = draw_object_sizes(SIDES_PX, BEST_IOU, min_sizes)
        marks = [line.get_xdata()[0] for line in lines(figure.axes[0], "min-size")]
        assert tuple(marks) == min_sizes
        assert len(figure.legends[0].get_texts()) == (4 if min_sizes else 3)


def test_ticks_are_whole_pixels_inside_the_axis():
    figure = draw_object_sizes(SIDES_PX, BEST_IOU)
    figure.canvas.draw()
    texts = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert texts == ["10", "15", "20", "30", "40"]
