"""Detection: other implementations box for box, Caffe's golden rows, and every step on its own."""

import inspect

import numpy as np
import pytest
from reference_numbers import copied_numbers, detection_case

from minissd import boxes, codec
from minissd import detect as module
from minissd.config import SSD300_VOC
from minissd.detect import Detections
from minissd.errors import InputError
from minissd.priors import prior_boxes
from minissd.softmax import softmax

SSD300_PRIORS = prior_boxes(SSD300_VOC)
ONE_PRIOR = np.array([[0.5, 0.5, 0.5, 0.5]])


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    """Of the predictions: arrays of float32 take the compiled way or that of the GPU, others the readable."""
    return np.dtype(request.param)


@pytest.fixture
def detect(dtype, backend):
    """`minissd.detect.detect` on predictions of this dtype, on every backend."""

    def detect_as(loc, conf, *arguments, **options):
        loc, conf = (backend.send(array.astype(dtype)) for array in (loc, conf))
        return module.detect(loc, conf, *arguments, **options)

    return detect_as


@pytest.fixture
def precision(dtype):
    """Relative error that rounding may cause."""
    return 1e-12 if dtype == np.float64 else 2e-6


@pytest.fixture(params=["copied cases", "complete"])
def reference(request, shared_numbers):
    """The arrays of the detection reference, and the numbers of the cases in them."""
    if request.param == "complete":
        numbers = shared_numbers("nms")
        return numbers, range(int(numbers["det_n"]))
    numbers = copied_numbers("nms")
    return numbers, numbers["det_cases"]


def logits_of(probabilities):
    """Logits whose softmax gives these probabilities, one row per prior, for a batch of one."""
    probabilities = np.array(probabilities, dtype=float)
    return np.log(probabilities, out=np.full_like(probabilities, -np.inf), where=probabilities > 0)[None]


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


class TestSteps:
    def test_each_class_is_suppressed_alone(self, detect):
        """One prior that is unsure between two classes gives two detections of the same box."""
        found = detect(np.zeros((1, 1, 4)), logits_of([[0.1, 0.4, 0.5]]), ONE_PRIOR)[0]
        np.testing.assert_array_equal(found.labels, [2, 1])
        np.testing.assert_allclose(found.scores, [0.5, 0.4], rtol=1e-6)
        np.testing.assert_array_equal(found.priors, [0, 0])

    def test_the_background_is_never_a_detection(self, detect):
        assert len(detect(np.zeros((1, 1, 4)), logits_of([[0.995, 0.005, 0.0]]), ONE_PRIOR)[0]) == 0

    def test_a_score_must_be_greater_than_the_threshold(self, detect, dtype):
        four_equal_logits = np.zeros((1, 1, 4))  # every probability is exactly 1/4
        below = np.nextafter(dtype.type(0.25), dtype.type(0))
        for threshold, count in ((0.25, 0), (below, 3)):
            found = detect(np.zeros((1, 1, 4)), four_equal_logits, ONE_PRIOR, score_threshold=threshold)[0]
            assert len(found) == count

    def test_of_equal_scores_the_lowest_class_then_the_lowest_prior(self, detect):
        apart = np.array([[0.2, 0.2, 0.2, 0.2], [0.8, 0.8, 0.2, 0.2]])
        found = detect(np.zeros((1, 2, 4)), np.zeros((1, 2, 3)), apart)[0]
        np.testing.assert_array_equal(found.labels, [1, 1, 2, 2])
        np.testing.assert_array_equal(found.priors, [0, 1, 0, 1])

    def test_the_best_of_all_classes_together_are_kept(self, detect):
        apart = np.array([[0.1, 0.1, 0.1, 0.1], [0.5, 0.5, 0.1, 0.1], [0.9, 0.9, 0.1, 0.1]])
        conf = logits_of([[0.1, 0.7, 0.2], [0.1, 0.3, 0.6], [0.5, 0.4, 0.1]])
        found = detect(np.zeros((1, 3, 4)), conf, apart, keep_top_k=3)[0]
        np.testing.assert_allclose(found.scores, [0.7, 0.6, 0.4], rtol=1e-6)
        np.testing.assert_array_equal(found.labels, [1, 2, 1])

    def test_boxes_are_suppressed_before_any_clipping(self, detect):
        """Cut at the border the two would be equal; as they are, their IoU is .05 / .45."""
        over_the_border = boxes.xyxy_to_cxcywh(np.array([[-0.2, 0.0, 0.05, 1.0], [0.0, 0.0, 0.05, 1.0]]))
        found = detect(np.zeros((1, 2, 4)), logits_of([[0.1, 0.9], [0.2, 0.8]]), over_the_border)[0]
        assert len(found) == 2
        assert found.boxes_xyxy[0, 0] == pytest.approx(-0.2)

    def test_clipped_before_the_suppression(self, detect):
        """Of the same two only the first is left, and it ends at the border."""
        over_the_border = boxes.xyxy_to_cxcywh(np.array([[-0.2, 0.0, 0.05, 1.0], [0.0, 0.0, 0.05, 1.0]]))
        conf = logits_of([[0.1, 0.9], [0.2, 0.8]])
        found = detect(np.zeros((1, 2, 4)), conf, over_the_border, clip=True)[0]
        np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, 0.05, 1]], atol=1e-7)

    def test_inclusive_scores(self, detect, dtype):
        four_equal_logits = np.zeros((1, 1, 4))  # every probability is exactly 1/4
        above = np.nextafter(dtype.type(0.25), dtype.type(1))
        for threshold, count in ((0.25, 3), (above, 0)):
            rules = {"score_threshold": threshold, "inclusive_scores": True}
            assert len(detect(np.zeros((1, 1, 4)), four_equal_logits, ONE_PRIOR, **rules)[0]) == count

    def test_inclusive_nms(self, detect):
        """Two boxes whose IoU is exactly 1/2."""
        half_of_it = np.array([[0.5, 0.25, 1.0, 0.5], [0.25, 0.25, 0.5, 0.5]])
        conf = logits_of([[0.1, 0.9], [0.2, 0.8]])
        for inclusive, count in ((False, 2), (True, 1)):
            rules = {"iou_threshold": 0.5, "inclusive_nms": inclusive}
            assert len(detect(np.zeros((1, 2, 4)), conf, half_of_it, **rules)[0]) == count

    def test_sizes_are_limited(self, detect):
        """Offset 50 asks for e^10 times the width; torchvision allows 62.5 times."""
        loc = np.array([[[0, 0, 50.0, 0]]])
        prior_cxcywh = np.array([[0.5, 0.5, 0.01, 0.5]])
        found = detect(loc, logits_of([[0.1, 0.9]]), prior_cxcywh, max_log_size=np.log(62.5))[0]
        np.testing.assert_allclose(found.boxes_xyxy, [[0.5 - 0.3125, 0.25, 0.5 + 0.3125, 0.75]], rtol=1e-6)

    def test_class_agnostic(self, detect):
        """Prior 0 is of class 2 and suppresses prior 1, of class 1, on the same place; prior 2 is weak."""
        priors_cxcywh = np.array([[0.3, 0.3, 0.2, 0.2], [0.3, 0.3, 0.2, 0.2], [0.7, 0.7, 0.2, 0.2]])
        conf = logits_of([[0.1, 0.3, 0.6], [0.4, 0.5, 0.1], [0.9, 0.04, 0.06]])
        loc = np.zeros((1, 3, 4))
        found = detect(loc, conf, priors_cxcywh, class_agnostic=True)[0]
        np.testing.assert_array_equal(found.priors, [0, 2])
        np.testing.assert_array_equal(found.labels, [2, 2])
        np.testing.assert_allclose(found.scores, [0.6, 0.06], rtol=1e-6)
        only_the_strong = detect(loc, conf, priors_cxcywh, score_threshold=0.1, class_agnostic=True)[0]
        np.testing.assert_array_equal(only_the_strong.priors, [0])
        in_each_class = detect(loc, conf, priors_cxcywh, score_threshold=0.1)[0]
        np.testing.assert_array_equal(in_each_class.labels, [2, 1])

    def test_a_deviation_that_is_none(self, detect):
        with pytest.raises(TypeError, match="clipping"):
            detect(np.zeros((1, 1, 4)), np.zeros((1, 1, 4)), ONE_PRIOR, clipping=True)

    def test_variances_are_passed_on(self, detect):
        loc = np.array([[[1.0, 0.0, 0.0, 0.0]]])
        found = detect(loc, logits_of([[0.1, 0.9]]), ONE_PRIOR, variances=(0.5, 0.2))[0]
        np.testing.assert_allclose(found.boxes_xyxy, [[0.5, 0.25, 1.0, 0.75]], rtol=1e-6)


class TestArrays:
    def batch(self, rng, dtype=np.float64):
        loc = rng.normal(size=(3, 50, 4)).astype(dtype)
        conf = rng.normal(size=(3, 50, 5)).astype(dtype) * 2
        priors_cxcywh = np.hstack([rng.random((50, 2)), rng.uniform(0.1, 0.4, (50, 2))])
        return loc, conf, priors_cxcywh

    def test_each_image_is_on_its_own(self, rng, detect):
        loc, conf, priors_cxcywh = self.batch(rng)
        for n, found in enumerate(detect(loc, conf, priors_cxcywh)):
            alone = detect(loc[n : n + 1], conf[n : n + 1], priors_cxcywh)[0]
            for name in ("boxes_xyxy", "scores", "labels", "priors"):
                np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
            assert (np.diff(found.scores) <= 0).all()
            assert len(found) <= 200

    def test_dtypes_and_inputs(self, rng, dtype):
        arrays = self.batch(rng, dtype)
        before = [array.copy() for array in arrays]
        found = module.detect(*arrays)[0]
        assert found.boxes_xyxy.dtype == found.scores.dtype == dtype
        assert found.labels.dtype == found.priors.dtype == np.int64
        for array, original in zip(arrays, before):
            np.testing.assert_array_equal(array, original)

    def test_nothing_found_has_the_shapes_of_something(self, detect):
        found = detect(np.zeros((2, 1, 4)), np.zeros((2, 1, 3)), ONE_PRIOR, score_threshold=0.9)[1]
        assert len(found) == 0
        assert found.boxes_xyxy.shape == (0, 4)
        assert found.scores.shape == found.labels.shape == found.priors.shape == (0,)

    @pytest.mark.parametrize("class_agnostic", [False, True])
    def test_nothing_to_look_at(self, class_agnostic, detect):
        arrays = np.zeros((1, 0, 4)), np.zeros((1, 0, 3)), np.zeros((0, 4))
        assert len(detect(*arrays, class_agnostic=class_agnostic, clip=True)[0]) == 0

    def test_deviations_keep_the_dtype(self, rng, dtype):
        found = module.detect(*self.batch(rng, dtype), clip=True, max_log_size=1.0, class_agnostic=True)[0]
        assert found.boxes_xyxy.dtype == found.scores.dtype == dtype
        assert found.labels.dtype == found.priors.dtype == np.int64
        assert found.boxes_xyxy.min() >= 0 and found.boxes_xyxy.max() <= 1

    def test_no_images(self, detect):
        assert detect(np.zeros((0, 1, 4)), np.zeros((0, 1, 3)), ONE_PRIOR) == []

    def test_select(self):
        found = Detections(np.eye(4), np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 2, 1, 2]), np.arange(4))
        of_class_2 = found.select(found.labels == 2)
        np.testing.assert_array_equal(of_class_2.scores, [0.8, 0.6])
        np.testing.assert_array_equal(of_class_2.priors, [1, 3])
        np.testing.assert_array_equal(found.select([0]).boxes_xyxy, [[1, 0, 0, 0]])

    def test_priors_of_another_model_are_refused(self, detect):
        with pytest.raises(InputError, match="8732 offsets and 8732 class rows for 1 priors"):
            detect(np.zeros((1, 8732, 4)), np.zeros((1, 8732, 21)), ONE_PRIOR)


@pytest.mark.parametrize(
    ("loc", "conf"),
    [
        ((2, 4), (2, 3)),
        ((1, 2, 4), (1, 2, 1)),
        ((1, 2, 3), (1, 2, 3)),
        ((1, 2, 4), (2, 2, 3)),
    ],
    ids=["no batch", "no class", "three offsets", "two batches"],
)
def test_predictions_that_do_not_fit_together_are_refused(loc, conf, detect):
    with pytest.raises(InputError, match="detect: loc of shape"):
        detect(np.zeros(loc), np.zeros(conf), np.full((2, 4), 0.5))


def test_priors_may_be_a_list(detect):
    conf = np.array([[[0.0, 9.0]]])
    (found,) = detect(np.zeros((1, 1, 4)), conf, ONE_PRIOR.tolist())
    np.testing.assert_allclose(found.boxes_xyxy, [[0.25, 0.25, 0.75, 0.75]])


def test_priors_of_another_form_are_refused(detect):
    with pytest.raises(InputError, match=r"priors_cxcywh: shape \(2, 3\)"):
        detect(np.zeros((1, 2, 4)), np.zeros((1, 2, 3)), np.full((2, 3), 0.5))


def test_the_numbers_of_the_papers_inference():
    """Section 3.7 and Caffe's scripts: .01, .45, the best 400 of a class, 200 of an image."""
    defaults = {name: p.default for name, p in inspect.signature(module.detect).parameters.items()}
    expected = {"score_threshold": 0.01, "iou_threshold": 0.45, "top_k": 400, "keep_top_k": 200}
    assert {name: defaults[name] for name in expected} == expected


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
