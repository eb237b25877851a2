"""Boxes: hand-worked overlaps, an exact twin in fractions, and the two forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twins import exact_iou_matrix

from minissd import boxes


@st.composite
def grid_boxes(draw, min_count=1, max_count=6, side=8):
    """Corners on a coarse grid, so that boxes often touch, coincide, nest or are empty."""
    corner = st.integers(0, side)
    rows = st.lists(st.tuples(corner, corner, corner, corner), min_size=min_count, max_size=max_count)
    xyxy = np.array(draw(rows), dtype=float).reshape(-1, 4) / side
    return np.concatenate(
        [np.minimum(xyxy[:, :2], xyxy[:, 2:]), np.maximum(xyxy[:, :2], xyxy[:, 2:])], axis=1
    )


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # Caffe's own test boxes: side by side, sharing .1 x .1 of .02 + .06 - .01
        ((0.2, 0.3, 0.3, 0.5), (0.1, 0.1, 0.3, 0.4), 1 / 7),
        ((0.2, 0.3, 0.3, 0.5), (0.1, 0.1, 0.4, 0.6), 2 / 15),  # nested: .02 / .15
        ((0.1, 0.1, 0.3, 0.3), (0.1, 0.0, 0.4, 0.3), 4 / 9),  # .04 / .09
        ((0.1, 0.1, 0.3, 0.3), (0.0, 0.1, 0.2, 0.3), 1 / 3),  # .02 / .06
        ((0.1, 0.1, 0.3, 0.3), (0.2, 0.1, 0.4, 0.4), 1 / 4),  # .02 / (.04 + .06 - .02)
        ((0.3, 0.3, 0.6, 0.5), (0.2, 0.1, 0.4, 0.4), 1 / 11),  # .01 / (.06 + .06 - .01)
        ((0.3, 0.3, 0.6, 0.5), (0.4, 0.3, 0.7, 0.5), 1 / 2),  # .04 / (.06 + .06 - .04)
        ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0), 1),
        ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), 0),  # they touch along a line
        ((0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0), 0),  # they touch in a point
        ((0.0, 0.0, 0.2, 0.2), (0.6, 0.7, 0.9, 0.9), 0),  # apart in both directions
        ((0.0, 0.0, 2.0, 2.0), (1.0, 1.0, 1.0, 1.0), 0),  # a point inside
        ((1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0), 0),  # two empty boxes: 0, not NaN
    ],
)
def test_iou_by_hand(a, b, expected):
    assert boxes.iou(np.array([a]), np.array([b]))[0, 0] == pytest.approx(expected, abs=1e-15, rel=1e-14)


@given(grid_boxes(), grid_boxes(min_count=0))
def test_iou_equals_its_exact_twin(a_xyxy, b_xyxy):
    overlaps = boxes.iou(a_xyxy, b_xyxy)
    assert overlaps.shape == (len(a_xyxy), len(b_xyxy))
    np.testing.assert_allclose(overlaps, exact_iou_matrix(a_xyxy, b_xyxy), rtol=1e-14)
    np.testing.assert_array_equal(overlaps, boxes.iou(b_xyxy, a_xyxy).T)


def test_iou_has_no_extra_pixel():
    # 20 x 10 and 10 x 10 pixels: 100 / 200. Counting one more pixel per side would give 121 / 231.
    a_px, b_px = np.array([[0.0, 0.0, 20.0, 10.0]]), np.array([[0.0, 0.0, 10.0, 10.0]])
    assert boxes.iou(a_px, b_px)[0, 0] == 0.5


def test_area_of_empty_and_reversed_boxes_is_zero():
    xyxy = np.array([[0, 0, 2, 3], [1, 1, 1, 5], [3, 0, 1, 2], [3, 3, 1, 1]], dtype=float)
    np.testing.assert_array_equal(boxes.area(xyxy), [6, 0, 0, 0])


def test_a_reversed_box_overlaps_nothing():
    reversed_xyxy = np.array([[0.8, 0.8, 0.2, 0.2]])  # both sides negative: their product is positive
    assert boxes.iou(reversed_xyxy, np.array([[0.0, 0.0, 1.0, 1.0]]))[0, 0] == 0


def test_the_two_forms_by_hand():
    xyxy = np.array([[0.125, 0.25, 0.375, 1.0]])
    cxcywh = np.array([[0.25, 0.625, 0.25, 0.75]])
    np.testing.assert_array_equal(boxes.xyxy_to_cxcywh(xyxy), cxcywh)
    np.testing.assert_array_equal(boxes.cxcywh_to_xyxy(cxcywh), xyxy)


@given(grid_boxes())
def test_the_two_forms_are_inverse(xyxy):
    np.testing.assert_array_equal(boxes.cxcywh_to_xyxy(boxes.xyxy_to_cxcywh(xyxy)), xyxy)


def test_clip_cuts_corners():
    xyxy = np.array([[-0.2, 0.3, 1.4, 1.1], [1.2, -3.0, 1.5, -2.0], [0.1, 0.2, 0.3, 0.4]])
    expected = [[0, 0.3, 1, 1], [1, 0, 1, 0], [0.1, 0.2, 0.3, 0.4]]
    np.testing.assert_array_equal(boxes.clip(xyxy), expected)


FUNCTIONS_OF_BOXES = [boxes.cxcywh_to_xyxy, boxes.xyxy_to_cxcywh, boxes.area, boxes.clip]


@pytest.mark.parametrize("function", FUNCTIONS_OF_BOXES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_leading_axes_and_inputs_are_kept(function, dtype, rng):
    batch = rng.uniform(-0.5, 1.5, (2, 3, 5, 4)).astype(dtype)
    before = batch.copy()
    result = function(batch)
    assert result.dtype == dtype
    assert result.shape[:3] == (2, 3, 5)
    np.testing.assert_array_equal(result[1, 2], function(batch[1, 2]))
    np.testing.assert_array_equal(batch, before)


def test_iou_keeps_float32_and_its_inputs(rng):
    a_xyxy, b_xyxy = (
        rng.uniform(0, 1, (3, 4)).astype(np.float32),
        rng.uniform(0, 1, (5, 4)).astype(np.float32),
    )
    before = a_xyxy.copy(), b_xyxy.copy()
    assert boxes.iou(a_xyxy, b_xyxy).dtype == np.float32
    np.testing.assert_array_equal(a_xyxy, before[0])
    np.testing.assert_array_equal(b_xyxy, before[1])
