"""Matching beside six other implementations, and beside a slow twin."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching_scenes import NUMBERS, SCENES, SSD300_PRIORS
from reference_numbers import matched_by_iou
from twins import exact_iou_matrix, forced_pairs, match_matrix

from minissd import boxes, matching

TIE_FREE = np.flatnonzero(NUMBERS["tie_free"]).tolist()
WITH_TIES = np.flatnonzero(~NUMBERS["tie_free"]).tolist()

# Which implementation does what the rule says. From "argmax" on they cannot run without objects (-3).
PEERS = [
    ("bipartite", "caffe"),
    ("bipartite", "ccv"),
    ("argmax", "amd"),
    ("argmax", "tv"),
    ("torchvision", "amd"),
    ("torchvision", "tv"),
    ("argmax", "luf"),
    ("d2l", "d2l"),
]
UNION_EPSILON = {"luf": 1e-5}


def scene_name(case):
    return f"{NUMBERS['case_kind'][case]}-{len(SCENES[case])}"


@functools.cache
def ssd300_overlaps(case):
    return boxes.iou(boxes.cxcywh_to_xyxy(SSD300_PRIORS), SCENES[case])  # (P, G)


def reached(matched_gt, case):
    """The best IoU that each object of a scene has with the priors matched to it, 0 if there is none."""
    overlaps = ssd300_overlaps(case)
    return np.array([overlaps[matched_gt == gt, gt].max(initial=0) for gt in range(len(SCENES[case]))])


class TestOtherImplementations:
    @pytest.mark.parametrize(("rule", "peer"), PEERS)
    @pytest.mark.parametrize("case", TIE_FREE, ids=scene_name)
    def test_ssd300_scene(self, case, rule, peer):
        expected = NUMBERS[f"idx_{peer}"][case]
        if (expected == -3).all():
            expected = np.full(8732, matching.BACKGROUND)
        options = {"rule": rule, "union_epsilon": UNION_EPSILON.get(peer, 0)}
        np.testing.assert_array_equal(matching.match(SCENES[case], SSD300_PRIORS, **options), expected)

    @pytest.mark.parametrize("case", range(len(SCENES)), ids=scene_name)
    def test_caffes_bipartite_stage_alone(self, case):
        """One of the crowd, too, has two equally good priors; the threshold then matches both."""
        over_any_iou = 1.5
        ours = matching.match(SCENES[case], SSD300_PRIORS, iou_threshold=over_any_iou)
        theirs = NUMBERS["idx_caffe_bipartite"][case]
        if case in TIE_FREE and NUMBERS["case_kind"][case] != "crowd":
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_allclose(reached(ours, case), reached(theirs, case), atol=2e-6)
        assert np.bincount(ours[ours >= 0]).max(initial=0) <= 1

    @pytest.mark.parametrize(("rule", "peer"), PEERS)
    @pytest.mark.parametrize("case", range(int(NUMBERS["n_small"])))
    def test_hand_sized_priors(self, case, rule, peer):
        gt_xyxy, priors_cxcywh = NUMBERS[f"small{case}_gts"], NUMBERS[f"small{case}_priors"]
        options = {"rule": rule, "union_epsilon": UNION_EPSILON.get(peer, 0)}
        matched_gt = matching.match(gt_xyxy, priors_cxcywh, **options)
        np.testing.assert_array_equal(matched_gt, NUMBERS[f"small{case}_{peer}"])

    @pytest.mark.parametrize("peer", ["caffe", "ccv"])
    @pytest.mark.parametrize("case", WITH_TIES, ids=scene_name)
    def test_tied_priors_reach_the_same_overlap(self, case, peer):
        """A tiny object ties with many priors; which it gets is rounding, how well it overlaps is not."""
        ours, theirs = matching.match(SCENES[case], SSD300_PRIORS), NUMBERS[f"idx_{peer}"][case]
        assert (ours >= 0).sum() == (theirs >= 0).sum()
        np.testing.assert_allclose(reached(ours, case), reached(theirs, case), atol=2e-6)

    @pytest.mark.parametrize("rule", ["argmax", "torchvision"])
    @pytest.mark.parametrize("peer", ["amd", "tv"])
    @pytest.mark.parametrize("case", WITH_TIES, ids=scene_name)
    def test_tied_priors_of_the_argmax_rules(self, case, peer, rule):
        """Here ties also decide who meets on one prior, and so who is lost: compare who has one in both."""
        ours = reached(matching.match(SCENES[case], SSD300_PRIORS, rule=rule), case)
        theirs = reached(NUMBERS[f"idx_{peer}"][case], case)
        in_both = (ours > 0) & (theirs > 0)
        assert in_both.sum() >= len(SCENES[case]) - 2
        np.testing.assert_allclose(ours[in_both], theirs[in_both], atol=2e-6)


class TestMatrices:
    """Matched by a matrix of IoUs instead of boxes, as peers were made to do."""

    def check(self, iou, rule, expected):
        np.testing.assert_array_equal(match_matrix(iou, rule), expected)  # the slow twin
        matched_gt = matched_by_iou(functools.partial(matching.match, rule=rule), iou)
        np.testing.assert_array_equal(matched_gt, expected)

    @pytest.mark.parametrize(("rule", "peer"), [(r, p) for r, p in PEERS if p not in ("caffe", "luf")])
    @pytest.mark.parametrize("case", range(int(NUMBERS["n_mat"])))
    def test_the_peers_matrices(self, case, rule, peer):
        self.check(NUMBERS[f"mat{case}_iou"], rule, NUMBERS[f"mat{case}_{peer}"])

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            ("bipartite", [0, 2, -1, 1]),
            ("d2l", [0, 2, -1, 1]),
            ("argmax", [1, 2, -1, -1]),
            ("torchvision", [1, 2, -1, -1]),
            ("threshold", [0, 2, -1, -1]),
        ],
    )
    def test_the_matrix_that_loses_an_object(self, rule, expected):
        """Ground truths 0 and 1 both prefer prior 0; the arg-max rule then forgets ground truth 0."""
        iou = np.array(
            [
                [0.5898, 0.4675, 0.0536, 0.2099],
                [0.4566, 0.2781, 0.0106, 0.4372],
                [0.5378, 0.8868, 0.2474, 0.1279],
            ]
        ).T
        self.check(iou, rule, expected)


class TestSlowTwin:
    @pytest.mark.parametrize("rule", matching.RULES)
    @pytest.mark.parametrize("case", range(1, len(SCENES)), ids=scene_name)
    def test_ssd300_scene(self, case, rule):
        matched_gt = matching.match(SCENES[case], SSD300_PRIORS, rule=rule)
        np.testing.assert_array_equal(matched_gt, match_matrix(ssd300_overlaps(case), rule))


# Boxes on a grid of eighths: many exact ties, exact halves, duplicates and boxes that only touch.


def grid_box(side=8):
    ends = st.tuples(st.integers(0, side - 1), st.integers(0, side - 1)).flatmap(
        lambda start: st.tuples(
            *map(st.just, start), st.integers(start[0] + 1, side), st.integers(start[1] + 1, side)
        )
    )
    return ends.map(lambda box: [coordinate / side for coordinate in box])


def grid_boxes(min_count, max_count):
    rows = st.lists(grid_box(), min_size=min_count, max_size=max_count)
    return rows.map(lambda boxes_xyxy: np.array(boxes_xyxy).reshape(-1, 4))


@given(
    grid_boxes(0, 6),
    grid_boxes(1, 10),
    st.sampled_from(list(matching.RULES)),
    st.sampled_from([0.25, 0.3, 0.5, 2]),
    st.booleans(),
)
@settings(max_examples=200)
def test_twin_on_random_boxes_with_ties(gt_xyxy, priors_xyxy, rule, iou_threshold, strict):
    matched_gt = matching.match(gt_xyxy, boxes.xyxy_to_cxcywh(priors_xyxy), iou_threshold, rule, strict)
    expected = match_matrix(exact_iou_matrix(priors_xyxy, gt_xyxy), rule, iou_threshold, strict)
    np.testing.assert_array_equal(matched_gt, expected)


@given(grid_boxes(0, 6), grid_boxes(1, 10), st.sampled_from(list(matching.RULES)))
@settings(max_examples=100)
def test_the_explanation_agrees_with_the_matching(gt_xyxy, priors_xyxy, rule):
    priors_cxcywh = boxes.xyxy_to_cxcywh(priors_xyxy)
    why = matching.explain(gt_xyxy, priors_cxcywh, rule=rule)
    overlaps = exact_iou_matrix(priors_xyxy, gt_xyxy)
    np.testing.assert_array_equal(why.matched_gt, matching.match(gt_xyxy, priors_cxcywh, rule=rule))
    np.testing.assert_allclose(why.best_iou, overlaps.max(axis=1, initial=0), rtol=1e-14)

    forced_by = {prior: gt for gt, prior in forced_pairs(overlaps, rule)}
    for prior in range(len(priors_xyxy)):
        if prior in forced_by:
            expected = matching.FORCED, forced_by[prior]
        elif why.best_iou[prior] >= 0.5:
            expected = matching.OVER_THRESHOLD, why.best_gt[prior]
        else:
            expected = matching.BELOW_THRESHOLD, matching.BACKGROUND
        assert (why.reason[prior], why.matched_gt[prior]) == expected
        if why.best_iou[prior] > 0:
            assert why.best_gt[prior] == overlaps[prior].argmax()  # the lowest on ties
        else:
            assert why.best_gt[prior] == matching.BACKGROUND


@given(grid_boxes(0, 8), grid_boxes(1, 8))
@settings(max_examples=100)
def test_bipartite_uses_each_side_once_and_only_where_boxes_overlap(gt_xyxy, priors_xyxy):
    why = matching.explain(gt_xyxy, boxes.xyxy_to_cxcywh(priors_xyxy))
    overlaps = exact_iou_matrix(priors_xyxy, gt_xyxy)
    forced = np.flatnonzero(why.reason == matching.FORCED)
    by = why.matched_gt[forced]
    assert len(set(by)) == len(by)  # each ground truth forces at most one prior
    assert (overlaps[forced, by] > 0).all()
    # whoever forces nothing has no overlap with any prior that is left
    left = np.setdiff1d(np.arange(len(priors_xyxy)), forced)
    without = np.setdiff1d(np.arange(len(gt_xyxy)), by)
    assert not overlaps[np.ix_(left, without)].any()
    for prior in np.flatnonzero(why.matched_gt >= 0):
        assert overlaps[prior, why.matched_gt[prior]] > 0
