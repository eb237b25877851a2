"""Suppression sixteen boxes at a time: the same as one by one, wherever float32 alone would be wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minissd.kernels import suppression
from minissd.nms import nms, suppress_one_by_one


def both_ways(boxes_xyxy, order, iou_threshold):
    results = []
    for suppress in (suppression.suppress, suppress_one_by_one):
        suppressor = np.full(len(boxes_xyxy), -2)
        suppress(np.ascontiguousarray(boxes_xyxy, np.float64), order, iou_threshold, suppressor)
        results.append(suppressor)
    return results


def assert_same_both_ways(boxes_xyxy, order, iou_threshold):
    fast, slow = both_ways(boxes_xyxy, order, float(iou_threshold))
    np.testing.assert_array_equal(fast, slow)
    return fast


def random_boxes(rng, count, size=0.3):
    corner = rng.random((count, 2))
    return np.hstack([corner, corner + rng.uniform(0.01, size, (count, 2))])


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 33, 600])
@pytest.mark.parametrize("iou_threshold", [-0.5, 0.0, 0.3, 0.45, 1.0])
def test_random_boxes(count, iou_threshold, rng):
    assert_same_both_ways(random_boxes(rng, count), rng.permutation(count), iou_threshold)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 300, 1e9, 1e30])
@pytest.mark.parametrize("offset", [0, 1, 1e5])
def test_any_unit_and_origin(scale, offset, rng):
    """Far from the origin, float32 does not know the edges of a small box any more."""
    kept = assert_same_both_ways((random_boxes(rng, 300) + offset) * scale, np.arange(300), 0.45)
    assert 50 < (kept == -1).sum() < 300


@given(
    st.integers(0, 2**32 - 1), st.sampled_from([1 / 4, 1 / 3, 1 / 2, 3 / 5]), st.sampled_from([1, 1 / 3, 0.1])
)
@settings(max_examples=60)
def test_overlaps_at_exactly_the_threshold(seed, iou_threshold, unit):
    """Boxes on a grid have many IoUs like 1/3, and thirds and tenths are rounded."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 8, (60, 2))
    boxes_xyxy = np.hstack([corner, corner + rng.integers(0, 5, (60, 2))]) * unit
    assert_same_both_ways(boxes_xyxy, rng.permutation(60), iou_threshold)


def test_thresholds_a_hair_apart(rng):
    """With the very IoU of a pair as the threshold both are kept; with the float before it, one."""
    boxes_xyxy = np.array([[0.1, 0.1, 0.52, 0.92], [0.13, 0.2, 0.56, 0.95]])
    exact = 0.39 * 0.72 / (0.42 * 0.82 + 0.43 * 0.75 - 0.39 * 0.72)
    candidates = exact + np.arange(-8, 9) * np.spacing(exact)
    counts = [len(nms(boxes_xyxy, np.array([0.9, 0.8]), threshold)) for threshold in candidates]
    assert counts == sorted(counts)
    assert set(counts) == {1, 2}
    for threshold in candidates:
        assert_same_both_ways(boxes_xyxy, np.arange(2), threshold)


def test_boxes_that_are_empty_reversed_or_no_numbers(rng):
    boxes_xyxy = random_boxes(rng, 80)
    boxes_xyxy[3, 2] = boxes_xyxy[3, 0]
    boxes_xyxy[5] = boxes_xyxy[5, [2, 3, 0, 1]]  # both sides negative: the product of the sides is positive
    boxes_xyxy[6] = boxes_xyxy[6, [2, 1, 0, 3]]
    boxes_xyxy[7:9] = boxes_xyxy[5]
    boxes_xyxy[10, 1], boxes_xyxy[11, 2], boxes_xyxy[12, 0], boxes_xyxy[13] = np.nan, np.inf, -np.inf, np.nan
    boxes_xyxy[14] = [-np.inf, -np.inf, np.inf, np.inf]
    assert_same_both_ways(boxes_xyxy, rng.permutation(80), 0.45)


def test_areas_too_small_or_too_large_for_float32(rng):
    for scale in (1e-25, 1e-170, 1e25, 1e160):
        assert_same_both_ways(random_boxes(rng, 80) * scale, np.arange(80), 0.45)


def test_only_the_boxes_in_the_order_count(rng):
    boxes_xyxy = np.tile([0.0, 0.0, 1.0, 1.0], (40, 1))
    suppressor = assert_same_both_ways(boxes_xyxy, np.array([7, 3, 30]), 0.5)
    assert suppressor[[7, 3, 30]].tolist() == [-1, 7, 7]
    assert (np.delete(suppressor, [7, 3, 30]) == -2).all()


@pytest.mark.parametrize("offset", [0, 30, 1000, 3e4, 1e6])
@pytest.mark.parametrize("hair", [-1e-9, 1e-9])
def test_pairs_a_hair_above_or_below_the_threshold(offset, hair, rng):
    """Float32 cannot tell, the less so the farther away they are: none may be missed."""
    width, threshold = rng.uniform(0.5, 2, 400), 0.45
    shift = width * (1 - threshold) / (1 + threshold) * (1 - hair)  # IoU = (width - shift) / (width + shift)
    x, y = offset + 10 * np.arange(400) + rng.random(400), offset + rng.random(400)
    first, second = (np.column_stack([x + s, y, x + s + width, y + 1]) for s in (0, shift))
    suppressor = assert_same_both_ways(np.vstack([first, second]), np.arange(800), threshold)
    assert (suppressor[:400] == -1).all()
    np.testing.assert_array_equal(suppressor[400:], np.arange(400) if hair > 0 else -1)
