"""The metrics of average precision: a golden curve, exact fractions, and which recalls each misses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twins import area_under_curve, curve, eleven_point, eleven_point_in_float32, eleven_point_with_arange

from minissd.evaluate import (
    METRICS,
    area_ap,
    eleven_point_ap,
    eleven_point_arange_ap,
    eleven_point_float32_ap,
    integral_ap,
)


class TestCaffesGoldenCurve:
    HITS = (0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1)  # five objects, all found in the end

    def recall_and_precision(self, hits):
        return tuple(np.array([float(value) for value in values]) for values in curve(hits, 5))

    def test_eleven_points(self):
        assert eleven_point_ap(*self.recall_and_precision(self.HITS)) == pytest.approx(0.598662, abs=5e-7)

    def test_eleven_points_by_hand(self):
        # precision 1/2, 2/3, 3/5, 4/7, 5/11 at recall 1/5 ... 5/5; the best at that recall or beyond:
        # 0, .1, .2, .3, .4 -> 2/3; .5, .6 -> 3/5; .7, .8 -> 4/7; .9, 1 -> 5/11
        expected = (5 * 2 / 3 + 2 * 3 / 5 + 2 * 4 / 7 + 2 * 5 / 11) / 11
        assert eleven_point_ap(*self.recall_and_precision(self.HITS)) == pytest.approx(expected, rel=1e-14)

    def test_the_trap_of_arange(self):
        """``np.arange(0, 1.1, 0.1)[6]`` is more than .6, and a recall of 3/5 does not reach it."""
        recall, precision = self.recall_and_precision(self.HITS)
        assert np.arange(0, 1.1, 0.1)[6] > 0.6
        assert eleven_point_arange_ap(recall, precision) == pytest.approx(0.596065, abs=5e-7)
        # instead of 3/5 at a recall of .6, the 4/7 at .8
        lost = (3 / 5 - 4 / 7) / 11
        assert eleven_point_ap(recall, precision) - eleven_point_arange_ap(
            recall, precision
        ) == pytest.approx(lost)

    def test_float32_does_not_harm_fifths(self):
        """The float32 of .2, .4, .6 and .8 are all a little more than these."""
        recall, precision = self.recall_and_precision(self.HITS)
        assert eleven_point_float32_ap(recall, precision) == pytest.approx(0.598662, abs=5e-7)

    def test_integral(self):
        # an object at precision 1/2, 2/3, 3/5, 4/7 and 5/11
        recall, precision = self.recall_and_precision(self.HITS)
        assert integral_ap(recall, precision) == pytest.approx(0.558528, abs=5e-7)
        assert integral_ap(recall, precision) == pytest.approx((1 / 2 + 2 / 3 + 3 / 5 + 4 / 7 + 5 / 11) / 5)

    def test_area(self):
        # 2/3 for the first two objects, then 3/5, 4/7, 5/11
        recall, precision = self.recall_and_precision(self.HITS)
        assert area_ap(recall, precision) == pytest.approx(0.591861, abs=5e-7)
        assert area_ap(recall, precision) == pytest.approx((2 / 3 + 2 / 3 + 3 / 5 + 4 / 7 + 5 / 11) / 5)

    def test_cut_off_after_seven_detections(self):
        recall, precision = self.recall_and_precision(self.HITS[:7])
        assert integral_ap(recall, precision) == pytest.approx(0.558528 - 5 / 11 * 0.2, abs=5e-7)
        assert area_ap(recall, precision) == pytest.approx(0.591861 - 5 / 11 * 0.2, abs=5e-7)
        assert eleven_point_ap(recall, precision) == pytest.approx(0.598662 - 5 / 11 * 2 / 11, abs=5e-7)


@pytest.mark.parametrize(
    ("metric", "missed"),
    [("11point", []), ("11point_arange", [3, 6, 7]), ("11point_float32", [7, 9])],
)
def test_the_recalls_that_a_metric_misses(metric, missed):
    """Found without a mistake up to exactly j / 10, j + 1 of the eleven recalls are reached, or one less."""
    for j in range(11):
        ap = METRICS[metric](np.array([j / 10]), np.array([1.0]))
        assert ap == pytest.approx((j + 1 - (j in missed)) / 11, rel=1e-12), j


@pytest.mark.parametrize(
    "eleven", [np.arange(0, 1.1, 0.1), np.linspace(0, 1, 11)], ids=["arange", "linspace"]
)
def test_three_of_the_eleven_recalls_are_too_large(eleven):
    tenths = np.arange(11) / 10
    assert np.flatnonzero(eleven > tenths).tolist() == [3, 6, 7]
    assert eleven[[3, 6, 7]].tolist() == [0.30000000000000004, 0.6000000000000001, 0.7000000000000001]


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 12))
def test_the_metrics_equal_their_twins(hits, missed):
    hits = [int(hit) for hit in hits]
    num_objects = max(sum(hits) + missed, 1)
    recall, precision = (np.array(values, dtype=float) for values in curve(hits, num_objects))
    integral = sum(p for hit, p in zip(hits, curve(hits, num_objects)[1]) if hit) / num_objects
    expected = {
        "11point": eleven_point(hits, num_objects),
        "area": area_under_curve(hits, num_objects),
        "11point_arange": eleven_point_with_arange(recall, precision),
        "11point_float32": eleven_point_in_float32(recall, precision),
        "integral": integral,
    }
    assert expected.keys() == METRICS.keys()
    for metric, value in expected.items():
        assert METRICS[metric](recall, precision) == pytest.approx(float(value), rel=1e-12), metric
