"""Detection: every step on its own, and what it takes and returns."""

import inspect

import numpy as np
import pytest
from predictions import ONE_PRIOR, logits_of

from minissd import boxes
from minissd import detect as module
from minissd.detect import Detections
from minissd.errors import InputError


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
