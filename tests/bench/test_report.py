"""The table, the CSV file and the picture say what the rows hold."""

import csv

import numpy as np
import pytest

from minissd import viz
from minissd.bench.report import COLUMNS, amount, table_line, write_csv
from minissd.bench.roofs import Roofs
from minissd.bench.row import Row
from minissd.bench.timing import Spread
from minissd.errors import InputError

LIMITS = Roofs({"float32": 400.0})
FAST = Row(
    "network",
    "SSD300 forward",
    ours=Spread.of([0.1, 0.2, 0.3]),
    peer=Spread.of([0.5]),
    peer_name="PyTorch NCHW",
    operations=40 * 10**9,
    largest_error=1e-6,
    tolerance=1e-4,
    medians={"minissd": 0.2, "PyTorch NCHW": 0.5},
)
ALONE = Row("boxes", "NMS", ours=Spread.of([1e-3]))
DIFFERS = Row("boxes", "mining", largest_error=2.0, tolerance=0.0, note="results differ (largest error 2)")
SLOW = Row("boxes", "NMS, slow", ours=Spread.of([4.0]), peer=Spread.of([1.0]), peer_name="OpenCV")


def test_a_line_has_times_ratio_speed_and_share_of_the_peak():
    line = table_line(FAST, LIMITS)
    # 40 GFLOP in 0.2 s are 200 GFLOP/s, half of the peak
    assert " ".join(line.split()) == "SSD300 forward 200 ms ±25% 500 ms PyTorch NCHW 2.50 200 50% - -"


def test_a_line_without_a_peer_has_dashes():
    assert table_line(ALONE, LIMITS).split() == ["NMS", "1", "ms", *"------"]


def test_a_line_says_that_results_differ_and_nothing_else():
    assert table_line(DIFFERS, LIMITS).split() == ["mining", "results", "differ", "(largest", "error", "2)"]


def test_csv_has_all_columns_and_leaves_empty_what_is_not_known(tmp_path):
    write_csv(tmp_path / "new" / "bench.csv", [FAST, ALONE, DIFFERS], "a machine", LIMITS)
    with (tmp_path / "new" / "bench.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        fast, alone, differs = list(reader)
    assert tuple(reader.fieldnames) == COLUMNS
    wanted = {
        "ours": "0.2",
        "ours_first_quartile": "0.15",
        "peer": "0.5",
        "ratio": "2.5",
        "rounds": "3",
        "gflops": "200",
        "share_of_matrix_product": "0.5",
        "largest_error": "1e-06",
        "medians": "minissd 0.2; PyTorch NCHW 0.5",
        "machine": "a machine",
    }
    assert {name: fast[name] for name in wanted} == wanted
    assert (alone["ours"], alone["peer"], alone["ratio"], alone["gflops"]) == ("0.001", "", "", "")
    assert (differs["ours"], differs["ratio"], differs["note"]) == ("", "", DIFFERS.note)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.0994, "s", "99.4 ms"), (2e-6, "s", "2 µs"), (61.2, "s", "61.2 s"), (2455.3, "MB", "2455 MB")],
)
def test_amounts_are_easy_to_read(value, unit, text):
    assert amount(value, unit) == text


# -- the picture -------------------------------------------------------------------------------------------


def bars(ax):
    return [bar for bar in ax.patches if bar.get_gid() == "ratio"]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_bars_begin_at_one_and_those_to_the_left_are_hatched():
    figure = viz.draw_ratios([FAST, ALONE, DIFFERS, SLOW], "a machine")
    (ax,) = figure.axes
    ends = [(bar.get_x(), bar.get_x() + bar.get_width(), bool(bar.get_hatch())) for bar in bars(ax)]
    np.testing.assert_allclose(ends, [(1, 2.5, False), (1, 0.25, True)])  # the others have no ratio
    assert {"network", "boxes", "SSD300 forward", "NMS, slow", "2.50", "0.25"} <= set(texts(ax))
    (line,) = [line for line in ax.lines if line.get_gid() == "one"]
    assert list(line.get_xdata()) == [1, 1]
    assert "a machine" in [text.get_text() for text in figure.texts]
    figure.canvas.draw()


def test_every_pass_has_its_panel_and_a_layer_the_same_height_in_each():
    def row(which, layer):
        place = (which, "TINY", layer)
        return Row("layers", layer, ours=Spread.of([1.0]), peer=Spread.of([2.0]), place=place)

    rows = [row("forward", "conv1"), row("forward", "conv2"), row("weight gradient", "conv2")]
    left, right = viz.draw_ratios(rows).axes
    assert [ax.get_title("left") for ax in (left, right)] == ["forward", "weight gradient"]
    assert [len(bars(ax)) for ax in (left, right)] == [2, 1]
    assert bars(left)[1].get_y() == bars(right)[0].get_y() != bars(left)[0].get_y()
    assert {"TINY", "conv1", "conv2"} <= set(texts(left))


def test_rows_without_any_ratio_are_no_picture():
    with pytest.raises(InputError, match="ratio"):
        viz.draw_ratios([ALONE, DIFFERS])
