"""Average precision beside other evaluators' flags, curves and numbers."""

import functools

import numpy as np
import pytest
from reference_numbers import copied_numbers, evaluation_set

from minissd.evaluate import evaluate_voc, judge, precision_recall

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
