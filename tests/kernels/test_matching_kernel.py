"""Matching in blocks against matching on the IoU matrix, which must agree to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minissd import boxes, matching
from minissd.config import SSD300_VOC, SSD512_VOC
from minissd.kernels.matching import BLOCK, RULES
from minissd.priors import prior_boxes

SSD300_PRIORS = prior_boxes(SSD300_VOC)


def scene(rng, count, smallest=0.02, largest=0.5):
    start = rng.uniform(0, 0.9, (count, 2))
    return np.hstack([start, start + rng.uniform(smallest, largest, (count, 2))])


def assert_the_same(gt_xyxy, priors_cxcywh, rule, iou_threshold=0.5):
    fast = matching.best_overlaps(gt_xyxy, priors_cxcywh, rule)
    slow = matching.best_overlaps_by_matrix(gt_xyxy, priors_cxcywh, rule)
    for ours, expected in zip(fast, slow):
        np.testing.assert_array_equal(ours, expected)
        assert ours.dtype == expected.dtype
    for strict in (False, True):
        matched_gt = matching.match(gt_xyxy, priors_cxcywh, iou_threshold, rule, strict)
        why = matching.explain(gt_xyxy, priors_cxcywh, iou_threshold, rule, strict)
        np.testing.assert_array_equal(matched_gt, why.matched_gt)
        assert matched_gt.dtype == np.int64


@pytest.mark.parametrize("rule", RULES)
class TestTheNetworksPriors:
    @pytest.mark.parametrize("count", [0, 1, 2, 7, 25, 200])
    def test_ssd300(self, rng, rule, count):
        assert_the_same(scene(rng, count), SSD300_PRIORS, rule)

    def test_ssd512(self, rng, rule):
        assert_the_same(scene(rng, 12), prior_boxes(SSD512_VOC), rule, iou_threshold=0.35)

    def test_small_objects_in_a_corner(self, rng, rule):
        assert_the_same(scene(rng, 20, 0.001, 0.03) / 4, SSD300_PRIORS, rule)

    def test_a_crowd_that_wants_the_same_priors(self, rng, rule):
        crowd = np.array([0.3, 0.3, 0.7, 0.7]) + rng.uniform(-0.01, 0.01, (60, 4))
        assert_the_same(crowd, SSD300_PRIORS, rule)

    def test_the_same_object_forty_times(self, rule):
        assert_the_same(np.tile([0.21, 0.3, 0.55, 0.8], (40, 1)), SSD300_PRIORS, rule)

    def test_objects_that_are_priors(self, rng, rule):
        chosen = rng.choice(len(SSD300_PRIORS), 30, replace=False)
        assert_the_same(boxes.cxcywh_to_xyxy(SSD300_PRIORS[chosen]), SSD300_PRIORS, rule)

    def test_objects_without_area_outside_or_inside_out(self, rule):
        gt_xyxy = np.array(
            [
                [0.5, 0.5, 0.5, 0.5],  # a point
                [0.2, 0.5, 0.8, 0.5],  # a line
                [0.8, 0.8, 0.2, 0.2],  # inside out
                [2.0, 2.0, 3.0, 3.0],  # outside
                [-5.0, -5.0, 5.0, 5.0],  # around everything
                [0.1, 0.1, 0.1 + 1e-7, 0.9],  # IoU below MIN_OVERLAP
                [0.1, 0.1, 0.4, 0.4],
            ]
        )
        assert_the_same(gt_xyxy, SSD300_PRIORS, rule)

    @pytest.mark.parametrize("size", [1e-300, 1e-160, 1e-9, 1e12, 1e150])
    def test_sizes_at_the_end_of_the_range(self, rng, rule, size):
        """Areas that underflow to 0 make 0 / 0, which is no overlap and no error either."""
        assert_the_same(scene(rng, 5) * size, SSD300_PRIORS[-500:] * size, rule)


@pytest.mark.parametrize("count", [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 5])
@pytest.mark.parametrize("rule", RULES)
def test_blocks_that_are_not_full(rng, rule, count):
    priors_cxcywh = boxes.xyxy_to_cxcywh(scene(rng, count))
    for num_gt in (0, 1, 5, 40):
        assert_the_same(scene(rng, num_gt), priors_cxcywh, rule, iou_threshold=0.2)


@pytest.mark.parametrize("rule", RULES)
def test_equal_priors_in_different_blocks(rule):
    """Four distinct priors over and over: among equals the lowest, even where it is blocks away."""
    four = np.array([[0.5, 0.5, 0.4, 0.4], [0.5, 0.5, 0.4, 0.2], [0.3, 0.5, 0.4, 0.4], [0.9, 0.9, 0.1, 0.1]])
    gt_xyxy = np.tile([[0.3, 0.3, 0.7, 0.7], [0.3, 0.4, 0.7, 0.6]], (30, 1))
    assert_the_same(gt_xyxy, np.tile(four, (BLOCK, 1)), rule)


def test_the_bipartite_rule_never_takes_what_fills_up_a_block():
    one_prior, five_objects = np.array([[0.5, 0.5, 0.5, 0.5]]), np.tile([0.2, 0.2, 0.8, 0.8], (5, 1))
    _, _, forced_prior = matching.best_overlaps(five_objects, one_prior)
    np.testing.assert_array_equal(forced_prior, [0, -1, -1, -1, -1])


def test_a_prior_that_is_no_box_spoils_no_neighbour():
    priors_cxcywh = boxes.xyxy_to_cxcywh(scene(np.random.default_rng(0), 3 * BLOCK))
    broken = np.array([0, 5, BLOCK, 2 * BLOCK + 7, 3 * BLOCK - 1])
    gt_xyxy = scene(np.random.default_rng(1), 6)
    for column in range(4):
        spoilt = priors_cxcywh.copy()
        spoilt[broken, column] = np.nan
        with np.errstate(invalid="ignore"):
            assert_the_same(gt_xyxy, spoilt, "bipartite", 0.1)
        assert (matching.match(gt_xyxy, spoilt, 0.0)[broken] == matching.BACKGROUND).all()


# Random boxes; on the grid of eighths there are many ties, duplicates and boxes that only touch.


def random_boxes(coordinate, min_count, max_count):
    rows = st.lists(st.tuples(*[coordinate] * 4), min_size=min_count, max_size=max_count)
    return rows.map(lambda rows: np.array(rows, dtype=np.float64).reshape(-1, 4))


def in_order(boxes_xyxy):
    return np.hstack(
        [np.minimum(*np.split(boxes_xyxy, 2, axis=1)), np.maximum(*np.split(boxes_xyxy, 2, axis=1))]
    )


rules = st.sampled_from(list(RULES))
thresholds = st.sampled_from([0, 0.3, 0.5, 1, 2])
on_a_grid = st.integers(0, 8).map(lambda number: number / 8)
anywhere = st.floats(-0.5, 1.5, width=16) | st.floats(0, 1)


@given(random_boxes(on_a_grid, 0, 12), random_boxes(on_a_grid, 1, 80), rules, thresholds)
@settings(max_examples=150)
def test_boxes_on_a_grid(gt_xyxy, priors_xyxy, rule, iou_threshold):
    assert_the_same(in_order(gt_xyxy), boxes.xyxy_to_cxcywh(in_order(priors_xyxy)), rule, iou_threshold)


@given(random_boxes(anywhere, 0, 12), random_boxes(anywhere, 1, 80), rules, thresholds)
@settings(max_examples=150)
def test_any_boxes_and_some_that_are_none(gt_xyxy, priors_cxcywh, rule, iou_threshold):
    """Corners in any order, sizes of any sign: what is inside out overlaps nothing."""
    assert_the_same(gt_xyxy, priors_cxcywh, rule, iou_threshold)


@pytest.mark.parametrize("rule", RULES)
def test_a_batch_is_matched_image_by_image(rng, rule):
    images = [scene(rng, count) for count in (3, 0, 1, 25, 7)]
    matched_gt = matching.match_batch(images, SSD300_PRIORS, 0.4, rule)
    expected = [matching.match(gt_xyxy, SSD300_PRIORS, 0.4, rule) for gt_xyxy in images]
    np.testing.assert_array_equal(matched_gt, expected)
    assert matched_gt.dtype == np.int64


@pytest.mark.parametrize("options", [{"strict": True}, {"rule": "d2l"}, {"union_epsilon": 1e-5}])
def test_a_batch_with_options_is_matched_image_by_image(rng, options):
    images = [scene(rng, count) for count in (3, 0, 12)]
    matched_gt = matching.match_batch(images, SSD300_PRIORS, 0.4, **options)
    expected = [matching.match(gt_xyxy, SSD300_PRIORS, 0.4, **options) for gt_xyxy in images]
    np.testing.assert_array_equal(matched_gt, expected)


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="strikt"):
        matching.match_batch([np.zeros((0, 4))], SSD300_PRIORS, strikt=False)


def test_a_batch_of_no_images():
    assert matching.match_batch([], SSD300_PRIORS).shape == (0, len(SSD300_PRIORS))


def test_a_rule_of_ones_own_matches_a_batch(monkeypatch, rng):
    monkeypatch.setitem(matching.RULES, "nobody", lambda iou: np.full(iou.shape[1], -1))
    images = [scene(rng, 4), scene(rng, 2)]
    matched_gt = matching.match_batch(images, SSD300_PRIORS, rule="nobody")
    np.testing.assert_array_equal(matched_gt, matching.match_batch(images, SSD300_PRIORS, rule="threshold"))
