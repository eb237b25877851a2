"""Curves, feature maps and augmentation as pictures."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from minissd import viz
from minissd.data.sample import Sample
from minissd.errors import InputError
from minissd.evaluate import PrecisionRecall, VOCResult, evaluate_voc
from minissd.viz.curves import running_mean
from minissd.viz.features import mosaic


def line(ax, gid):
    (found,) = [line for line in ax.lines if line.get_gid() == gid]
    return found


def test_losses_are_drawn_raw_and_smooth_and_map_where_it_was_measured():
    rows = [
        {"step": 10 * i, "loss": 5.0 - i / 50, "conf": 3.0, "loc": 2.0 - i / 50, "mAP": None}
        for i in range(100)
    ]
    rows[49]["mAP"], rows[99]["mAP"] = 0.25, 0.5
    losses, chart = viz.draw_training_curves(rows, "a run").axes
    np.testing.assert_allclose(line(losses, "raw-loss").get_ydata(), [row["loss"] for row in rows])
    np.testing.assert_allclose(line(losses, "smooth-conf").get_ydata(), 3.0)
    np.testing.assert_allclose(line(chart, "mAP").get_xydata(), [[490, 0.25], [990, 0.5]])
    assert chart.get_ylim() == (0, 1)


def test_one_row_and_nan_and_missing_values():
    figure = viz.draw_training_curves([{"step": 1, "loss": 2.0}])
    assert len(figure.axes) == 1 and line(figure.axes[0], "smooth-loss").get_marker() == "o"
    figure.canvas.draw()
    rows = [{"step": 1, "loss": float("nan"), "conf": None}, {"step": 2, "loss": float("inf")}, {"step": 3}]
    figure = viz.draw_training_curves(rows)
    figure.canvas.draw()
    assert not figure.axes[0].lines


def test_an_outlier_does_not_flatten_the_curve():
    rows = [{"step": i, "loss": 1.0} for i in range(1000)]
    rows[3]["loss"] = 1e6
    (ax,) = viz.draw_training_curves(rows).axes
    assert np.median(line(ax, "smooth-loss").get_ydata()) == 1.0


@pytest.mark.parametrize("rows", [[], [{"loss": 1.0}]])
def test_rows_without_steps_are_refused(rows):
    with pytest.raises(InputError, match="rows"):
        viz.draw_training_curves(rows)


def test_running_mean_is_a_mean_of_what_is_known():
    values = np.array([1.0, np.nan, 4.0, np.nan, np.nan, np.nan, 7.0])
    np.testing.assert_allclose(running_mean(values, 1), [1, 2.5, 4, 4, np.nan, 7, 7])
    np.testing.assert_array_equal(running_mean(values, 0), values)


def test_precision_recall_has_a_line_per_class_and_the_ap_in_the_legend():
    truth = (np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]]), np.array([1, 2]))
    found = (
        np.array([[0.0, 0.0, 0.5, 0.5], [0.0, 0.5, 0.2, 0.7], [0.5, 0.5, 1.0, 1.0]]),
        *np.array([[0.9, 0.8, 0.7], [1, 2, 2]]),
    )
    result = evaluate_voc([found], [truth], metric="area")
    (ax,) = viz.draw_precision_recall(result, ["cat", "dog"]).axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cat 1.000", "dog 0.500"]
    np.testing.assert_allclose(line(ax, "class-2").get_xydata(), [[0, 0], [0, 0], [1, 0.5]])
    assert len(ax.lines) == 2


def test_precision_recall_without_classes_and_with_eighty():
    empty = viz.draw_precision_recall(VOCResult({}, float("nan"), {}))
    empty.canvas.draw()
    curve = PrecisionRecall(np.array([0.5, 1.0]), np.array([1.0, 0.5]), np.array([0.9, 0.1]), 2)
    ap = {label: label / 100 for label in range(1, 81)} | {81: float("nan")}
    (ax,) = viz.draw_precision_recall(VOCResult(ap, 0.4, dict.fromkeys(ap, curve))).axes
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(ax.lines) == 80 and len(texts) == 21
    assert texts[0] == "class 80 0.800" and texts[10] == "60 more" and texts[-1] == "class 1 0.010"
    assert to_hex(line(ax, "class-40").get_color()) == "#c8c8c8"


def test_feature_maps_are_the_mean_of_their_channels(scene):
    rng = np.random.default_rng(0)
    trace = {"a": rng.normal(size=(2, 3, 4, 4)), "b": rng.normal(size=(2, 5, 2, 2)).astype(np.float32)}
    figure = viz.draw_feature_maps(trace, ["b", "a"], image=scene[0])
    assert [ax.get_title("left") for ax in figure.axes] == ["image", "b: 5 × 2 × 2", "a: 3 × 4 × 4"]
    np.testing.assert_allclose(figure.axes[2].images[0].get_array(), trace["a"][0].mean(axis=0))
    assert list(figure.axes[2].images[0].get_extent()) == [0, 1, 1, 0]


def test_a_mosaic_shows_each_channel_in_its_own_range():
    maps = np.arange(5 * 2 * 2, dtype=float).reshape(5, 2, 2) * [[[1]], [[10]], [[100]], [[0]], [[-1]]]
    canvas = mosaic(maps)
    assert canvas.shape == (5, 8)
    np.testing.assert_allclose(canvas[:2, :2], [[0, 1 / 3], [2 / 3, 1]])
    np.testing.assert_allclose(canvas[:2, 3:5], [[0, 1 / 3], [2 / 3, 1]])
    np.testing.assert_allclose(canvas[3:, :2], 0)
    assert np.isnan(canvas[2]).all() and np.isnan(canvas[3:, 6:]).all()


def test_an_unknown_feature_map_is_refused():
    with pytest.raises(InputError, match="conv9"):
        viz.draw_feature_maps({"conv1": np.zeros((1, 1, 2, 2))}, ["conv9"])


def test_augmentation_is_a_grid_with_a_panel_per_sample(scene, by_gid):
    samples = [
        Sample(*scene),
        Sample(scene[0], np.zeros((0, 4)), np.zeros(0, int)),
        Sample(*scene),
        Sample(*scene),
    ]
    figure = viz.draw_augmentation(samples, ["a", "b", "c"], titles=["original", "2", "3", "4"])
    counts = [len(by_gid(ax, "ground-truth")) for ax in figure.axes]
    assert counts == [4, 0, 4, 4, 0, 0] and figure.axes[0].get_title("left") == "original"
    with pytest.raises(InputError, match="samples"):
        viz.draw_augmentation([])
