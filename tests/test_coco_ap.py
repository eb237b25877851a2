"""COCO's evaluation by hand: matching, crowds, areas, limits and the curve."""

import numpy as np
import pytest
from coco_sets import BIG, FAR, found, wanted

from minissd.coco_ap import best_object, overlap_of_pair, precision_envelope
from minissd.coco_result import RECALL_POINTS
from minissd.evaluate import GroundTruth, evaluate_coco, evaluate_voc


class TestMatching:
    def test_each_threshold_judges_by_itself(self):
        """IoU .72: right at .50, .55, .60, .65, .70, wrong at the other five."""
        result = evaluate_coco([found(((0, 0, 100, 72), 0.9))], [wanted(BIG)])
        assert result.precision[:, 0, 0, 0, 2].tolist() == [1] * 5 + [0] * 5
        assert result.ap == result.ar100 == 0.5
        assert (result.ap50, result.ap75) == (1, 0)

    def test_exactly_the_threshold_counts(self):
        """3/4 is exact, and so is the threshold: linspace has .75 where repeated sums need not."""
        assert evaluate_coco([found(((0, 0, 100, 75), 0.9))], [wanted(BIG)]).ap75 == 1

    def test_the_next_best_object_is_taken(self):
        """Unlike in VOC, where the second detection looks at its best object alone and is wrong."""
        detections = [found(((0, 0, 110, 100), 0.9), ((0, 0, 100, 100), 0.8))]
        truths = [wanted((0, 0, 110, 100), (0, 0, 120, 100))]
        assert evaluate_coco(detections, truths).ar100 == pytest.approx((1 + 7 / 10) / 2)  # IoU 10/12
        assert evaluate_voc(detections, truths, metric="area").ap[1] == 0.5

    def test_of_equal_overlaps_the_last_object(self):
        overlaps, no = np.array([0.6, 0.6, 0.5]), np.zeros(3, bool)
        assert best_object(overlaps, 0, 3, 0.5, no, no, no) == 1
        assert best_object(overlaps, 0, 3, 0.7, no, no, no) == -1

    def test_an_object_that_counts_goes_before_a_better_one_that_does_not(self):
        overlaps, no = np.array([0.9, 0.6]), np.zeros(2, bool)
        ignored = np.array([True, False])
        assert best_object(overlaps, 0, 2, 0.5, no, ignored, no) == 1
        assert best_object(overlaps, 0, 2, 0.7, no, ignored, no) == 0
        assert best_object(overlaps, 0, 2, 0.5, np.array([False, True]), ignored, no) == 0

    def test_only_objects_of_the_own_image_and_class(self):
        detections = [found((BIG, 0.9)), found((FAR, 0.8)), found((BIG, 0.7), label=2)]
        truths = [wanted(), wanted(BIG), wanted(BIG)]
        assert evaluate_coco(detections, truths).ap50 == 0


class TestCrowds:
    def test_any_number_of_detections_may_lie_in_a_crowd(self):
        """The three are ignored; the object beside the crowd is found by the one that counts."""
        inside = [((10 * i, 0, 10 * i + 10, 10), 0.9) for i in range(3)]
        truth = wanted(BIG, FAR, crowd=np.array([True, False]))
        assert evaluate_coco([found(*inside, (FAR, 0.1))], [truth]).ap == 1
        without = wanted(BIG, FAR)
        assert evaluate_coco([found(*inside, (FAR, 0.1))], [without]).ap50 < 0.2

    def test_overlap_is_the_part_of_the_detection_that_lies_inside(self):
        """60 of 100: ignored up to .60, wrong from .65 on, where it comes before the right one."""
        detections = [found(((-4, 0, 6, 10), 0.9), (FAR, 0.1))]
        result = evaluate_coco(detections, [wanted((0, 0, 200, 200), FAR, crowd=np.array([True, False]))])
        assert result.precision[:, 0, 0, 0, 2].tolist() == [1] * 3 + [0.5] * 7

    def test_a_crowd_cannot_be_missed(self):
        result = evaluate_coco([found()], [wanted(BIG, crowd=np.array([True]))])
        assert np.isnan(result.ap) and np.isnan(result.ar100)

    def test_of_a_pair(self):
        box, crowd = np.array([0.0, 0.0, 10.0, 10.0]), np.array([5.0, 0.0, 100.0, 100.0])
        assert overlap_of_pair(box, crowd, True) == 0.5
        assert overlap_of_pair(box, crowd, False) == 50 / 10050
        assert overlap_of_pair(box, np.array([10.0, 0.0, 9.0, 9.0]), True) == 0


class TestAreas:
    @pytest.mark.parametrize(
        ("side", "ranges"),
        [
            (31, ["small"]),
            (32, ["small", "medium"]),
            (33, ["medium"]),
            (96, ["medium", "large"]),
            (97, ["large"]),
        ],
    )
    def test_both_ends_belong_to_a_range(self, side, ranges):
        result = evaluate_coco([found()], [wanted((0, 0, side, side))])
        of_range = {name: getattr(result, f"ap_{name}") for name in ("small", "medium", "large")}
        assert [name for name, ap in of_range.items() if not np.isnan(ap)] == ranges

    def test_the_area_of_the_outline_decides(self):
        result = evaluate_coco([found((BIG, 0.9))], [wanted(BIG, area_px=np.array([900.0]))])
        assert result.ap_small == result.ap == 1
        assert np.isnan(result.ap_large)

    def test_a_detection_outside_the_range_that_finds_nothing_is_ignored(self):
        """A wrong large box costs large and all, not small."""
        small = (300, 300, 310, 310)
        result = evaluate_coco([found((FAR, 0.9), (small, 0.5))], [wanted(small)])
        assert (result.ap_small, result.ap) == (1, 0.5)

    def test_a_detection_that_finds_an_object_outside_the_range_is_ignored(self):
        """30 x 32 pixels in 33 x 32, IoU 10/11: a small box that finds a medium object at all but .95."""
        small = (300, 300, 310, 310)
        detections = [found(((0, 0, 30, 32), 0.9), (small, 0.5))]
        result = evaluate_coco(detections, [wanted((0, 0, 33, 32), small)])
        assert result.ap_medium == pytest.approx(0.9)
        assert result.ap_small == pytest.approx((9 * 1 + 0.5) / 10)  # ignored nine times, then wrong

    def test_a_detection_in_the_range_that_finds_nothing_is_wrong(self):
        small, other = (300, 300, 310, 310), (0, 0, 10, 10)
        assert evaluate_coco([found((other, 0.9), (small, 0.5))], [wanted(small)]).ap_small == 0.5


class TestLimits:
    def test_one_ten_and_a_hundred_detections(self):
        boxes = [(20 * i, 0, 20 * i + 10, 10) for i in range(20)]
        detections = [found(*((box, 1 - i / 100) for i, box in enumerate(boxes)))]
        result = evaluate_coco(detections, [wanted(*boxes)])
        assert (result.ar1, result.ar10, result.ar100) == (1 / 20, 1 / 2, 1)

    def test_the_limit_is_per_class_and_image(self):
        boxes = [(20 * i, 0, 20 * i + 10, 10) for i in range(2)]
        one_each = found((boxes[0], 0.9), (boxes[1], 0.8))
        by_class = one_each[0], one_each[1], np.array([1, 2])
        truth = GroundTruth(np.array(boxes, float), np.array([1, 2]))
        assert evaluate_coco([by_class, by_class], [truth, truth]).ar1 == 1

    def test_the_101st_is_not_looked_at(self):
        wrong = [(FAR, 0.9 - i / 1000) for i in range(100)]
        assert evaluate_coco([found(*wrong, (BIG, 0.1))], [wanted(BIG)]).ar100 == 0
        assert evaluate_coco([found(*wrong[:99], (BIG, 0.1))], [wanted(BIG)]).ar100 == 1

    def test_ignored_detections_use_up_the_limit(self):
        truth = wanted(BIG, FAR, crowd=np.array([True, False]))
        assert evaluate_coco([found(((0, 0, 9, 9), 0.9), (FAR, 0.1))], [truth]).ar1 == 0


class TestCurve:
    def test_101_points(self):
        """One of two objects, found at once: recall 0, .01, ... .50 are 51 points, not 50 and not half."""
        assert evaluate_coco([found((BIG, 0.9))], [wanted(BIG, FAR)]).ap == pytest.approx(51 / 101)

    @pytest.mark.parametrize(
        ("count", "points"), [(29, 30), (56, 57), (57, 57), (58, 59), (70, 70), (100, 101)]
    )
    def test_ten_of_the_points_are_a_little_more_than_they_should_be(self, count, points):
        """57 of 100 objects do not reach the 58th point, 0.5700000000000001. So it is in COCO's program."""
        boxes = [(20 * i, 0, 20 * i + 10, 10) for i in range(100)]
        detections = [found(*((box, 0.5) for box in boxes[:count]))]
        assert evaluate_coco(detections, [wanted(*boxes)]).ap == pytest.approx(points / 101)
        assert (RECALL_POINTS[count] > count / 100) == (points == count)

    def test_precision_is_the_best_at_that_recall_or_beyond(self):
        verdicts = np.array([0, 1, 1, -1, 0, 1], np.int8)
        np.testing.assert_allclose(precision_envelope(verdicts, np.arange(6), 100), [2 / 3, 2 / 3, 3 / 5])
        np.testing.assert_allclose(precision_envelope(verdicts, np.arange(6), 2), [1 / 2])

    def test_caffes_golden_curve(self):
        """Five objects; the value on 101 points is known beside VOC's."""
        verdicts = np.array([0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1], np.int8)
        envelope = precision_envelope(verdicts, np.arange(11), 100)
        at_points = [envelope[max(0, int(np.ceil(j * 5 / 100)) - 1)] for j in range(101)]
        assert np.mean(at_points) == pytest.approx(0.592602, abs=5e-7)

    def test_of_equal_scores_the_earlier_image_comes_first(self):
        right, wrong = found((BIG, 0.5)), found((FAR, 0.5))
        assert evaluate_coco([right, wrong], [wanted(BIG), wanted()]).ap == 1
        assert evaluate_coco([wrong, right], [wanted(), wanted(BIG)]).ap == 0.5
