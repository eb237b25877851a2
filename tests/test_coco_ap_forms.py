"""What goes into COCO's evaluation and what comes out of it."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from coco_sets import BIG, FAR, check_number, drawn_set, found, wanted

from minissd.coco_result import NUMBERS
from minissd.data.sample import Sample
from minissd.detect import Detections
from minissd.errors import InputError
from minissd.evaluate import GroundTruth, evaluate_coco


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
