"""The view of matching: counts, reasons, and objects that are moved."""

import html
import re

import numpy as np
import pytest

from minissd import explore
from minissd.errors import InputError
from minissd.explanation import Explanation
from minissd.explore.matching import match_counts, worth_explaining
from minissd.matching import BELOW_THRESHOLD, FORCED, OVER_THRESHOLD, explain
from minissd.priors import prior_boxes
from minissd.viz import layer_slices


@pytest.fixture
def toy():
    """Six priors on two maps of three: forced, over the threshold (two), and background (three)."""
    reason = np.array([OVER_THRESHOLD, 0, FORCED, 0, OVER_THRESHOLD, 0], np.int8)
    best_iou = np.array([0.6, 0.3, 0.4, 0.0, 0.8, 0.45])
    matched_gt = np.array([0, -1, 1, -1, 0, -1])
    return Explanation(matched_gt, np.maximum(matched_gt, 0), best_iou, reason, 0.5)


def test_forced_come_first_then_matched_then_the_best_of_the_rest(toy):
    assert worth_explaining(toy) == [2, 4, 0, 5, 1, 3]
    assert worth_explaining(toy, most_unmatched=1) == [2, 4, 0, 5]
    assert worth_explaining(toy, slice(3, 6), most_unmatched=1) == [4, 5]


def test_counts_of_each_object_on_each_map(toy):
    np.testing.assert_array_equal(match_counts(toy, 3, [slice(0, 3), slice(3, 6)]), [[1, 1], [1, 0], [0, 0]])


@pytest.fixture
def view(widgets, image, objects, config):
    return explore.matching(image, *objects, config, class_names=["cat", "dog", "cow"])


def numbers(view):
    """The table of the view: by object, the counts of all maps and their sum."""
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", view.text.value)
    width = 2 + len(view.config.feature_maps)
    return {cells[k]: [int(n) for n in cells[k + 1 : k + width]] for k in range(0, len(cells), width)}


def reason(view):
    return html.unescape(view.text.value.split("<table")[0])


def expected(view, **options):
    explanation = explain(view.gt_xyxy, prior_boxes(view.config), **options)
    counts = match_counts(explanation, len(view.names), layer_slices(view.config))
    return {name: [*row, sum(row)] for name, row in zip(view.names, counts.tolist())}


def test_the_table_follows_threshold_and_rule(view):
    assert set(numbers(view)) == {"0 cat", "1 dog", "2 cat"}
    assert numbers(view) == expected(view)
    view.controls["threshold"].value = 0.3
    assert numbers(view) == expected(view, iou_threshold=0.3)
    view.set(rule="threshold", threshold=0.9)
    assert numbers(view) == expected(view, iou_threshold=0.9, rule="threshold")
    assert all(row[-1] == 0 for row in numbers(view).values())
    view.controls["rule"].value = "bipartite"
    assert all(row[-1] == 1 for row in numbers(view).values())  # forced


def test_the_view_goes_through_the_reasons(view):
    listed = worth_explaining(view.explanation)
    for number in (1, 2, 3):
        prior = listed[number - 1]
        assert reason(view) == f"{number} of {len(listed)}: {view.explanation.describe(prior)}"
        assert "forced" in reason(view)
        view.controls["next"].click()
    view.controls["number"].value = len(listed)
    assert view.explanation.reason[listed[-1]] == BELOW_THRESHOLD and "background" in reason(view)


def test_one_map_alone(view):
    view.controls["layer"].value = 2
    rows = layer_slices(view.config)[2]
    assert all(rows.start <= prior < rows.stop for prior in view.listed)
    assert view.controls["number"].max == len(view.listed)


def test_sliders_show_the_object_that_is_chosen(view):
    view.controls["object"].value = 1
    assert view.drawings == 2
    sides = [view.controls[name].value for name in ("x", "y", "width", "height")]
    np.testing.assert_allclose(sides, np.array([0.5, 0.3, 0.45, 0.65]) * 256)


def test_an_object_that_is_moved_is_matched_elsewhere(view, objects):
    view.set(object=2)
    view.controls["x"].value = 200
    view.set(y=10, width=50, height=40)
    assert view.drawings == 4
    np.testing.assert_allclose(view.gt_xyxy[2] * 256, [200, 10, 250, 50])
    np.testing.assert_array_equal(view.gt_xyxy[:2], objects[0][:2])
    assert numbers(view) == expected(view)
    view.set(width=256, height=256)  # cut at the border
    np.testing.assert_allclose(view.gt_xyxy[2] * 256, [200, 10, 256, 256])


def test_choosing_objects_does_not_round_them(view, objects):
    for g in (1, 2, 0):
        view.controls["object"].value = g
    np.testing.assert_array_equal(view.gt_xyxy, objects[0])


def test_a_number_off_the_end_of_a_shorter_list(view):
    view.set(threshold=0.1, number=150)
    view.controls["threshold"].value = 0.5
    assert view.controls["number"].value == len(view.listed) < 150
    assert "background" in reason(view)


@pytest.mark.parametrize("gt_xyxy, labels", [(np.zeros((0, 4)), []), (np.array([[0, 0, 1, 1]]), [1, 2])])
def test_objects_and_labels_that_do_not_fit(image, config, gt_xyxy, labels):
    with pytest.raises(InputError, match="gt_xyxy"):
        explore.matching(image, gt_xyxy, labels, config)
