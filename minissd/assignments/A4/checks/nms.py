"""Checks of non-maximum suppression."""

import numpy as np

from minissd.assignments.marking import points

from . import crowd, strips

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
