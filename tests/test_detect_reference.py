"""Detection beside other implementations: box for box, and Caffe's golden rows."""

import numpy as np
import pytest
from predictions import logits_of
from reference_numbers import copied_numbers, detection_case

from minissd import boxes, codec
from minissd.config import SSD300_VOC
from minissd.priors import prior_boxes
from minissd.softmax import softmax

SSD300_PRIORS = prior_boxes(SSD300_VOC)


@pytest.fixture(params=["copied cases", "complete"])
def reference(request, shared_numbers):
    """The arrays of the detection reference, and the numbers of the cases in them."""
    if request.param == "complete":
        numbers = shared_numbers("nms")
        return numbers, range(int(numbers["det_n"]))
    numbers = copied_numbers("nms")
    return numbers, numbers["det_cases"]


@pytest.mark.large
class TestOtherImplementations:
    def test_torchvision_without_clipping(self, reference, detect, precision):
        numbers, cases = reference
        for case in cases:
            found = detect(*detection_case(numbers, case), SSD300_PRIORS)[0]
            expected_px = numbers[f"det{case}_noclip_boxes"]
            np.testing.assert_array_equal(found.labels, numbers[f"det{case}_noclip_labels"])
            np.testing.assert_allclose(found.scores, numbers[f"det{case}_noclip_scores"], rtol=precision)
            np.testing.assert_allclose(found.boxes_xyxy * 300, expected_px, rtol=0, atol=1000 * precision)

    def test_torchvision(self, reference, detect, precision):
        """It clips before it suppresses, which replaces one or two of the detections of a crowded image."""
        numbers, cases = reference
        rules = {"clip": True, "max_log_size": np.log(1000 / 16)}
        for case in cases:
            found = detect(*detection_case(numbers, case), SSD300_PRIORS, **rules)[0]
            expected_px = numbers[f"det{case}_boxes"]
            np.testing.assert_array_equal(found.labels, numbers[f"det{case}_labels"])
            np.testing.assert_allclose(found.scores, numbers[f"det{case}_scores"], rtol=precision)
            np.testing.assert_allclose(found.boxes_xyxy * 300, expected_px, rtol=0, atol=1000 * precision)

    def test_clipping_first_changes_the_survivors(self, detect):
        numbers = copied_numbers("nms")
        loc, conf = detection_case(numbers, 1)
        kept, clipped = (detect(loc, conf, SSD300_PRIORS, clip=clip)[0] for clip in (False, True))
        same = set(zip(kept.priors, kept.labels)) & set(zip(clipped.priors, clipped.labels))
        assert len(same) == 199

    def test_amdegroot(self, reference, detect, precision):
        """The best 200 of each class enter the suppression, and of those that pass none is cut off."""
        numbers, cases = reference
        for case in cases:
            found = detect(*detection_case(numbers, case), SSD300_PRIORS, top_k=200, keep_top_k=None)[0]
            counts = np.bincount(found.labels, minlength=21)
            np.testing.assert_array_equal(counts, numbers[f"det{case}_amd_counts"])
            sums = np.bincount(found.labels, found.scores, minlength=21)
            np.testing.assert_allclose(sums, numbers[f"det{case}_amd_score_sum"], rtol=1e-6 + precision)

    def test_dive_into_deep_learning(self, detect):
        """Its example: dogs of .9, .8 and .7 of which only the best is kept, and a cat of .9 beside them."""
        anchors_xyxy = np.array(
            [
                [0.1, 0.08, 0.52, 0.92],
                [0.08, 0.2, 0.56, 0.95],
                [0.15, 0.3, 0.62, 0.91],
                [0.55, 0.2, 0.9, 0.88],
            ]
        )
        conf = logits_of([[0, 0.9, 0.1], [0, 0.8, 0.2], [0, 0.7, 0.3], [0, 0.1, 0.9]])
        priors_cxcywh = boxes.xyxy_to_cxcywh(anchors_xyxy)
        found = detect(np.zeros((1, 4, 4)), conf, priors_cxcywh, iou_threshold=0.5, class_agnostic=True)[0]
        np.testing.assert_array_equal(found.labels[np.argsort(found.priors)], [1, 2])
        np.testing.assert_array_equal(np.sort(found.priors), [0, 3])
        np.testing.assert_allclose(found.scores, 0.9, rtol=1e-6)
        by_class = detect(np.zeros((1, 4, 4)), conf, priors_cxcywh, iou_threshold=0.5)[0]
        assert len(by_class) > 2  # there every dog has a chance to be a cat

    def test_rows_of_caffe(self, reference, detect, precision):
        numbers, cases = reference
        for case in cases:
            found = detect(*detection_case(numbers, case), SSD300_PRIORS)[0]
            order = np.lexsort((-found.scores, found.labels))  # Caffe lists class by class
            rows = np.column_stack([found.labels, found.scores, found.boxes_xyxy])[order]
            expected = numbers[f"det{case}_caffe_rows"]
            np.testing.assert_array_equal(rows[:, 0], expected[:, 0])
            np.testing.assert_allclose(rows[:, 1], expected[:, 1], rtol=0, atol=1e-7 + precision)
            np.testing.assert_allclose(rows[:, 2:], expected[:, 2:], rtol=0, atol=3e-7 + precision)

    def test_candidates(self, reference):
        numbers, cases = reference
        for case in cases:
            probability = softmax(detection_case(numbers, case)[1][0])
            candidates = (probability[:, 1:] > 0.01).sum(axis=0)
            np.testing.assert_array_equal(candidates, numbers[f"det{case}_candidates"])

    def test_the_prior_of_a_detection_decodes_to_its_box_and_score(self, detect, precision):
        numbers = copied_numbers("nms")
        loc, conf = detection_case(numbers, 4)
        found = detect(loc, conf, SSD300_PRIORS)[0]
        assert len(found) > 5
        decoded = codec.decode(loc[0, found.priors], SSD300_PRIORS[found.priors])
        probability = softmax(conf[0, found.priors])
        np.testing.assert_allclose(found.boxes_xyxy, decoded, rtol=0, atol=precision)
        np.testing.assert_allclose(found.scores, probability[range(len(found)), found.labels], rtol=precision)


class TestCaffesGoldenRows:
    """Two images, four priors of side .3, moved by .05 (image 0) and .15 (image 1) towards the centre."""

    PRIORS_CXCYWH = np.array([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]).repeat(2, axis=0)
    PRIORS_CXCYWH = np.hstack([PRIORS_CXCYWH[::2], np.full((4, 2), 0.3)])
    TOWARDS_CENTER = np.array([[1, 1, 0, 0], [-1, 1, 0, 0], [1, -1, 0, 0], [-1, -1, 0, 0]])
    LOC = np.stack([TOWARDS_CENTER * 0.05, TOWARDS_CENTER * 0.15]) / (0.3 * 0.1)
    SCORES = np.array([[1.0, 0.8, 0.6, 0.4], [0.0, 0.2, 0.4, 0.6]])
    CONF = np.concatenate([logits_of(np.column_stack([1 - s, s])) for s in SCORES])

    @pytest.fixture
    def rows(self, detect):
        def rows_of_detections(**options):
            found = detect(self.LOC, self.CONF, self.PRIORS_CXCYWH, -1, 0.1, **options)  # no score threshold
            return [np.column_stack([f.scores, f.boxes_xyxy]) for f in found]

        return rows_of_detections

    def test_all(self, rows, precision):
        first, second = rows()
        expected = [
            [1.0, 0.15, 0.15, 0.45, 0.45],
            [0.8, 0.55, 0.15, 0.85, 0.45],
            [0.6, 0.15, 0.55, 0.45, 0.85],
            [0.4, 0.55, 0.55, 0.85, 0.85],
        ]
        np.testing.assert_allclose(first, expected, atol=precision)
        # neighbours of image 1 overlap by 3/15, the boxes of a diagonal by 1/17
        expected = [[0.6, 0.45, 0.45, 0.75, 0.75], [0.0, 0.25, 0.25, 0.55, 0.55]]
        np.testing.assert_allclose(second, expected, atol=precision)

    def test_top_k_counts_before_the_suppression(self, rows):
        first, second = rows(top_k=2)
        np.testing.assert_allclose(first[:, 0], [1.0, 0.8], rtol=1e-6)
        np.testing.assert_allclose(second[:, 0], [0.6], rtol=1e-6)

    def test_keep_top_k_counts_after_it(self, rows):
        first, second = rows(keep_top_k=2)
        np.testing.assert_allclose(first[:, 0], [1.0, 0.8], rtol=1e-6)
        np.testing.assert_allclose(second[:, 0], [0.6, 0.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("rules", "count"),
    [({}, 400), ({"score_threshold": 0.05}, 0), ({"top_k": 200}, 200)],
    ids=["Caffe", "NVIDIA: score > .05", "qfgaohao: 200 of a class"],
)
def test_thresholds_of_others(rules, count, detect):
    """500 boxes apart, of a probability of 2 percent."""
    place = (np.arange(500) + 0.5) / 500
    priors_cxcywh = np.column_stack([place, place, np.full((500, 2), 1 / 500)])
    conf = np.repeat(logits_of([[0.98, 0.02]]), 500, axis=1)
    found = detect(np.zeros((1, 500, 4)), conf, priors_cxcywh, keep_top_k=None, **rules)[0]
    assert len(found) == count
