"""Checks of the evaluation."""

import numpy as np

from minissd.assignments.marking import points

from . import crowd, same_fields, strips

CURVE = "num_objects", "scores", "precision", "recall"


# -- judge --------------------------------------------------------------------------------------------------

NOT_DIFFICULT = np.array([False])


@points("judge", 2)
def test_found_found_again_and_missed(ask):
    """The example of the docstring: an object is found, found again, and missed."""
    ask("judge", strips(0.0, 1.0, 5.0), strips(0.0), NOT_DIFFICULT).equals([1, 0, 0])


@points("judge", 2)
def test_overlap_of_exactly_the_threshold_is_a_find(ask):
    """An IoU of exactly the threshold is enough, a lower one is not."""
    boxes_xyxy = np.array([[0.0, 0.0, 4.0, 1.0], [20.0, 0.0, 22.0, 1.0]])
    gt_xyxy = np.array([[0.0, 0.0, 2.0, 1.0], [20.0, 0.0, 25.0, 1.0]])
    ask("judge", boxes_xyxy, gt_xyxy, np.array([False, False])).equals([1, 0])


@points("judge", 3)
def test_second_detection_is_not_handed_on(ask):
    """Both detections overlap the left object best; the second is wrong although the right one is free."""
    ask("judge", strips(0.0, 1.0), strips(0.0, 4.0), np.array([False, False])).equals([1, 0])


@points("judge", 2)
def test_looks_at_the_object_of_greatest_overlap(ask):
    """A detection between two objects claims the one that it overlaps more, not the one listed first."""
    ask("judge", strips(2.0, 0.0), strips(0.0, 3.0), np.array([False, False])).equals([1, 1])


@points("judge", 2)
def test_difficult_objects_are_ignored(ask):
    """All detections of a difficult object are ignored, those of others count, and misses are wrong."""
    boxes_xyxy, gt_xyxy = strips(0.0, 1.0, 40.0, 80.0), strips(0.0, 40.0)
    ask("judge", boxes_xyxy, gt_xyxy, np.array([True, False])).equals([-1, -1, 1, 0])


@points("judge", 1)
def test_image_without_objects(ask):
    """Where there is no object every detection is wrong; without detections there is nothing to say."""
    nothing, no_flags = np.zeros((0, 4)), np.zeros(0, bool)
    ask("judge", strips(0.0, 1.0), nothing, no_flags).equals([0, 0])
    ask("judge", nothing, strips(0.0), NOT_DIFFICULT).has(shape=(0,))
    ask("judge", strips(0.0), strips(0.0), NOT_DIFFICULT).equals([1])


@points("judge", 2)
def test_crowd_is_judged(ask, rng, reference):
    """60 detections of 12 objects at random, some of them difficult."""
    (boxes_xyxy, _), (gt_xyxy, _) = crowd(rng, 60), crowd(rng, 12)
    difficult = np.arange(12) % 4 == 0
    expected = reference.judge(boxes_xyxy, gt_xyxy, difficult, 0.3)
    ask("judge", boxes_xyxy, gt_xyxy, difficult, 0.3).equals(expected)


# -- precision_recall ---------------------------------------------------------------------------------------


def image(starts, scores, labels):
    """Detections of an image."""
    return strips(*starts), np.array(scores), np.array(labels)


def truth(starts, labels, difficult=None):
    """Objects of an image."""
    flags = np.zeros(len(labels), bool) if difficult is None else np.array(difficult)
    return strips(*starts), np.array(labels), flags


def set_of_images(rng, images=6, classes=3):
    """Detections and objects at random; each detection is an object that was moved a little, or nothing."""
    detections, truths = [], []
    for _ in range(images):
        gt_xyxy, labels = crowd(rng, 5)[0], rng.integers(1, classes + 1, 5)
        moved = np.concatenate([gt_xyxy + rng.normal(size=(5, 4)) * 0.03, gt_xyxy, crowd(rng, 3)[0]])
        named = np.concatenate([labels, labels, rng.integers(1, classes + 1, 3)])
        detections.append((moved, rng.permutation(1000)[:13] / 1000, named))
        truths.append((gt_xyxy, labels, rng.random(5) < 0.2))
    return detections, truths


@points("precision_recall", 4)
def test_detections_of_all_images_are_ranked_together(ask):
    """The example of the docstring: the hit in the second image is surer than the miss in the first."""
    detections = [image([50], [0.6], [1]), image([0], [0.7], [1])]
    curve = ask("precision_recall", detections, [truth([0], [1])] * 2, 1)
    curve["scores"].is_close([0.7, 0.6])
    curve["precision"].is_close([1, 0.5])
    curve["recall"].is_close([0.5, 0.5])
    curve["num_objects"].equals(2)


@points("precision_recall", 2)
def test_surer_detection_claims_the_object(ask):
    """Of two detections of an object the surer one is right, also if it comes last in the list."""
    detections = [image([1, 40, 0], [0.5, 0.6, 0.9], [1, 1, 1])]
    curve = ask("precision_recall", detections, [truth([0, 40], [1, 1])], 1)
    curve["precision"].is_close([1, 1, 2 / 3])
    curve["recall"].is_close([0.5, 1, 1])


@points("precision_recall", 2)
def test_difficult_objects_leave_no_trace(ask):
    """A difficult object is not counted, nor is its detection; what was never detected is counted."""
    detections = [image([0, 40], [0.9, 0.8], [1, 1])]
    curve = ask("precision_recall", detections, [truth([0, 40, 80], [1, 1, 1], [True, False, False])], 1)
    curve["num_objects"].equals(2)
    curve["precision"].is_close([1])
    curve["recall"].is_close([0.5])


@points("precision_recall", 2)
def test_other_classes_are_left_aside(ask):
    """A detection of class 2 on an object of class 1 is a false positive of class 2."""
    detections = [image([0, 40], [0.9, 0.8], [2, 2])]
    curve = ask("precision_recall", detections, [truth([0, 40, 80], [1, 2, 1])], 2)
    curve["precision"].is_close([0, 0.5])
    curve["recall"].is_close([0, 1])


@points("precision_recall", 2)
def test_set_of_images(ask, rng, reference):
    """Six images with objects of three classes at random."""
    images = set_of_images(rng)
    expected = reference.precision_recall(*images, 2, 0.6)
    same_fields(ask("precision_recall", *images, 2, 0.6), expected, CURVE)


# -- evaluate_voc -------------------------------------------------------------------------------------------


@points("evaluate_voc", 3)
def test_found_once_of_two_by_both_metrics(ask):
    """The example of the docstring: half of the objects are found, then one of them again."""
    images = [image([0, 0], [0.9, 0.8], [1, 1])], [truth([0, 40], [1, 1])]
    ask("evaluate_voc", *images, metric="area")["ap"].is_close({1: 0.5})
    ask("evaluate_voc", *images)["mAP"].is_close(6 / 11)


@points("evaluate_voc", 3)
def test_class_without_objects_is_no_part_of_the_mean(ask):
    """A class that is detected but has no object, or only difficult ones, has an AP of NaN."""
    detections = [image([0, 40, 80], [0.9, 0.8, 0.7], [1, 3, 4])]
    result = ask("evaluate_voc", detections, [truth([0, 80], [1, 4], [False, True])], metric="area")
    result["ap"].is_close({1: 1.0, 3: float("nan"), 4: float("nan")})
    result["mAP"].is_close(1.0)


@points("evaluate_voc", 3)
def test_class_that_was_never_detected_counts_as_zero(ask):
    """Class 2 has an object that nobody detected: its AP is 0 and halves the mean."""
    result = ask("evaluate_voc", [image([0], [0.9], [1])], [truth([0, 40], [1, 2])], metric="area")
    result["ap"].is_close({1: 1.0, 2: 0.0})
    result["mAP"].is_close(0.5)


@points("evaluate_voc", 3)
def test_set_of_images_by_both_metrics(ask, rng, reference):
    """Six images with objects of three classes at random."""
    images = set_of_images(rng)
    for metric in ("11point", "area"):
        expected = reference.evaluate_voc(*images, 0.6, metric)
        result = ask("evaluate_voc", *images, 0.6, metric)
        result["ap"].is_close(expected.ap)
        result["mAP"].is_close(expected.mAP)
