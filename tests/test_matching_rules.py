"""The rules of matching: where two objects want a prior, or reach no prior, each has a vice of its own."""

import numpy as np
import pytest
from matching_scenes import GOLDEN_GT_XYXY, GOLDEN_PRIORS_CXCYWH, SCENES, SSD300_PRIORS

from minissd import boxes, matching


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


class TestRulesThatAreNoOption:
    """What Keras' and balancap's implementations do beside the rules above."""

    def test_kerass_neutral_boxes(self):
        """Background, unless its best IoU is over .3; the limit of its training notebook, .5, leaves none."""
        why = matching.explain(GOLDEN_GT_XYXY, GOLDEN_PRIORS_CXCYWH)  # 4/9 1/3 1/4 1/2 1/11 0
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
