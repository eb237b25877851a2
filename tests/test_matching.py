"""Matching: golden examples, six other implementations, a slow twin, and every rule's own vice."""

import functools
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_numbers import copied_numbers, matched_by_iou, split
from twins import exact_iou_matrix, forced_pairs, match_matrix

from minissd import boxes, matching
from minissd.config import SSD300_VOC
from minissd.errors import InputError
from minissd.priors import prior_boxes

NUMBERS = copied_numbers("matching")
SSD300_PRIORS = prior_boxes(SSD300_VOC)
SCENES = split(NUMBERS["gts"], NUMBERS["gt_offsets"])
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


class TestByHand:
    GT_XYXY = np.array([[0.1, 0.1, 0.3, 0.3], [0.3, 0.3, 0.6, 0.5]])
    PRIORS_CXCYWH = boxes.xyxy_to_cxcywh(
        np.array(
            [  # IoU with ground truth 0, 1
                [0.1, 0.0, 0.4, 0.3],  # 4/9, 0
                [0.0, 0.1, 0.2, 0.3],  # 1/3, 0
                [0.2, 0.1, 0.4, 0.4],  # 1/4, 1/11
                [0.4, 0.3, 0.7, 0.5],  # 0, 1/2
                [0.5, 0.4, 0.7, 0.7],  # 0, 1/11
                [0.7, 0.7, 0.8, 0.8],  # 0, 0
            ]
        )
    )

    @pytest.mark.parametrize(
        ("iou_threshold", "expected"),
        [
            (2, [0, -1, -1, 1, -1, -1]),  # forced only
            (0.3, [0, 0, -1, 1, -1, -1]),
            (0.001, [0, 0, 0, 1, 1, -1]),
            (0, [0, 0, 0, 1, 1, -1]),  # no overlap is no match, whatever the threshold
        ],
    )
    def test_caffes_golden_boxes(self, iou_threshold, expected):
        matched_gt = matching.match(self.GT_XYXY, self.PRIORS_CXCYWH, iou_threshold)
        np.testing.assert_array_equal(matched_gt, expected)

    def test_sentences(self):
        why = matching.explain(self.GT_XYXY, self.PRIORS_CXCYWH, 0.3)
        assert why.describe(0) == "prior 0: forced by ground truth 0 (best IoU 0.444 with ground truth 0)"
        assert why.describe(1) == "prior 1: matched, best IoU 0.333 with ground truth 0 >= 0.3"
        assert why.describe(2) == "prior 2: background, best IoU 0.250 with ground truth 0, threshold 0.3"
        assert why.describe(5) == "prior 5: background, overlaps no ground truth, threshold 0.3"

    def test_dog_and_cat_of_dive_into_deep_learning(self):
        dog_and_cat = np.array([[0.1, 0.08, 0.52, 0.92], [0.55, 0.2, 0.9, 0.88]])
        anchors_xyxy = np.array(
            [
                [0.0, 0.1, 0.2, 0.3],
                [0.15, 0.2, 0.4, 0.4],
                [0.63, 0.05, 0.88, 0.98],
                [0.66, 0.45, 0.8, 0.8],
                [0.57, 0.3, 0.92, 0.9],
            ]
        )
        matched_gt = matching.match(dog_and_cat, boxes.xyxy_to_cxcywh(anchors_xyxy))
        np.testing.assert_array_equal(matched_gt + 1, [0, 1, 2, 0, 2])  # background, dog, cat


class TestConflict:
    """Two objects want prior 0. All boxes are one high, so an IoU is a ratio of lengths."""

    PRIORS_CXCYWH = boxes.xyxy_to_cxcywh(np.array([[0.0, 0, 4, 1], [2.0, 0, 6, 1]]))
    #                     IoU with prior 0, 1
    LONG = (0.0, 0, 4, 1)  # 4/4, 2/6
    SHORT = (1.0, 0, 4, 1)  # 3/4, 2/5

    @pytest.mark.parametrize("rule", ["argmax", "torchvision"])
    def test_the_last_wins_and_the_other_is_lost(self, rule):
        matched_gt = matching.match(np.array([self.LONG, self.SHORT]), self.PRIORS_CXCYWH, rule=rule)
        np.testing.assert_array_equal(matched_gt, [1, -1])
        matched_gt = matching.match(np.array([self.SHORT, self.LONG]), self.PRIORS_CXCYWH, rule=rule)
        np.testing.assert_array_equal(matched_gt, [1, -1])  # the order of the objects decides

    def test_bipartite_gives_each_its_own(self):
        matched_gt = matching.match(np.array([self.LONG, self.SHORT]), self.PRIORS_CXCYWH)
        np.testing.assert_array_equal(matched_gt, [0, 1])
        matched_gt = matching.match(np.array([self.SHORT, self.LONG]), self.PRIORS_CXCYWH)
        np.testing.assert_array_equal(matched_gt, [1, 0])

    def test_threshold_alone_does_not_learn_the_second(self):
        matched_gt = matching.match(np.array([self.LONG, self.SHORT]), self.PRIORS_CXCYWH, rule="threshold")
        np.testing.assert_array_equal(matched_gt, [0, -1])

    def test_the_sentence_names_both(self):
        why = matching.explain(np.array([self.LONG, self.SHORT]), self.PRIORS_CXCYWH, rule="argmax")
        assert why.describe(0) == "prior 0: forced by ground truth 1 (best IoU 1.000 with ground truth 0)"

    def test_a_forced_match_overrides_a_better_one(self):
        """Both priors overlap the long object best (9/10, 8/9), but the short one must have one, too."""
        priors_cxcywh = boxes.xyxy_to_cxcywh(np.array([[0.0, 0, 10, 1], [0.0, 0, 8, 1]]))
        long_and_short = np.array([[0.0, 0, 9, 1], [0.0, 0, 2, 1]])
        np.testing.assert_array_equal(matching.match(long_and_short, priors_cxcywh), [0, 1])


class TestStrict:
    """A square is a prior and an object; its left half is the other prior, and overlaps it by exactly .5."""

    PRIORS_CXCYWH = boxes.xyxy_to_cxcywh(np.array([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.25, 0.5]]))
    GT_XYXY = np.array([[0.0, 0.0, 0.5, 0.5]])

    @pytest.mark.parametrize("rule", matching.RULES)
    def test_more_than_the_threshold(self, rule):
        """The paper's "higher than"; Caffe's is >=."""
        for strict, expected in ((False, [0, 0]), (True, [0, -1])):
            why = matching.explain(self.GT_XYXY, self.PRIORS_CXCYWH, rule=rule, strict=strict)
            np.testing.assert_array_equal(why.matched_gt, expected)
            matched_gt = matching.match(self.GT_XYXY, self.PRIORS_CXCYWH, rule=rule, strict=strict)
            np.testing.assert_array_equal(matched_gt, expected)
            batch = matching.match_batch([self.GT_XYXY], self.PRIORS_CXCYWH, rule=rule, strict=strict)
            np.testing.assert_array_equal(batch, [expected])

    def test_a_forced_match_needs_no_threshold(self):
        matched_gt = matching.match(self.GT_XYXY, self.PRIORS_CXCYWH, 1.0, strict=True)
        np.testing.assert_array_equal(matched_gt, [0, -1])
        np.testing.assert_array_equal(
            matching.match(self.GT_XYXY, self.PRIORS_CXCYWH, 1.0, "threshold", strict=True), [-1, -1]
        )

    def test_the_sentence(self):
        why = matching.explain(self.GT_XYXY, self.PRIORS_CXCYWH, 0.49, strict=True)
        assert why.describe(1) == "prior 1: matched, best IoU 0.500 with ground truth 0 > 0.49"


class TestUnionEpsilon:
    """lufficc adds 1e-5 to the area of the union, in units of the whole image."""

    @pytest.mark.parametrize(("side", "expected"), [(0.02, 0.4878), (0.05, 0.498), (1, 0.499995)])
    def test_the_iou_of_a_square_and_its_half(self, side, expected):
        prior_cxcywh = np.array([[0.5, 0.5, side, side]])
        half = boxes.cxcywh_to_xyxy(np.array([[0.5, 0.5, side / 2, side]]))
        _, best_iou, _ = matching.best_overlaps(half, prior_cxcywh, union_epsilon=1e-5)
        assert best_iou[0] == pytest.approx(side**2 / 2 / (side**2 + 1e-5), rel=1e-12)
        assert best_iou[0] == pytest.approx(expected, abs=1e-4)
        assert matching.best_overlaps(half, prior_cxcywh)[1][0] == pytest.approx(0.5, rel=1e-12)

    def test_exactly_half_is_a_miss(self):
        options = {"rule": "threshold", "union_epsilon": 1e-5}
        gt_xyxy, priors_cxcywh = TestStrict.GT_XYXY, TestStrict.PRIORS_CXCYWH
        np.testing.assert_array_equal(matching.match(gt_xyxy, priors_cxcywh, **options), [0, -1])
        why = matching.explain(gt_xyxy, priors_cxcywh, **options)
        np.testing.assert_array_equal(why.matched_gt, [0, -1])
        np.testing.assert_array_equal(
            matching.match_batch([gt_xyxy, gt_xyxy], priors_cxcywh, **options), [[0, -1]] * 2
        )

    def test_boxes_without_area(self):
        nothing = np.array([[0.5, 0.5, 0.5, 0.5]])
        matched_gt = matching.match(nothing, np.array([[0.5, 0.5, 0.0, 0.0]]), union_epsilon=1e-5)
        np.testing.assert_array_equal(matched_gt, [-1])


class TestWhoOverlapsNothing:
    """Objects 0 and 2 overlap no prior, object 1 is prior 0."""

    PRIORS_CXCYWH = np.array([[0.1, 0.1, 0.2, 0.2], [0.5, 0.1, 0.2, 0.2], [0.9, 0.1, 0.2, 0.2]])
    GT_XYXY = np.array([[0.1, 0.6, 0.2, 0.7], [0.0, 0.0, 0.2, 0.2], [0.5, 0.8, 0.6, 0.9]])

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            ("bipartite", [1, -1, -1]),
            ("d2l", [1, 0, 2]),  # each forces the lowest prior that is left
            ("argmax", [2, -1, -1]),  # all three want prior 0
            ("threshold", [1, -1, -1]),
        ],
    )
    def test_it_depends_on_the_rule(self, rule, expected):
        matched_gt = matching.match(self.GT_XYXY, self.PRIORS_CXCYWH, rule=rule)
        np.testing.assert_array_equal(matched_gt, expected)

    def test_d2l_takes_a_prior_from_whoever_reached_the_threshold(self):
        """Prior 0 overlaps object 0 by .8, but is the only one left for object 1."""
        priors_cxcywh = boxes.xyxy_to_cxcywh(np.array([[0.0, 0, 4, 1], [0.0, 0, 5, 1]]))
        gt_xyxy = np.array([[0.0, 0, 5, 1], [7.0, 0, 8, 1]])
        np.testing.assert_array_equal(matching.match(gt_xyxy, priors_cxcywh, rule="d2l"), [1, 0])
        np.testing.assert_array_equal(matching.match(gt_xyxy, priors_cxcywh), [0, 0])

    def test_d2l_with_more_objects_than_priors(self):
        matched_gt = matching.match(self.GT_XYXY, self.PRIORS_CXCYWH[:2], rule="d2l")
        np.testing.assert_array_equal(matched_gt, [1, 0])


class TestTies:
    def test_lowest_prior_first(self):
        twice_the_same = np.array([[0.5, 0.5, 0.5, 0.5]] * 3)
        smaller_object = np.array([[0.4, 0.4, 0.6, 0.6]])
        np.testing.assert_array_equal(matching.match(smaller_object, twice_the_same), [0, -1, -1])

    def test_then_lowest_ground_truth(self):
        prior = np.array([[0.5, 0.5, 0.5, 0.5]])
        twice_the_same = np.array([[0.25, 0.25, 0.75, 0.75]] * 2)
        np.testing.assert_array_equal(matching.match(twice_the_same, prior), [0])
        assert matching.explain(twice_the_same, prior).best_gt[0] == 0

    def test_of_equal_pairs_the_lowest_prior_is_settled_first(self):
        """Every overlap is 2/6. Prior 0 goes to object 0, so object 1 asks for prior 1, before object 2."""
        priors_cxcywh = boxes.xyxy_to_cxcywh(np.array([[0.0, 0, 4, 1], [4.0, 0, 8, 1]]))
        gt_xyxy = np.array([[-2.0, 0, 2, 1], [2.0, 0, 6, 1], [6.0, 0, 10, 1]])
        np.testing.assert_array_equal(matching.match(gt_xyxy, priors_cxcywh), [0, 1])

    def test_exactly_half_is_matched(self):
        """Caffe's >=."""
        priors_cxcywh = boxes.xyxy_to_cxcywh(np.array([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.25]]))
        gt_xyxy = np.array([[0.0, 0.0, 0.5, 0.5]])
        why = matching.explain(gt_xyxy, priors_cxcywh)
        assert why.best_iou[1] == 0.5
        np.testing.assert_array_equal(why.matched_gt, [0, 0])
        above = np.nextafter(0.5, 1)
        np.testing.assert_array_equal(matching.match(gt_xyxy, priors_cxcywh, above), [0, -1])


class TestEdges:
    @pytest.mark.parametrize("rule", matching.RULES)
    @pytest.mark.parametrize("empty", [np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4), np.float32)])
    def test_no_objects(self, rule, empty):
        why = matching.explain(empty, SSD300_PRIORS, rule=rule)
        assert (why.matched_gt == matching.BACKGROUND).all()
        assert (why.reason == matching.BELOW_THRESHOLD).all()

    def test_more_objects_than_priors(self, rng):
        gt_xyxy = np.tile([0.2, 0.2, 0.8, 0.8], (5, 1)) + rng.uniform(-0.1, 0.1, (5, 4))
        priors_cxcywh = np.array([[0.5, 0.5, 0.6, 0.6], [0.5, 0.5, 0.5, 0.5]])
        matched_gt = matching.match(gt_xyxy, priors_cxcywh)
        assert len(set(matched_gt)) == 2
        assert (matched_gt >= 0).all()

    def test_an_object_without_overlap(self):
        priors_cxcywh = boxes.xyxy_to_cxcywh(np.array([[0.0, 0, 0.1, 0.1], [0.5, 0.5, 1, 1]]))
        outside = np.array([[0.2, 0.2, 0.3, 0.3]])
        np.testing.assert_array_equal(matching.match(outside, priors_cxcywh), [-1, -1])
        np.testing.assert_array_equal(matching.match(outside, priors_cxcywh, rule="argmax"), [0, -1])
        why = matching.explain(outside, priors_cxcywh, rule="argmax")
        assert why.describe(0) == "prior 0: forced by ground truth 0 (overlaps no ground truth)"

    def test_an_overlap_of_rounding_size_is_none(self):
        touching_by_rounding = np.array([[0.5 - 1e-8, 0.0, 1.0, 1.0]])  # IoU 2e-8
        left_half = np.array([[0.25, 0.5, 0.5, 1.0]])
        np.testing.assert_array_equal(matching.match(touching_by_rounding, left_half, 0), [-1])

    def test_degenerate_and_reversed_objects_overlap_nothing(self):
        gt_xyxy = np.array([[0.5, 0.5, 0.5, 0.5], [0.8, 0.8, 0.2, 0.2]])
        assert (matching.match(gt_xyxy, SSD300_PRIORS) == matching.BACKGROUND).all()

    def test_unknown_rule(self):
        with pytest.raises(InputError, match=r"no matching rule 'hungarian' .choose one of bipartite, arg"):
            matching.match(np.zeros((0, 4)), SSD300_PRIORS, rule="hungarian")

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_a_ground_truth_that_is_not_finite(self, bad):
        with pytest.raises(InputError, match=r"gt_xyxy: box 1 is \[0.1, (nan|inf)"):
            matching.match(np.array([[0.1, 0.1, 0.2, 0.2], [0.1, bad, 0.2, 0.2]]), SSD300_PRIORS)

    def test_rows_of_five_numbers(self):
        boxes_and_labels = np.full((4, 5), 0.5)  # 20 numbers would also make five boxes
        with pytest.raises(InputError, match=r"gt_xyxy: its shape is \(4, 5\)"):
            matching.match(boxes_and_labels, SSD300_PRIORS)

    def test_float32_and_strided_inputs_and_their_values(self):
        gt_xyxy, priors_cxcywh = SCENES[8].copy(), SSD300_PRIORS.copy()
        expected = matching.match(gt_xyxy, priors_cxcywh)
        assert expected.dtype == np.int64
        np.testing.assert_array_equal(gt_xyxy, SCENES[8])
        np.testing.assert_array_equal(priors_cxcywh, SSD300_PRIORS)
        strided = np.asfortranarray(priors_cxcywh)
        np.testing.assert_array_equal(matching.match(gt_xyxy.astype(np.float32), strided), expected)


def test_200_objects_on_ssd512_need_no_iou_matrix():
    """A process of its own, since the peak of a process counts what Numba allocates, and never falls."""
    pytest.importorskip("resource", reason="peak memory is measured by the resource module")
    program = """
        import resource, sys
        import numpy as np
        from minissd import matching
        from minissd.config import SSD512_VOC
        from minissd.priors import prior_boxes

        def peak():
            unit = 1 if sys.platform == "darwin" else 1024
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

        rng = np.random.default_rng(0)
        start = rng.uniform(0, 0.9, (200, 2))
        gt_xyxy = np.hstack([start, start + rng.uniform(0.02, 0.5, (200, 2))])
        priors_cxcywh = prior_boxes(SSD512_VOC)
        for rule in matching.kernel.RULES:
            matching.match(gt_xyxy[:1], priors_cxcywh, rule=rule)  # compiles
        before = peak()
        for rule in matching.kernel.RULES:
            matching.match(gt_xyxy, priors_cxcywh, rule=rule)
        print(peak() - before)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    iou_matrix = 24564 * 200 * 8  # 39 million bytes
    assert int(run.stdout) < iou_matrix / 4


@pytest.mark.parametrize("shape", [(0, 4), (3, 3), (4,)])
def test_priors_that_are_no_boxes_are_refused(shape):
    with pytest.raises(InputError, match="priors_cxcywh: shape"):
        matching.match(np.array([[0.0, 0.0, 0.5, 0.5]]), np.zeros(shape))


class TestRulesThatAreNoOption:
    """What Keras' and balancap's implementations do beside the rules above."""

    def test_kerass_neutral_boxes(self):
        """Background, unless its best IoU is over .3; the limit of its training notebook, .5, leaves none."""
        why = matching.explain(TestByHand.GT_XYXY, TestByHand.PRIORS_CXCYWH)  # 4/9 1/3 1/4 1/2 1/11 0
        background = why.reason == matching.BELOW_THRESHOLD
        neutral = [np.flatnonzero(background & (why.best_iou > limit)).tolist() for limit in (0.3, 0.5)]
        assert neutral == [[1], []]

    def test_balancap_forgets_small_objects(self):
        """Strictly over .5 and nothing forced: an object of 20 pixels has no loss, one of 30 has."""
        for side_px, expected in ((20, 0), (30, 1)):
            center, half = (8 * 10 + 4) / 300, side_px / 600  # in the middle of a cell of the finest map
            gt_xyxy = np.array([[center - half, center - half, center + half, center + half]])
            matched_gt = matching.match(gt_xyxy, SSD300_PRIORS, rule="threshold", strict=True)
            assert (matched_gt >= 0).any() == expected
            assert (matching.match(gt_xyxy, SSD300_PRIORS) >= 0).any()

    def test_balancap_matches_map_by_map_which_is_no_difference(self):
        ends = np.cumsum([5776, 2166, 600, 150, 36])
        options = {"rule": "threshold", "strict": True}
        by_map = [matching.match(SCENES[8], part, **options) for part in np.split(SSD300_PRIORS, ends)]
        whole = matching.match(SCENES[8], SSD300_PRIORS, **options)
        np.testing.assert_array_equal(np.concatenate(by_map), whole)
