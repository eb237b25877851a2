"""Checks of A4: suppression, detection, average precision."""

import numpy as np

from minissd.assignments.marking import points

DETECTION = "labels", "priors", "scores", "boxes_xyxy"  # the labels say most of a mistake, so they come first
CURVE = "num_objects", "scores", "precision", "recall"


def strips(*starts, length=10.0):
    """Boxes of one length in a row; two of them d apart have an IoU of (length - d) / (length + d)."""
    return np.array([[start, 0.0, start + length, 1.0] for start in starts])


def crowd(rng, count, classes=1):
    """Boxes that overlap a good deal, and probabilities of so many classes of objects and the background."""
    corner, size = rng.uniform(0, 0.6, (count, 2)), rng.uniform(0.1, 0.4, (count, 2))
    logits = rng.normal(size=(count, classes + 1)) * 2
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return np.concatenate([corner, corner + size], axis=1), probability


def same_fields(answer, expected, names):
    """Demand the same of each field; the first that differs is the one that a student is told about."""
    for name in names:
        answer[name].is_close(getattr(expected, name))


# -- nms ----------------------------------------------------------------------------------------------------


@points("nms", 2)
def test_better_box_suppresses_those_that_it_overlaps(ask):
    """The example of the docstring, and the same boxes in another order: the best box comes first."""
    boxes_xyxy = np.array([[0.0, 0.0, 2.0, 1.0], [0.0, 0.0, 1.0, 1.0], [3.0, 0.0, 4.0, 1.0]])
    ask("nms", boxes_xyxy, np.array([0.9, 0.8, 0.7])).equals([0, 2])
    ask("nms", boxes_xyxy, np.array([0.7, 0.8, 0.9])).equals([2, 1])


@points("nms", 3)
def test_overlap_of_exactly_the_threshold_is_kept(ask):
    """Of three boxes the second has an IoU of exactly the threshold with the first, the third more."""
    boxes_xyxy = np.array([[0.0, 0.0, 4.0, 1.0], [0.0, 0.0, 2.0, 1.0], [0.0, 0.0, 3.0, 1.0]])
    ask("nms", boxes_xyxy, np.array([0.9, 0.7, 0.8]), iou_threshold=0.5).equals([0, 1])


@points("nms", 2)
def test_suppressed_box_suppresses_nobody(ask):
    """Of three boxes in a row the first suppresses the second, so the third is safe."""
    ask("nms", strips(0.0, 4.0, 8.0), np.array([0.9, 0.8, 0.7]), iou_threshold=0.4).equals([0, 2])


@points("nms", 2)
def test_every_kept_box_suppresses(ask):
    """A box is suppressed by the first kept box also if others were kept in between."""
    ask("nms", strips(0.0, 30.0, 60.0, 1.0), np.array([0.9, 0.8, 0.7, 0.6])).equals([0, 1, 2])


@points("nms", 2)
def test_top_k_boxes_enter(ask):
    """With top_k=2 only the two best boxes are looked at, and one of them is suppressed."""
    ask("nms", strips(0.0, 1.0, 40.0), np.array([0.9, 0.8, 0.7]), top_k=2).equals([0])


@points("nms", 1)
def test_lower_index_first_on_equal_scores(ask):
    """Of boxes with equal scores the lower index comes first, and suppresses."""
    ask("nms", strips(0.0, 1.0, 40.0, 41.0), np.array([0.5, 0.5, 0.5, 0.6])).equals([3, 0])


@points("nms", 2)
def test_crowd(ask, rng, reference):
    """200 boxes at random."""
    boxes_xyxy, probability = crowd(rng, 200)
    expected = reference.nms(boxes_xyxy, probability[:, 1], 0.3)
    ask("nms", boxes_xyxy, probability[:, 1], 0.3).equals(expected)


# -- suppressed_by ------------------------------------------------------------------------------------------


@points("suppressed_by", 3)
def test_says_which_box_suppressed(ask):
    """Two groups of boxes: each suppressed box names the best of its group by its index, kept ones say -1."""
    boxes_xyxy = strips(1.0, 40.0, 0.0, 41.0, 80.0)
    ask("suppressed_by", boxes_xyxy, np.array([0.7, 0.5, 0.9, 0.8, 0.6])).equals([2, 3, -1, -1, -1])


@points("suppressed_by", 3)
def test_names_the_best_of_the_kept_boxes(ask):
    """A box between two kept ones overlaps both, the better one first; a suppressed box is never named."""
    boxes_xyxy = strips(0.0, 6.0, 3.5, 1.0, 20.0)
    scores = np.array([0.9, 0.8, 0.7, 0.85, 0.1])
    ask("suppressed_by", boxes_xyxy, scores, iou_threshold=0.3).equals([-1, -1, 0, 0, -1])
    ask("suppressed_by", strips(0.0, 4.0, 8.0), np.array([0.9, 0.8, 0.7]), 0.4).equals([-1, 0, -1])


@points("suppressed_by", 2)
def test_boxes_that_top_k_leaves_out(ask):
    """Boxes that top_k leaves out are marked -2, whether they would be kept or not."""
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    ask("suppressed_by", strips(0.0, 1.0, 40.0, 2.0), scores, top_k=2).equals([-1, 0, -2, -2])


@points("suppressed_by", 2)
def test_crowd_names_its_suppressors(ask, rng, reference):
    """200 boxes at random, of which the best 150 enter."""
    boxes_xyxy, probability = crowd(rng, 200)
    expected = reference.suppressed_by(boxes_xyxy, probability[:, 1], 0.3, 150)
    ask("suppressed_by", boxes_xyxy, probability[:, 1], 0.3, 150).equals(expected)


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


# -- average_precision --------------------------------------------------------------------------------------


@points("average_precision", 2)
def test_eleven_points_of_a_curve_that_ends_early(ask):
    """A recall of 0.45 with precision 1/2: five of the eleven recalls are reached; an empty curve gives 0."""
    ask("eleven_point_ap", np.array([0.45]), np.array([0.5])).is_close(5 * 0.5 / 11)
    ask("eleven_point_ap", np.array([0.0, 0.45]), np.array([0.0, 0.5])).is_close(5 * 0.5 / 11)
    ask("eleven_point_ap", np.zeros(0), np.zeros(0)).is_close(0)


@points("average_precision", 3)
def test_recalls_that_are_reached_exactly(ask):
    """Who finds 3 of 5 objects reaches 0.6, so seven of the eleven recalls; likewise 0.3 and 0.7."""
    for found, of in ((3, 5), (3, 10), (7, 10)):
        expected = (found * 10 // of + 1) / 11
        ask("eleven_point_ap", np.array([found / of]), np.array([1.0])).is_close(expected)


@points("average_precision", 2)
def test_best_precision_at_that_recall_or_beyond(ask):
    """Precision rises again after a miss: the better value counts for all lower recalls."""
    recall, precision = np.array([0.0, 0.25, 0.25, 0.5]), np.array([0.0, 0.5, 0.4, 0.8])
    ask("eleven_point_ap", recall, precision).is_close(6 * 0.8 / 11)


@points("average_precision", 1)
def test_area_of_steps(ask):
    """The area under two steps is 0.2 * 1 + 0.5 * 0.5, with nothing behind the last recall."""
    ask("area_ap", np.array([0.2, 0.7]), np.array([1.0, 0.5])).is_close(0.45)


@points("average_precision", 2)
def test_area_under_the_curve_without_teeth(ask):
    """Precision falls and rises again; the valley is filled up from the right."""
    recall, precision = np.array([0.25, 0.25, 0.5, 0.5, 0.75]), np.array([1.0, 0.5, 0.6, 0.5, 0.7])
    ask("area_ap", recall, precision).is_close(0.25 * 1 + 0.5 * 0.7)


@points("average_precision", 2)
def test_curve_of_many_detections(ask, rng, reference):
    """100 detections at random, by both ways."""
    hits = np.cumsum(rng.random(100) < 0.4)
    recall, precision = hits / 50, hits / np.arange(1, 101)
    for name in ("eleven_point_ap", "area_ap"):
        ask(name, recall, precision).is_close(getattr(reference, name)(recall, precision))


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
