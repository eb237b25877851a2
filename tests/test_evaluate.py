"""Average precision: other evaluators' flags and curves, exact fractions, and each known trap by name."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_numbers import copied_numbers, evaluation_set
from twins import area_under_curve, curve, eleven_point, eleven_point_in_float32, eleven_point_with_arange

from minissd import evaluate
from minissd.detect import Detections
from minissd.errors import InputError
from minissd.evaluate import (
    METRICS,
    GroundTruth,
    area_ap,
    eleven_point_ap,
    eleven_point_arange_ap,
    eleven_point_float32_ap,
    evaluate_voc,
    integral_ap,
    judge,
    precision_recall,
)

NUMBERS = copied_numbers("evaluate")
SETS = range(int(NUMBERS["n_sets"]))
CLASSES = [1, 2, 3, 4]
THRESHOLDS = [0.5, 0.75, 0.3]  # the order of the stored results
every_set = pytest.mark.parametrize("case", SETS, ids=NUMBERS["set_kind"])
images_of = functools.partial(evaluation_set, NUMBERS)  # of a reference set


def stored_curve(case, label):
    """Recall and precision of py-faster-rcnn, without the rows that found a difficult object."""
    counted = (NUMBERS[f"s{case}_frcnn_c{label}_tp"] + NUMBERS[f"s{case}_frcnn_c{label}_fp"]) > 0
    return tuple(NUMBERS[f"s{case}_frcnn_c{label}_{name}"][counted] for name in ("rec", "prec"))


class TestOtherImplementations:
    @every_set
    @pytest.mark.parametrize("strict", [False, True])
    def test_flags_of_py_faster_rcnn(self, case, strict):
        """True and false positives, and neither for difficult objects, detection by detection.

        It is strict; in these sets no IoU is exactly the threshold.
        """
        detections, ground_truths = images_of(case)
        last_pixel = np.array([0, 0, 1, 1])
        for label in CLASSES:
            if f"s{case}_frcnn_c{label}_tp" not in NUMBERS:
                continue
            outcomes = {}  # (image, score) -> outcome; the scores are distinct
            for image, ((boxes_px, scores, labels), truth) in enumerate(zip(detections, ground_truths)):
                found = np.flatnonzero(labels == label)
                best_first = found[np.argsort(-scores[found])]
                wanted = truth.labels == label
                gt_px = truth.gt_xyxy[wanted] + last_pixel
                found_px, difficult = boxes_px[best_first] + last_pixel, truth.difficult[wanted]
                flags = judge(found_px, gt_px, difficult, strict=strict)
                outcomes |= {(image, scores[d]): flag for d, flag in zip(best_first, flags)}
            rows = NUMBERS[f"s{case}_frcnn_c{label}_det_index"]
            keys = zip(NUMBERS[f"s{case}_det_image"][rows], NUMBERS[f"s{case}_det_score"][rows])
            ours = np.array([outcomes[key] for key in keys])
            np.testing.assert_array_equal(ours == 1, NUMBERS[f"s{case}_frcnn_c{label}_tp"])
            np.testing.assert_array_equal(ours == 0, NUMBERS[f"s{case}_frcnn_c{label}_fp"])
            assert len(ours) == len(outcomes)

    @every_set
    def test_curves_of_py_faster_rcnn(self, case):
        for label in CLASSES:
            if f"s{case}_frcnn_c{label}_tp" not in NUMBERS:
                continue
            ours = precision_recall(*images_of(case), label, inclusive_pixels=True)
            assert ours.num_objects == NUMBERS[f"s{case}_frcnn_npos"][label - 1]
            assert (np.diff(ours.scores) < 0).all()
            if ours.num_objects:
                recall, precision = stored_curve(case, label)
                np.testing.assert_allclose(ours.recall, recall, rtol=1e-14)
                np.testing.assert_allclose(ours.precision, precision, rtol=1e-14)

    @every_set
    @pytest.mark.parametrize("t", range(3), ids=[f"IoU {t}" for t in THRESHOLDS])
    def test_area(self, case, t):
        result = evaluate_voc(*images_of(case), THRESHOLDS[t], metric="area", inclusive_pixels=True)
        ours = [result.ap.get(label, np.nan) for label in CLASSES]
        np.testing.assert_allclose(ours, NUMBERS[f"s{case}_ccv_ap"][t, :, 1], rtol=1e-12)
        assert result.mAP == pytest.approx(NUMBERS[f"s{case}_ccv_map"][t, 1], rel=1e-12)
        by_frcnn = NUMBERS[f"s{case}_frcnn_ap"][t, :, 1]  # NaN, too, where a class has no detection
        defined = ~np.isnan(by_frcnn)
        np.testing.assert_allclose(np.array(ours)[defined], by_frcnn[defined], rtol=1e-12)

    @every_set
    @pytest.mark.parametrize("t", range(3), ids=[f"IoU {t}" for t in THRESHOLDS])
    def test_eleven_points(self, case, t):
        """With ``arange`` as theirs; with ours equal unless a recall of exactly .3, .6 or .7 occurs."""
        images, options = images_of(case), {"iou_threshold": THRESHOLDS[t], "inclusive_pixels": True}
        result = evaluate_voc(*images, metric="11point_arange", **options)
        assert result.mAP == pytest.approx(NUMBERS[f"s{case}_ccv_map"][t, 0], rel=1e-12)
        ours = [result.ap.get(label, np.nan) for label in CLASSES]
        np.testing.assert_allclose(ours, NUMBERS[f"s{case}_ccv_ap"][t, :, 0], rtol=1e-12)
        strictly = evaluate_voc(*images, metric="11point_arange", strict=True, **options)
        np.testing.assert_array_equal(list(strictly.ap.values()), list(result.ap.values()))
        for label, ap in evaluate_voc(*images, **options).ap.items():
            if not np.isin(result.curves[label].recall, [0.3, 0.6, 0.7]).any():
                assert ap == pytest.approx(result.ap[label], rel=1e-12, nan_ok=True)

    @every_set
    def test_eleven_points_of_py_faster_rcnn(self, case):
        """0 where a class has no objects to count, and an exception (NaN here) where it has no detections."""
        result = evaluate_voc(*images_of(case), metric="11point_arange", inclusive_pixels=True, strict=True)
        theirs = NUMBERS[f"s{case}_frcnn_ap"][0, :, 0]
        for label, ap in result.ap.items():
            if result.curves[label].num_objects and len(result.curves[label].scores):
                assert ap == pytest.approx(theirs[label - 1], rel=1e-12)

    def test_the_sets_spring_the_trap(self):
        """Otherwise the test above would prove less than it says."""
        case = NUMBERS["set_kind"].tolist().index("exact")
        ours = evaluate_voc(*images_of(case), inclusive_pixels=True)
        theirs = NUMBERS[f"s{case}_ccv_ap"][0, :, 0]
        assert max(ours.ap[label] - theirs[label - 1] for label in CLASSES) > 0.05

    @every_set
    @pytest.mark.parametrize(("metric", "column"), [("11point_float32", 0), ("area", 1), ("integral", 2)])
    def test_caffe(self, case, metric, column):
        """Its three values of ``ap_version``: 11point, MaxIntegral and Integral."""
        result = evaluate_voc(*images_of(case), inclusive_pixels=True, metric=metric)
        for label, theirs in zip(CLASSES, NUMBERS[f"s{case}_caffe_ap"][:, column]):
            of_class = result.curves.get(label)
            if of_class and of_class.num_objects and len(of_class.scores):
                assert result.ap[label] == pytest.approx(theirs, abs=1e-6)

    @every_set
    def test_only_a_recall_of_7_or_9_tenths_tells_caffe_apart(self, case):
        ours, caffes = (
            evaluate_voc(*images_of(case), inclusive_pixels=True, metric=metric)
            for metric in ("11point", "11point_float32")
        )
        for label, ap in ours.ap.items():
            if not np.isin(ours.curves[label].recall, [0.7, 0.9]).any():
                assert ap == pytest.approx(caffes.ap[label], rel=1e-12, nan_ok=True)

    def test_without_the_last_pixel_some_boxes_fall_below_the_threshold(self):
        """The convention is part of the number: it must be the evaluated data set's."""
        images = images_of(2)
        with_it = evaluate_voc(*images, inclusive_pixels=True).mAP
        assert evaluate_voc(*images).mAP != pytest.approx(with_it, abs=1e-6)
        two_thirds = (np.array([[0, 0, 19, 9]]), np.array([0.9]), np.array([1]))
        truth = (np.array([[0, 0, 9, 9]]), np.array([1]))
        assert evaluate_voc([two_thirds], [truth]).mAP == 0  # 81 / 171
        assert evaluate_voc([two_thirds], [truth], inclusive_pixels=True).mAP == 1  # 100 / 200


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


@pytest.mark.parametrize("metric", evaluate.METRICS)
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


@pytest.mark.parametrize(
    "eleven", [np.arange(0, 1.1, 0.1), np.linspace(0, 1, 11)], ids=["arange", "linspace"]
)
def test_three_of_the_eleven_recalls_are_too_large(eleven):
    tenths = np.arange(11) / 10
    assert np.flatnonzero(eleven > tenths).tolist() == [3, 6, 7]
    assert eleven[[3, 6, 7]].tolist() == [0.30000000000000004, 0.6000000000000001, 0.7000000000000001]


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
