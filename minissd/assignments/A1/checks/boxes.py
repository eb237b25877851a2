"""Checks of the forms of boxes, and of their overlap."""

import numpy as np

from minissd.assignments.marking import points

from . import random_boxes

FLOAT32 = 2e-6  # by so much may an overlap be off that was computed in float32


# -- box_forms ----------------------------------------------------------------------------------------------


@points("box_forms", 2)
def test_corners_of_two_boxes(ask):
    """From centres and sizes to corners: half of the width lies on each side of the centre."""
    boxes_cxcywh = [[0.5, 0.4, 0.2, 0.6], [0.25, 0.5, 0.5, 0.125]]
    ask("cxcywh_to_xyxy", boxes_cxcywh).is_close([[0.4, 0.1, 0.6, 0.7], [0.0, 0.4375, 0.5, 0.5625]])


@points("box_forms", 2)
def test_centres_and_sizes_of_two_boxes(ask):
    """From corners to centres and sizes: the centre is the mean of the corners, the size their distance."""
    boxes_xyxy = [[0.1, 0.2, 0.5, 0.3], [0.25, 0.0, 0.5, 1.0]]
    ask("xyxy_to_cxcywh", boxes_xyxy).is_close([[0.3, 0.25, 0.4, 0.1], [0.375, 0.5, 0.25, 1.0]])


@points("box_forms", 2)
def test_any_number_of_axes(ask, rng, reference):
    """The four numbers are the last axis, for one box as for a batch of boxes; float32 stays float32."""
    for shape in (), (2, 3):
        boxes_xyxy = random_boxes(rng, *shape).astype(np.float32)
        boxes_cxcywh = reference.xyxy_to_cxcywh(boxes_xyxy)
        ask("xyxy_to_cxcywh", boxes_xyxy).is_close(boxes_cxcywh).has(dtype=np.float32)
        ask("cxcywh_to_xyxy", boxes_cxcywh).is_close(boxes_xyxy, rtol=1e-5).has(dtype=np.float32)


@points("box_forms", 2)
def test_there_and_back(ask, rng, reference):
    """A thousand boxes come back as they were."""
    boxes_xyxy = random_boxes(rng, 1000)
    boxes_cxcywh = ask("xyxy_to_cxcywh", boxes_xyxy).is_close(reference.xyxy_to_cxcywh(boxes_xyxy)).value
    ask("cxcywh_to_xyxy", boxes_cxcywh).is_close(boxes_xyxy)


# -- iou ----------------------------------------------------------------------------------------------------


@points("iou", 3)
def test_two_squares_that_share_a_quarter(ask):
    """Two squares of side 2 that share a unit square have IoU 1/7."""
    ask("iou", [[0.0, 0.0, 2.0, 2.0]], [[1.0, 1.0, 3.0, 3.0]]).is_close([[1 / 7]])


@points("iou", 3)
def test_every_box_with_every_box(ask):
    """Row i and column j hold the IoU of box i of the first array and box j of the second."""
    a_xyxy = [[0.0, 0.0, 4.0, 2.0], [2.0, 0.0, 4.0, 4.0]]
    b_xyxy = [[0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 4.0, 2.0], [0.0, 0.0, 4.0, 4.0]]
    ask("iou", a_xyxy, b_xyxy).is_close([[1 / 2, 1 / 2, 1 / 2], [0, 1 / 2, 1 / 2]])


@points("iou", 3)
def test_boxes_apart_share_nothing(ask):
    """Boxes that are apart have IoU 0: in x, in y, and in both."""
    b_xyxy = [[2.0, 2.0, 3.0, 3.0], [3.0, 0.0, 4.0, 1.0], [0.0, 2.0, 1.0, 3.0], [0.0, 0.0, 1.0, 2.0]]
    ask("iou", [[0.0, 0.0, 1.0, 1.0]], b_xyxy).is_close([[0, 0, 0, 1 / 2]])


@points("iou", 2)
def test_small_boxes(ask):
    """A box and its half have IoU 1/2, however small they are: nothing is added to sides or areas."""
    b_xyxy = [[0.5, 0.5, 0.52, 0.51], [0.5, 0.5, 0.52, 0.52]]
    hint = "Is a small number added to the union, against a division by 0? Ask where the union is 0 instead."
    ask("iou", [[0.5, 0.5, 0.52, 0.52]], b_xyxy).is_close([[1 / 2, 1]], atol=FLOAT32, hint=hint)


@points("iou", 2)
def test_empty_boxes_and_touching_boxes(ask):
    """A box without area has IoU 0, also with another one; boxes that only touch share nothing."""
    a_xyxy = [[0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.5, 0.5]]
    b_xyxy = [[0.25, 0.25, 0.25, 0.25], [0.5, 0.0, 1.0, 0.5], [0.0, 0.0, 0.5, 0.25]]
    ask("iou", a_xyxy, b_xyxy).is_close([[0, 0, 0], [0, 0, 1 / 2]])


@points("iou", 3)
def test_many_boxes(ask, rng, reference):
    """All IoUs of 400 boxes and 30 boxes, and an array without columns if there are no boxes."""
    a_xyxy, b_xyxy = random_boxes(rng, 400), random_boxes(rng, 30)
    ask("iou", a_xyxy, b_xyxy).is_close(reference.iou(a_xyxy, b_xyxy), atol=FLOAT32)
    ask("iou", a_xyxy, np.zeros((0, 4))).has(shape=(400, 0))
