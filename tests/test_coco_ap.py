"""COCO's evaluation: pycocotools' numbers, a plain twin, and every rule worked by hand."""

import functools
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from coco_sets import NUM_CLASSES, check_number, drawn_set
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_numbers import copied_numbers, evaluation_set

from minissd import evaluate
from minissd.coco_ap import best_object, overlap_of_pair, precision_envelope
from minissd.coco_result import AREA_RANGES_PX, IOU_THRESHOLDS, MAX_DETECTIONS, NUMBERS, RECALL_POINTS
from minissd.data.sample import Sample
from minissd.detect import Detections
from minissd.errors import InputError
from minissd.evaluate import GroundTruth, evaluate_coco

DATA, COPIED, DRAWN = (copied_numbers(name) for name in ("evaluate", "coco", "coco_drawn"))
images_of = functools.partial(evaluation_set, DATA | COPIED)
every_set = pytest.mark.parametrize("case", range(int(DATA["n_sets"])), ids=DATA["set_kind"])
every_drawn_set = pytest.mark.parametrize(
    ("kind", "seed"), [(str(kind), int(seed)) for kind in DRAWN["kinds"] for seed in DRAWN["seeds"]]
)


def with_all_classes(table, labels, num_classes, axis):
    """A table with the classes 1, 2, ... along `axis`, and pycocotools' -1 where there is nothing."""
    shape = list(table.shape)
    shape[axis] = num_classes
    full = np.full(shape, -1.0)
    np.moveaxis(full, axis, 0)[labels - 1] = np.moveaxis(np.nan_to_num(table, nan=-1.0), axis, 0)
    return full


def twelve(result):
    return np.nan_to_num(list(result.numbers.values()), nan=-1.0)


class TestPycocotools:
    @every_set
    @pytest.mark.parametrize("prefix", ["coco", "coco_nocrowd"])
    def test_the_collected_sets(self, case, prefix):
        result = evaluate_coco(*images_of(case, with_crowds=prefix == "coco"))
        expected = {name: COPIED[f"s{case}_{prefix}_{name}"] for name in ("stats", "class_ap", "class_ap50")}
        np.testing.assert_allclose(twelve(result), expected["stats"], atol=1e-12)
        precision = with_all_classes(result.precision, result.labels, 4, axis=2)[..., -1]  # (T, R, K, A)
        np.testing.assert_allclose(precision.mean(axis=(0, 1)), expected["class_ap"], atol=1e-12)
        np.testing.assert_allclose(precision[0, :, :, 0].mean(axis=0), expected["class_ap50"], atol=1e-12)
        by_iou = precision[:, :, :, 0].mean(axis=1).T  # (K, T)
        np.testing.assert_allclose(by_iou, COPIED[f"s{case}_{prefix}_class_ap_by_iou"], atol=1e-12)
        recall = with_all_classes(result.recall, result.labels, 4, axis=1)[:, :, 0].mean(axis=0)  # (K, M)
        np.testing.assert_allclose(recall, COPIED[f"s{case}_{prefix}_class_ar"], atol=1e-12)

    def test_the_axes(self):
        np.testing.assert_array_equal(IOU_THRESHOLDS, COPIED["coco_iou_thrs"])
        np.testing.assert_array_equal(RECALL_POINTS, COPIED["coco_rec_thrs"])

    @every_drawn_set
    def test_the_drawn_sets(self, kind, seed):
        images = drawn_set(seed, kind)
        expected = {name: DRAWN[f"{kind}{seed}_{name}"] for name in ("check", "stats", "precision", "recall")}
        assert check_number(*images) == pytest.approx(expected["check"], rel=1e-12)
        result = evaluate_coco(*images)
        np.testing.assert_allclose(twelve(result), expected["stats"], atol=1e-12)
        precision = with_all_classes(result.precision, result.labels, NUM_CLASSES, axis=2)
        np.testing.assert_allclose(precision.mean(axis=1), expected["precision"], atol=1e-12)
        recall = with_all_classes(result.recall, result.labels, NUM_CLASSES, axis=1)
        np.testing.assert_allclose(recall, expected["recall"], atol=1e-12)
        if f"{kind}{seed}_curve" in DRAWN:
            np.testing.assert_allclose(precision[..., 0, 2], DRAWN[f"{kind}{seed}_curve"], atol=1e-12)

    def test_the_copies_are_those_of_their_source(self, shared_numbers):
        source = shared_numbers("ap")
        for key, values in COPIED.items():
            np.testing.assert_array_equal(values, source[key], err_msg=key)


# -- a plain twin -----------------------------------------------------------------------------------------


def plain_overlap(found, truth, crowd):
    width = min(found[2], truth[2]) - max(found[0], truth[0])
    height = min(found[3], truth[3]) - max(found[1], truth[1])
    shared = max(width, 0) * max(height, 0)
    area, truth_area = ((b[2] - b[0]) * (b[3] - b[1]) for b in (found, truth))
    return shared / (area if crowd else area + truth_area - shared)


def plain_verdicts(found, truths, iou_threshold, low, high):
    """Verdicts on (box, score) pairs of one image, best first: "right", "wrong" or "ignored"."""
    claimed, verdicts = set(), []
    ignores = [crowd or not low <= area <= high for _, crowd, area in truths]
    for box, _ in found:
        open_to_it = []
        for g, (truth, crowd, _) in enumerate(truths):
            overlap = plain_overlap(box, truth, crowd)
            if overlap >= iou_threshold and (crowd or g not in claimed):
                open_to_it.append((not ignores[g], overlap, g))
        if open_to_it:
            counts, _, g = max(open_to_it)  # one that counts, then the largest overlap, then the last
            claimed.add(g)
            verdicts.append("right" if counts else "ignored")
        else:
            own_area = (box[2] - box[0]) * (box[3] - box[1])
            verdicts.append("wrong" if low <= own_area <= high else "ignored")
    return verdicts, len(ignores) - sum(ignores)


def plain_tables(detections, truths, label, iou_threshold, area_range, limit):
    """Precision at the 101 recalls, and the recall, of one class at one setting."""
    judged, num_objects = [], 0
    for (boxes, scores, labels), truth in zip(detections, truths):
        found = [(box, score) for box, score, c in zip(boxes, scores, labels) if c == label]
        found = sorted(found, key=lambda pair: -pair[1])[:limit]
        areas = truth.area_px
        wanted = [t for *t, c in zip(truth.gt_xyxy, truth.crowd, areas, truth.labels) if c == label]
        verdicts, count = plain_verdicts(found, wanted, iou_threshold, *area_range)
        judged += [(score, verdict) for (_, score), verdict in zip(found, verdicts)]
        num_objects += count
    if num_objects == 0:
        return np.full(101, np.nan), np.nan
    judged = [v for _, v in sorted(judged, key=lambda pair: -pair[0]) if v != "ignored"]
    points = [(judged[: i + 1].count("right"), i + 1) for i in range(len(judged))]
    curve = [max((r / n for r, n in points if r / num_objects >= j), default=0.0) for j in RECALL_POINTS]
    return np.array(curve), judged.count("right") / num_objects


@st.composite
def small_sets(draw):
    """A few boxes on a coarse grid, whose IoUs and areas hit the thresholds exactly."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    detections, truths = [], []
    for _ in range(draw(st.integers(1, 3))):
        counts = draw(st.integers(0, 4)), draw(st.integers(0, 14))
        boxes = [
            np.hstack([low, low + rng.choice([16, 32, 64, 96], (count, 2))]).astype(float)
            for count, low in ((count, rng.integers(0, 4, (count, 2)) * 8) for count in counts)
        ]
        area = np.prod(boxes[0][:, 2:] - boxes[0][:, :2], axis=1)
        crowd = rng.random(counts[0]) < 0.2
        truths.append(GroundTruth(boxes[0], rng.integers(1, 3, counts[0]), crowd=crowd, area_px=area))
        scores = rng.integers(0, 5, counts[1]) / 5
        detections.append((boxes[1], scores, rng.integers(1, 3, counts[1])))
    return detections, truths


@given(small_sets())
@settings(max_examples=40)
def test_the_plain_twin_agrees(images):
    result = evaluate_coco(*images)
    for k, label in enumerate(result.labels):
        for a, area_range in enumerate(AREA_RANGES_PX.values()):
            for t, m in ((0, 2), (0, 1), (4, 0), (5, 2), (9, 2)):
                curve, recall = plain_tables(*images, label, IOU_THRESHOLDS[t], area_range, MAX_DETECTIONS[m])
                np.testing.assert_allclose(result.precision[t, :, k, a, m], curve, atol=1e-12)
                np.testing.assert_allclose(result.recall[t, k, a, m], recall, atol=1e-12)


# -- worked by hand ---------------------------------------------------------------------------------------


def found(*boxes_scores, label=1):
    """Detections of an image from ((x1, y1, x2, y2), score) pairs."""
    boxes = np.array([box for box, _ in boxes_scores], float).reshape(-1, 4)
    scores = np.array([score for _, score in boxes_scores], float)
    return boxes, scores, np.full(len(scores), label)


def wanted(*boxes, label=1, **flags):
    return GroundTruth(np.array(boxes, float).reshape(-1, 4), np.full(len(boxes), label), **flags)


BIG, FAR = (0, 0, 100, 100), (500, 500, 600, 600)


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
        assert evaluate.evaluate_voc(detections, truths, metric="area").ap[1] == 0.5

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


# -- what goes in and comes out ---------------------------------------------------------------------------


class TestArguments:
    def test_fractions_with_a_size_are_pixels(self):
        detections, truths = drawn_set(1, "plain")
        size = np.array([512.0, 512.0, 512.0, 512.0])  # divides without rounding
        as_fractions = [(boxes / size, scores, labels) for boxes, scores, labels in detections]
        sized = [replace(t, gt_xyxy=t.gt_xyxy / size, image_size=(512, 512)) for t in truths]
        assert evaluate_coco(as_fractions, sized).numbers == evaluate_coco(detections, truths).numbers

    def test_width_and_height_are_not_mixed_up(self):
        """40 x 20 pixels of 80 x 200 are a small object, of 200 x 80 a medium one of 100 x 8: also small."""
        truth = wanted((0, 0, 0.5, 0.1), image_size=(80, 200))
        assert not np.isnan(evaluate_coco([found()], [truth]).ap_small)
        half = wanted((0, 0, 1, 0.25), image_size=(100, 400))
        assert not np.isnan(evaluate_coco([found()], [half]).ap_large)

    def test_a_sample_tells_its_size(self):
        sample = Sample(np.zeros((40, 80, 3), np.uint8), np.array([[0.0, 0.0, 0.5, 0.5]]), np.array([1]))
        result = evaluate_coco([found(((0, 0, 0.5, 0.5), 0.9))], [sample])
        assert result.ap_small == 1 and np.isnan(result.ap_medium)

    def test_other_forms(self):
        boxes, scores, labels = found((BIG, 0.9))
        truth = wanted(BIG)
        for detections in (boxes, scores, labels), Detections(boxes, scores, labels, np.zeros(1, int)):
            for form in truth, (truth.gt_xyxy, truth.labels), (truth.gt_xyxy.tolist(), [1]):
                assert evaluate_coco([detections], [form]).ap == 1

    def test_float32_gives_the_numbers_of_the_same_values_in_float64(self):
        detections, truths = drawn_set(2, "ties")
        single = [(boxes.astype(np.float32), scores.astype(np.float32), c) for boxes, scores, c in detections]
        double = [(boxes.astype(np.float64), scores.astype(np.float64), c) for boxes, scores, c in single]
        assert evaluate_coco(single, truths).numbers == evaluate_coco(double, truths).numbers

    def test_the_inputs_stay_as_they_are(self):
        images, again = drawn_set(1, "crowds"), drawn_set(1, "crowds")
        evaluate_coco(*images)
        for ours, theirs in zip(images[0], again[0]):
            assert all(np.array_equal(a, b) for a, b in zip(ours, theirs))
        assert check_number(*images) == check_number(*again)

    def test_difficult_objects_count(self):
        """COCO has no such flag, and its program overwrites what other tools put in its place."""
        truth = wanted(BIG, FAR, difficult=np.array([False, True]))
        assert evaluate_coco([found((BIG, 0.9))], [truth]).ar100 == 0.5

    @pytest.mark.parametrize(
        ("detections", "truths", "message"),
        [
            ([], [wanted(BIG)], r"detections of 0 images, ground truths of 1 \(give both one entry"),
            (
                [found()],
                [wanted((0, 0, 1, 1))],
                r"ground_truths: no box ends beyond 1.*give each .* image_size",
            ),
            ([found((BIG, np.nan))], [wanted(BIG)], r"detections\[0\]: a score is not a number"),
            ([found(((0, 0, np.inf, 9), 1))], [wanted(BIG)], r"detections\[0\]: a box is not four finite"),
            ([found()], [wanted((0, 0, np.nan, 9))], r"ground_truths\[0\]: a box is not four finite"),
            (
                [(np.zeros((2, 4)), [0.5], [1])],
                [wanted(BIG)],
                r"detections\[0\]: 2 boxes, 1 scores, 1 labels",
            ),
            ([found()], [(np.zeros((1, 4)), [1, 2])], r"ground_truths\[0\]: 1 gt_xyxy, 2 labels"),
            ([found()], [wanted(BIG, area_px=np.zeros(2))], r"ground_truths\[0\]: .*2 area_px"),
        ],
    )
    def test_what_cannot_be_used(self, detections, truths, message):
        with pytest.raises(InputError, match=message):
            evaluate_coco(detections, truths)


class TestResult:
    def test_nothing_at_all(self):
        for images in ([], [()]):
            result = evaluate_coco([found() for _ in images], [wanted() for _ in images])
            assert all(np.isnan(value) for value in result.numbers.values())
            assert result.class_ap == {}
            assert result.precision.shape == (10, 101, 0, 4, 3) and result.recall.shape == (10, 0, 4, 3)

    def test_a_class_without_objects_is_not_in_the_mean_and_one_without_detections_is(self):
        truth = GroundTruth(np.array([BIG, FAR], float), np.array([1, 2]))
        boxes, scores, _ = found((BIG, 0.9), (BIG, 0.8))
        result = evaluate_coco([(boxes, scores, np.array([1, 7]))], [truth])
        assert result.labels.tolist() == [1, 2, 7]
        assert [result.class_ap[1], result.class_ap[2]] == [1, 0] and np.isnan(result.class_ap[7])
        assert result.ap == 0.5

    def test_it_cannot_be_changed(self):
        with pytest.raises(FrozenInstanceError):
            evaluate_coco([], []).ap = 1.0

    def test_the_table(self):
        result = evaluate_coco([found(((0, 0, 100, 72), 0.9))], [wanted(BIG)])
        lines = str(result).splitlines()
        assert [line.split()[0] for line in lines[1:]] == list(NUMBERS)
        assert lines[1].split() == ["ap", ".50-.95", "all", "100", "0.5000"]
        assert lines[3].split() == ["ap75", ".75", "all", "100", "0.0000"]
        assert lines[4].split()[-1] == "nan"
        assert len({len(line) for line in lines}) == 1

    def test_the_table_of_classes(self):
        truth = GroundTruth(np.array([BIG, FAR], float), np.array([1, 3]))
        table = evaluate_coco([found((BIG, 0.9))], [truth]).class_table(("cat", "dog", "sheep"))
        assert table.splitlines() == ["cat    1.0000", "sheep  0.0000", "ap     0.5000"]
