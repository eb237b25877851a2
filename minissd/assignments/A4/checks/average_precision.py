"""Checks of average precision."""

import numpy as np

from minissd.assignments.marking import points


@points("average_precision", 2)
def test_eleven_points_of_a_curve_that_ends_early(ask):
    """A recall of 0.45 with precision 1/2: five of the eleven recalls are reached; an empty curve gives 0."""
    ask("eleven_point_ap", np.array([0.45]), np.array([0.5])).is_close(5 * 0.5 / 11)
    ask("eleven_point_ap", np.array([0.0, 0.45]), np.array([0.0, 0.5])).is_close(5 * 0.5 / 11)
    ask("eleven_point_ap", np.zeros(0), np.zeros(0)).is_close(0)


@points("average_precision", 3)
def test_recalls_that_are_reached_exactly(ask):
    """Who finds 3 of 5 objects reaches 0.6, so seven of the eleven recalls; likewise 0.3 and 0.7."""
    for found, of in ((3, 5), (3, 10), (7, 10)):
        expected = (found * 10 // of + 1) / 11
        ask("eleven_point_ap", np.array([found / of]), np.array([1.0])).is_close(expected)


@points("average_precision", 2)
def test_best_precision_at_that_recall_or_beyond(ask):
    """Precision rises again after a miss: the better value counts for all lower recalls."""
    recall, precision = np.array([0.0, 0.25, 0.25, 0.5]), np.array([0.0, 0.5, 0.4, 0.8])
    ask("eleven_point_ap", recall, precision).is_close(6 * 0.8 / 11)


@points("average_precision", 1)
def test_area_of_steps(ask):
    """The area under two steps is 0.2 * 1 + 0.5 * 0.5, with nothing behind the last recall."""
    ask("area_ap", np.array([0.2, 0.7]), np.array([1.0, 0.5])).is_close(0.45)


@points("average_precision", 2)
def test_area_under_the_curve_without_teeth(ask):
    """Precision falls and rises again; the valley is filled up from the right."""
    recall, precision = np.array([0.25, 0.25, 0.5, 0.5, 0.75]), np.array([1.0, 0.5, 0.6, 0.5, 0.7])
    ask("area_ap", recall, precision).is_close(0.25 * 1 + 0.5 * 0.7)


@points("average_precision", 2)
def test_curve_of_many_detections(ask, rng, reference):
    """100 detections at random, by both ways."""
    hits = np.cumsum(rng.random(100) < 0.4)
    recall, precision = hits / 50, hits / np.arange(1, 101)
    for name in ("eleven_point_ap", "area_ap"):
        ask(name, recall, precision).is_close(getattr(reference, name)(recall, precision))
