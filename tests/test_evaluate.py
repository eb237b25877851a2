"""Average precision: which detections are right, golden rows, and each known trap by name."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
from reference_numbers import copied_numbers, evaluation_set

from minissd.detect import Detections
from minissd.errors import InputError
from minissd.evaluate import METRICS, GroundTruth, evaluate_voc, judge, precision_recall

images_of = functools.partial(evaluation_set, copied_numbers("evaluate"))  # of a reference set


class TestJudge:
    """Boxes one high, so that an IoU is a ratio of lengths."""

    def boxes(self, *ends):
        return np.array([[x1, 0, x2, 1] for x1, x2 in ends], dtype=float).reshape(-1, 4)

    def judged(self, found, wanted, difficult=None, **options):
        difficult = np.zeros(len(wanted), bool) if difficult is None else np.array(difficult)
        return judge(self.boxes(*found), self.boxes(*wanted), difficult, **options).tolist()

    def test_a_second_detection_of_an_object_is_wrong(self):
        assert self.judged([(0, 4), (0, 4)], [(0, 4)]) == [1, 0]

    def test_it_is_not_handed_on_to_the_next_best_object(self):
        """The second overlaps object 0 by 10/11 and object 1 by 10/12; both reach the threshold."""
        assert self.judged([(0, 11), (0, 10)], [(0, 11), (0, 12)]) == [1, 0]

    def test_a_better_object_decides_even_if_it_is_claimed(self):
        assert self.judged([(0, 10), (1, 11)], [(0, 10), (4, 14)]) == [1, 0]

    def test_exactly_the_threshold_counts(self):
        assert self.judged([(0, 4)], [(0, 2)]) == [1]
        assert self.judged([(0, 4)], [(0, 2)], iou_threshold=np.nextafter(0.5, 1)) == [0]

    def test_strictly_it_does_not(self):
        assert self.judged([(0, 4)], [(0, 2)], strict=True) == [0]
        assert self.judged([(0, 4)], [(0, 2)], strict=True, iou_threshold=np.nextafter(0.5, 0)) == [1]
        assert self.judged([(0, 4)], [(0, 2)], difficult=[True], strict=True) == [0]

    def test_of_equal_overlaps_the_first_object(self):
        assert self.judged([(0, 4), (0, 4)], [(0, 4), (0, 4)]) == [1, 0]

    def test_difficult_objects_are_neither_right_nor_wrong(self):
        assert self.judged([(0, 4), (0, 4), (8, 9)], [(0, 4)], difficult=[True]) == [-1, -1, 0]

    def test_a_difficult_object_that_is_overlapped_better_decides(self):
        assert self.judged([(0, 10)], [(0, 9), (0, 10)], difficult=[False, True]) == [-1]
        assert self.judged([(0, 10)], [(0, 10), (0, 9)], difficult=[False, True]) == [1]

    def test_no_objects_and_no_detections(self):
        assert self.judged([(0, 4), (1, 2)], []) == [0, 0]
        assert self.judged([], [(0, 4)]) == []
        assert self.judged([], []) == []


class TestCaffesGoldenRows:
    """Three images, classes 1 to 3, an IoU threshold of .3; one object of class 1 is difficult."""

    TRUTHS = (
        ([[0.1, 0.1, 0.3, 0.3], [0.6, 0.6, 0.8, 0.8]], [1, 1]),
        ([[0.3, 0.3, 0.6, 0.5], [0.7, 0.1, 0.9, 0.3]], [2, 1]),
        (np.zeros((0, 4)), []),
    )
    DETECTIONS = (
        ([[0.1, 0.0, 0.4, 0.3], [0.0, 0.1, 0.2, 0.3], [0.7, 0.6, 0.8, 0.8]], [0.3, 0.7, 0.9], [1, 1, 1]),
        (
            [[0.2, 0.1, 0.4, 0.4], [0.4, 0.3, 0.7, 0.5], [0.8, 0.1, 1.0, 0.3], [0.8, 0.1, 1.0, 0.3]],
            [0.8, 0.1, 0.2, 0.2],
            [2, 2, 1, 3],
        ),
        ([[0.8, 0.1, 1.0, 0.3]], [0.2], [1]),
    )

    def curves(self, difficult):
        truths = [
            GroundTruth(np.array(gt_xyxy), np.array(labels), np.array(flags, bool))
            for (gt_xyxy, labels), flags in zip(self.TRUTHS, difficult)
        ]
        detections = [tuple(map(np.array, of_image)) for of_image in self.DETECTIONS]
        return evaluate_voc(detections, truths, iou_threshold=0.3).curves

    def test_difficult_objects_evaluated(self):
        curves = self.curves([[False, False], [False, False], []])
        assert [curves[c].num_objects for c in (1, 2, 3)] == [3, 1, 0]
        # class 1: .9 right, .7 right, .3 finds the object of .7 again, .2 right, .2 in the empty image
        np.testing.assert_array_equal(curves[1].scores, [0.9, 0.7, 0.3, 0.2, 0.2])
        np.testing.assert_allclose(curves[1].precision, [1, 1, 2 / 3, 3 / 4, 3 / 5])
        np.testing.assert_allclose(curves[2].precision, [0, 1 / 2])
        np.testing.assert_allclose(curves[3].precision, [0])

    def test_difficult_objects_left_out(self):
        curves = self.curves([[False, True], [False, False], []])
        assert [curves[c].num_objects for c in (1, 2, 3)] == [2, 1, 0]
        np.testing.assert_array_equal(curves[1].scores, [0.7, 0.3, 0.2, 0.2])  # .9 is neither right nor wrong
        np.testing.assert_allclose(curves[1].precision, [1, 1 / 2, 2 / 3, 2 / 4])


SQUARE = [0.0, 0.0, 1.0, 1.0]
ELSEWHERE = [5.0, 5.0, 6.0, 6.0]


def found(*boxes_scores_labels):
    """Detections of an image from (box, score, label) triples."""
    boxes_xyxy, scores, labels = zip(*boxes_scores_labels) if boxes_scores_labels else ([], [], [])
    return np.array(boxes_xyxy, dtype=float).reshape(-1, 4), np.array(scores), np.array(labels, dtype=int)


def wanted(*boxes_labels, difficult=None):
    """Objects of an image from (box, label) pairs."""
    boxes_xyxy, labels = zip(*boxes_labels) if boxes_labels else ([], [])
    boxes_xyxy = np.array(boxes_xyxy, dtype=float).reshape(-1, 4)
    return GroundTruth(boxes_xyxy, np.array(labels, dtype=int), difficult)


@pytest.mark.parametrize("metric", METRICS)
class TestEdges:
    def test_perfect(self, metric):
        result = evaluate_voc([found((SQUARE, 0.9, 1))], [wanted((SQUARE, 1))], metric=metric)
        assert result.ap == {1: 1.0}
        assert result.mAP == 1.0

    def test_the_right_place_in_another_image_or_class_is_wrong(self, metric):
        truths = [wanted((SQUARE, 1)), wanted((ELSEWHERE, 2))]
        other_image = evaluate_voc([found(), found((SQUARE, 0.9, 1))], truths, metric=metric)
        assert other_image.ap == {1: 0.0, 2: 0.0}
        other_class = evaluate_voc([found((SQUARE, 0.9, 2)), found()], truths, metric=metric)
        assert other_class.ap == {1: 0.0, 2: 0.0}

    def test_a_class_without_objects_is_nan_and_not_in_the_mean(self, metric):
        detections = [found((SQUARE, 0.9, 1), (SQUARE, 0.8, 7))]
        result = evaluate_voc(detections, [wanted((SQUARE, 1))], metric=metric)
        assert result.ap[1] == 1.0
        assert np.isnan(result.ap[7])
        assert result.mAP == 1.0

    def test_a_class_without_detections_is_zero_and_in_the_mean(self, metric):
        truth = wanted((SQUARE, 1), (ELSEWHERE, 2))
        result = evaluate_voc([found((SQUARE, 0.9, 1))], [truth], metric=metric)
        assert result.ap == {1: 1.0, 2: 0.0}
        assert result.mAP == 0.5
        assert len(result.curves[2].scores) == 0

    def test_difficult_objects_do_not_count(self, metric):
        truth = wanted((SQUARE, 1), (ELSEWHERE, 1), difficult=np.array([False, True]))
        for detections in (found((SQUARE, 0.9, 1)), found((ELSEWHERE, 0.95, 1), (SQUARE, 0.9, 1))):
            assert evaluate_voc([detections], [truth], metric=metric).mAP == 1.0

    def test_a_class_of_difficult_objects_alone(self, metric):
        truth = wanted((SQUARE, 1), difficult=np.array([True]))
        result = evaluate_voc([found((SQUARE, 0.9, 1))], [truth], metric=metric)
        assert np.isnan(result.ap[1])
        assert np.isnan(result.mAP)

    def test_nothing_at_all(self, metric):
        for images in ([], [found()]):
            result = evaluate_voc(images, [wanted() for _ in images], metric=metric)
            assert result.ap == {}
            assert np.isnan(result.mAP)

    def test_the_first_false_positive_costs_more_than_the_last(self, metric):
        hit, miss = (SQUARE, 0.5, 1), [ELSEWHERE, 0.0, 1]
        aps = []
        for score in (0.9, 0.1):
            miss[1] = score
            aps.append(evaluate_voc([found(hit, tuple(miss))], [wanted((SQUARE, 1))], metric=metric).mAP)
        assert aps == [0.5, 1.0]

    def test_forms_of_the_arguments(self, metric):
        boxes_xyxy, scores, labels = found((SQUARE, 0.9, 1), (ELSEWHERE, 0.8, 1))
        truth = wanted((SQUARE, 1), (ELSEWHERE, 1), difficult=np.array([False, True]))
        detections = [(boxes_xyxy, scores, labels), Detections(boxes_xyxy, scores, labels, np.zeros(2, int))]
        truths = [truth, (truth.gt_xyxy, truth.labels, truth.difficult), SimpleNamespace(**vars(truth))]
        for detection in detections:
            for form in truths:
                result = evaluate_voc([detection], [form], metric=metric)
                assert result.mAP == 1.0
                assert precision_recall([detection], [form], 1).num_objects == 1
        without_flags = SimpleNamespace(gt_xyxy=truth.gt_xyxy, labels=truth.labels)
        assert precision_recall([detections[1]], [without_flags], 1).num_objects == 2
        assert precision_recall([detections[1]], [(truth.gt_xyxy, truth.labels)], 1).num_objects == 2


def test_strict_is_passed_on():
    half, truth = found(([0.0, 0.0, 1.0, 0.5], 0.9, 1)), wanted((SQUARE, 1))
    for strict, mAP in ((False, 1.0), (True, 0.0)):
        assert evaluate_voc([half], [truth], strict=strict).mAP == mAP
        assert precision_recall([half], [truth], 1, strict=strict).recall.tolist() == [mAP]


def test_of_equal_scores_the_earlier_image_comes_first():
    right, wrong = found((SQUARE, 0.5, 1)), found((ELSEWHERE, 0.5, 1))
    truths = [wanted((SQUARE, 1)), wanted()]
    assert evaluate_voc([right, wrong], truths, metric="area").mAP == 1.0
    truths = [wanted(), wanted((SQUARE, 1))]
    assert evaluate_voc([wrong, right], truths, metric="area").mAP == 0.5


def test_detections_need_not_be_sorted(rng):
    detections, truths = images_of(1)
    shuffled = []
    for boxes_px, scores, labels in detections:
        order = rng.permutation(len(scores))
        shuffled.append((boxes_px[order], scores[order], labels[order]))
    assert evaluate_voc(shuffled, truths).ap == evaluate_voc(detections, truths).ap


def test_the_curve_of_a_class():
    truths = [wanted((SQUARE, 1), (ELSEWHERE, 1)), wanted((SQUARE, 1), (SQUARE, 2))]
    detections = [
        found((SQUARE, 0.9, 1), (SQUARE, 0.7, 1)),
        found((ELSEWHERE, 0.8, 1), (SQUARE, 0.6, 1), (SQUARE, 0.9, 2)),
    ]
    of_class = evaluate_voc(detections, truths).curves[1]
    assert of_class.num_objects == 3
    np.testing.assert_array_equal(of_class.scores, [0.9, 0.8, 0.7, 0.6])
    np.testing.assert_allclose(of_class.recall, [1 / 3, 1 / 3, 1 / 3, 2 / 3])
    np.testing.assert_allclose(of_class.precision, [1, 1 / 2, 1 / 3, 2 / 4])


def test_inputs_are_unchanged():
    images = images_of(3)
    before = [[array.copy() for array in detection] for detection in images[0]]
    evaluate_voc(*images, inclusive_pixels=True)
    for detection, original in zip(images[0], before):
        for array, copy in zip(detection, original):
            np.testing.assert_array_equal(array, copy)


def test_an_unknown_metric():
    with pytest.raises(InputError, match=r"no metric 'coco' .choose one of 11point, area"):
        evaluate_voc([], [], metric="coco")


def test_images_must_pair_up():
    with pytest.raises(InputError, match="detections of 2 images, ground truths of 1"):
        evaluate_voc([found(), found()], [wanted()])


def test_amdegroots_shift_of_two_pixels():
    """It takes 1 off the corners of objects and adds 1 to those of detections: a small one, found exactly, is
    missed. Of a square of s pixels (s - 2)^2 are shared; the IoU reaches 1/2 from 10.9 pixels on.
    """
    for side, expected in ((10, 0), (11, 1)):
        square = np.array([[50.0, 50.0, 50.0 + side, 50.0 + side]])
        assert judge(square, square, np.array([False]), strict=True).tolist() == [1]
        assert judge(square + 1, square - 1, np.array([False]), strict=True).tolist() == [expected]


def test_scores_of_three_decimals_make_ties():
    """amdegroot writes them so. The better detection, in the second image, then comes after the worse one."""
    truths = [wanted(), wanted((SQUARE, 1))]
    exact = [found((SQUARE, 0.9001, 1)), found((SQUARE, 0.9004, 1))]
    assert evaluate_voc(exact, truths, metric="area").mAP == 1
    written = [(boxes_xyxy, scores.round(3), labels) for boxes_xyxy, scores, labels in exact]
    assert evaluate_voc(written, truths, metric="area").mAP == 0.5
