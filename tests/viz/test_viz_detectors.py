"""SSD among other detectors: the paper's numbers, and what is drawn of them."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from minissd import priors
from minissd.config import SSD300_VOC, SSD512_VOC
from minissd.errors import InputError
from minissd.viz import detectors
from minissd.viz.detectors import Row, Speed, Table, draw_speed_accuracy, draw_table

TABLES = (detectors.VOC2007, detectors.VOC2012, detectors.COCO, detectors.CHOICES, detectors.SOURCES)

# Average precision of the twenty classes, in the paper's order: tables 1 and 4.
CLASS_AP = {
    ("VOC2007", "Faster R-CNN", "07+12"): """76.5 79.0 70.9 65.5 52.1 83.1 84.7 86.4 52.0 81.9
        65.7 84.8 84.6 77.5 76.7 38.8 73.6 73.9 83.0 72.6""",
    ("VOC2007", "SSD300", "07"): """73.4 77.5 64.1 59.0 38.9 75.2 80.8 78.5 46.0 67.8
        69.2 76.6 82.1 77.0 72.5 41.2 64.2 69.1 78.0 68.5""",
    ("VOC2007", "SSD300", "07+12"): """75.5 80.2 72.3 66.3 47.6 83.0 84.2 86.1 54.7 78.3
        73.9 84.5 85.3 82.6 76.2 48.6 73.9 76.0 83.4 74.0""",
    ("VOC2007", "SSD512", "07+12"): """82.4 84.7 78.4 73.8 53.2 86.2 87.5 86.0 57.8 83.1
        70.2 84.9 85.2 83.9 79.7 50.3 77.9 73.9 82.5 75.3""",
    ("VOC2007", "SSD512", "07+12+COCO"): """86.6 88.3 82.4 76.0 66.3 88.6 88.9 89.1 65.1 88.4
        73.6 86.5 88.9 85.3 84.6 59.1 85.0 80.4 87.4 81.2""",
    ("VOC2012", "SSD300", "07++12"): """85.6 80.1 70.5 57.6 46.2 79.4 76.1 89.2 53.0 77.0
        60.8 87.0 83.1 82.3 79.4 45.9 75.9 69.5 81.9 67.5""",
    ("VOC2012", "SSD512", "07++12+COCO"): """90.7 86.8 80.5 67.8 60.8 86.3 85.5 93.5 63.2 85.7
        64.4 90.9 89.0 88.9 86.8 57.2 85.1 72.8 88.4 75.9""",
}


def value(table, name, measure):
    (row,) = [row for row in table.rows if row.name == name]
    return row.values[table.measures.index(measure)]


@pytest.mark.parametrize("key", CLASS_AP, ids=" ".join)
def test_mean_ap_is_the_mean_of_the_classes(key):
    table, name, measure = key
    class_ap = np.array(CLASS_AP[key].split(), dtype=float)
    assert len(class_ap) == 20
    mean = value(getattr(detectors, table), name, measure)
    assert mean == pytest.approx(class_ap.mean(), abs=0.0501)  # each number is rounded to a tenth


def test_what_a_choice_is_worth_is_what_the_text_of_the_paper_says():
    worth = {row.parts: row.values[0] for row in detectors.CHOICES.rows}
    everything = worth[True, True, True, True]
    assert everything - worth[False, True, True, True] == pytest.approx(8.8)
    assert everything - worth[True, True, False, True] == pytest.approx(0.6)
    assert worth[True, True, False, True] - worth[True, False, False, True] == pytest.approx(2.1)


def test_one_number_that_stands_in_several_tables_is_the_same():
    ssd300, ssd512 = (value(detectors.VOC2007, name, "07+12") for name in ("SSD300", "SSD512"))
    speeds = {speed.name: speed.mean_ap for speed in detectors.SPEEDS}
    assert (speeds["SSD300"], speeds["SSD512"]) == (ssd300, ssd512)
    assert speeds["Faster R-CNN (VGG16)"] == value(detectors.VOC2007, "Faster R-CNN", "07+12")
    assert detectors.CHOICES.rows[-1].values[0] == detectors.SOURCES.rows[0].values[0] == ssd300


def test_boxes_are_those_of_the_library():
    boxes = {speed.name: speed.boxes for speed in detectors.SPEEDS}
    assert boxes["SSD300"] == len(priors.prior_boxes(SSD300_VOC))
    assert boxes["SSD512"] == len(priors.prior_boxes(SSD512_VOC))
    assert boxes["YOLO"] == boxes["Fast YOLO"] == 7 * 7 * 2
    assert detectors.SOURCES.rows[0].name == f"{boxes['SSD300']} boxes"
    assert detectors.SOURCES.rows[-1].name == f"{19 * 19 * 24} boxes"
    assert detectors.SOURCES.parts == tuple(f"{side}×{side}" for side in SSD300_VOC.feature_maps)


# Pictures --------------------------------------------------------------------------------------------------


def points(ax, gid):
    """Coordinates and face of every marker with this name."""
    lines = [line for line in ax.lines if line.get_gid() == gid]
    return [(*line.get_xydata()[0], to_hex(line.get_markerfacecolor())) for line in lines]


def test_every_measurement_is_a_point_hollow_unless_of_one_image_at_a_time():
    (ax,) = draw_speed_accuracy().axes
    assert ax.get_xscale() == "log"
    ours = detectors.OURS.lower()
    assert points(ax, "SSD300") == [(46, 74.3, ours), (59, 74.3, "#ffffff")]
    assert points(ax, "Fast YOLO") == [(155, 52.7, detectors.FAINT_INK)]
    assert points(ax, "YOLO") == [(45, 63.4, "#ffffff")]


def test_labels_overlap_neither_one_another_nor_points_nor_the_axes():
    figure = draw_speed_accuracy()
    figure.canvas.draw()
    (ax,) = figure.axes
    texts = [text.get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for a, b in combinations(texts, 2))
    markers = ax.transData.transform([(speed.fps, speed.mean_ap) for speed in detectors.SPEEDS])
    frame = ax.get_window_extent()
    for box in texts:
        assert frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and box.y1 < frame.y1
        assert not any(box.contains(*marker) for marker in markers)


@pytest.mark.parametrize("speeds", [(), (Speed("a", 50.0, 0, 1, None),)])
def test_a_chart_needs_speeds_above_zero(speeds):
    with pytest.raises(InputError, match="speeds"):
        draw_speed_accuracy(speeds)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title[:7])
def test_bars_have_the_lengths_of_the_values_in_one_scale(table, by_gid):
    (ax,) = draw_table(table).axes
    bars = sorted(by_gid(ax, "value"), key=lambda bar: (round(bar.get_y(), 3), bar.get_x()))
    lengths = np.array([bar.get_width() for bar in bars])
    values = np.array([number or 0 for row in table.rows for number in row.values])
    np.testing.assert_allclose(lengths / lengths.max(), values / values.max(), atol=1e-9)
    left = {round(bar.get_x(), 6) for bar in bars}
    assert len(left) == len(table.measures)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title[:7])
def test_texts_of_a_table_do_not_overlap_and_stay_on_the_page(table):
    figure = draw_table(table)
    figure.canvas.draw()
    texts = [text.get_window_extent() for text in [*figure.texts, *figure.axes[0].texts]]
    assert not any(a.overlaps(b) for a, b in combinations(texts, 2))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in texts)


def test_dots_say_which_parts_took_part():
    table = Table(
        "t", ("m",), (Row("first", (1.0,), (True, False)), Row("second", (2.0,), (True, True))), ("a", "b")
    )
    (ax,) = draw_table(table, "a title").axes
    used, unused = points(ax, "used"), points(ax, "unused")
    assert [y for _, y, _ in used] == [0, 1, 1] and [y for _, y, _ in unused] == [0]
    columns = sorted({x for x, _, _ in used})
    assert unused[0][0] == columns[1] and used[0][0] == columns[0]
    assert unused[0][2] == "#ffffff" != used[0][2]
    assert ax.figure.texts[0].get_text() == "a title"


def test_a_number_that_the_paper_does_not_give_is_no_bar(by_gid):
    table = Table("t", ("m", "n"), (Row("first", (50.0, None)),))
    (ax,) = draw_table(table).axes
    assert by_gid(ax, "value")[1].get_width() == 0
    assert [text.get_text() for text in ax.texts][-2:] == ["50.0", "not given"]


def test_a_row_without_a_value_for_every_heading_is_refused():
    table = replace(detectors.VOC2007, measures=("07",))
    with pytest.raises(InputError, match="'Fast R-CNN' has 3 values and 0 parts"):
        draw_table(table)
