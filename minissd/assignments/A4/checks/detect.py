"""Checks of detection."""

import numpy as np

from minissd.assignments.marking import points

from . import crowd, same_fields, strips

DETECTION = "labels", "priors", "scores", "boxes_xyxy"  # the labels say most of a mistake, so they come first


# -- best_detections ----------------------------------------------------------------------------------------


@points("best_detections", 3)
def test_classes_do_not_suppress_each_other(ask):
    """Two boxes at one place are sure of different classes: both are detected, the surer one first."""
    probability = np.array([[0.1, 0.0, 0.9], [0.2, 0.8, 0.0]])
    found = ask("best_detections", strips(0.0, 0.0), probability, 0.01, 0.45, 400, 200)
    found["labels"].equals([2, 1])
    found["priors"].equals([0, 1])
    found["scores"].is_close([0.9, 0.8])


@points("best_detections", 3)
def test_background_is_not_detected(ask):
    """A box that is sure of the background detects nothing; one that speaks for two classes counts twice."""
    probability = np.array([[0.98, 0.0, 0.02, 0.0], [0.2, 0.1, 0.7, 0.0], [0.1, 0.0, 0.0, 0.9]])
    found = ask("best_detections", strips(0.0, 40.0, 40.0), probability, 0.05, 0.45, 400, 200)
    found["labels"].equals([3, 2, 1])
    found["priors"].equals([2, 1, 1])


@points("best_detections", 2)
def test_score_has_to_be_over_the_threshold(ask):
    """A probability of exactly the threshold is not enough."""
    probability = np.array([[0.5, 0.5], [0.25, 0.75], [0.75, 0.25]])
    found = ask("best_detections", strips(0.0, 20.0, 40.0), probability, 0.5, 0.45, 400, 200)
    found["scores"].is_close([0.75])
    found["boxes_xyxy"].is_close(strips(20.0))


@points("best_detections", 2)
def test_top_k_is_for_each_class(ask):
    """With top_k=2 each class lets its own two best boxes into the suppression."""
    probability = np.array([[0.1, 0.9, 0.0], [0.2, 0.8, 0.0], [0.3, 0.7, 0.0], [0.4, 0.0, 0.6]])
    found = ask("best_detections", strips(0.0, 1.0, 40.0, 80.0), probability, 0.01, 0.45, 2, 200)
    found["priors"].equals([0, 3])
    found["labels"].equals([1, 2])


@points("best_detections", 3)
def test_keep_top_k_is_for_all_classes_together(ask):
    """With keep_top_k=3 the three best detections of all classes remain."""
    probability = np.array([[0.1, 0.9, 0.0], [0.2, 0.8, 0.0], [0.3, 0.0, 0.7], [0.4, 0.0, 0.6]])
    found = ask("best_detections", strips(0.0, 20.0, 40.0, 60.0), probability, 0.01, 0.45, 400, 3)
    found["scores"].is_close([0.9, 0.8, 0.7])
    found["labels"].equals([1, 1, 2])


@points("best_detections", 3)
def test_crowd_of_four_classes(ask, rng, reference):
    """100 boxes at random with four classes, all limits at work."""
    boxes_xyxy, probability = crowd(rng, 100, classes=4)
    options = 0.1, 0.3, 30, 25
    expected = reference.best_detections(boxes_xyxy, probability, *options)
    same_fields(ask("best_detections", boxes_xyxy, probability, *options), expected, DETECTION)


# -- detect -------------------------------------------------------------------------------------------------


@points("detect", 3)
def test_one_prior_sees_an_object(ask):
    """The example of the docstring: one prior is sure of class 2, the other of the background."""
    conf = np.array([[[0.0, 0.0, 9.0], [9.0, 0.0, 0.0]]])
    priors_cxcywh = np.array([[0.5, 0.5, 0.5, 0.5], [0.2, 0.2, 0.1, 0.1]])
    found = ask("detect", np.zeros((1, 2, 4)), conf, priors_cxcywh)[0]
    found["labels"].equals([2])
    found["boxes_xyxy"].is_close([[0.25, 0.25, 0.75, 0.75]])
    found["scores"].is_close([np.exp(9) / (np.exp(9) + 2)])


@points("detect", 3)
def test_offsets_move_the_default_box(ask):
    """An offset of 1 moves the box by a tenth of its width, and one of 5 ln 2 doubles its height."""
    loc = np.array([[[1.0, 0.0, 0.0, 5 * np.log(2)]]])
    priors_cxcywh = np.array([[0.5, 0.5, 0.2, 0.4]])
    found = ask("detect", loc, np.array([[[0.0, 4.0]]]), priors_cxcywh)[0]
    found["boxes_xyxy"].is_close([[0.42, 0.1, 0.62, 0.9]])


@points("detect", 4)
def test_batch_of_two_images(ask, rng, reference):
    """Two images with 40 priors and three classes, with other thresholds and variances."""
    loc, conf = rng.normal(size=(2, 40, 4)), 2 * rng.normal(size=(2, 40, 4))
    priors_cxcywh = rng.uniform(0.2, 0.6, (40, 4))
    options = {"score_threshold": 0.2, "iou_threshold": 0.3, "keep_top_k": 9, "variances": (0.2, 0.4)}
    expected = reference.detect(loc, conf, priors_cxcywh, **options)
    answers = ask("detect", loc, conf, priors_cxcywh, **options).parts(2)
    for answer, found in zip(answers, expected):
        same_fields(answer, found, DETECTION)
