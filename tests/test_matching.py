"""Matching by hand: golden examples, ties, and what is at the edge of sense."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from matching_scenes import GOLDEN_GT_XYXY, GOLDEN_PRIORS_CXCYWH, SCENES, SSD300_PRIORS

from minissd import boxes, matching
from minissd.errors import InputError


class TestByHand:
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
        matched_gt = matching.match(GOLDEN_GT_XYXY, GOLDEN_PRIORS_CXCYWH, iou_threshold)
        np.testing.assert_array_equal(matched_gt, expected)

    def test_sentences(self):
        why = matching.explain(GOLDEN_GT_XYXY, GOLDEN_PRIORS_CXCYWH, 0.3)
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
