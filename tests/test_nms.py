"""Non-maximum suppression: golden boxes, four other implementations, an exact twin with ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_numbers import copied_numbers
from test_boxes import grid_boxes
from twins import exact_iou, suppress

from minissd import boxes
from minissd.errors import InputError
from minissd.nms import KEPT, NOT_CONSIDERED, nms, suppressed_by


@pytest.fixture(params=["copied cases", "complete"])
def reference(request, shared_numbers):
    """The arrays of the NMS reference, and the numbers of the cases in them."""
    if request.param == "complete":
        numbers = shared_numbers("nms")
        return numbers, range(int(numbers["n_cases"]))
    numbers = copied_numbers("nms")
    return numbers, numbers["cases"]


class TestOtherImplementations:
    @pytest.mark.parametrize("peer", ["tv", "caffe", "opencv", "ccv"])
    def test_kept_boxes(self, reference, peer):
        numbers, cases = reference
        for case in cases:
            kept = nms(numbers[f"case{case}_boxes"], numbers[f"case{case}_scores"], numbers["thr"][case])
            np.testing.assert_array_equal(kept, numbers[f"case{case}_keep_{peer}"], err_msg=f"case {case}")

    def test_the_best_two_hundred_of_amdegroot(self, reference):
        numbers, cases = reference
        for case in cases:
            boxes_xyxy, scores = numbers[f"case{case}_boxes"], numbers[f"case{case}_scores"]
            kept = nms(boxes_xyxy, scores, numbers["thr"][case], top_k=200)
            np.testing.assert_array_equal(
                kept, numbers[f"case{case}_keep_amd_top200"], err_msg=f"case {case}"
            )

    def test_the_last_pixel_of_py_faster_rcnn(self, reference):
        """Where the last row and column belong to a box, it ends one pixel later."""
        numbers, cases = reference
        for case in cases:
            boxes_xyxy = numbers[f"case{case}_boxes"].astype(np.float64) + np.array([0, 0, 1, 1])
            kept = nms(boxes_xyxy, numbers[f"case{case}_scores"], numbers["thr"][case])
            expected = numbers[f"case{case}_keep_frcnn_plus1"]
            np.testing.assert_array_equal(kept, expected, err_msg=f"case {case}")

    def test_caffes_score_threshold_and_top_k(self, reference):
        numbers, cases = reference
        for case in cases:
            boxes_xyxy, scores = numbers[f"case{case}_boxes"], numbers[f"case{case}_scores"]
            candidates = np.flatnonzero(scores > 0.3)
            kept = nms(boxes_xyxy[candidates], scores[candidates], numbers["thr"][case], top_k=100)
            expected = numbers[f"case{case}_keep_caffe_top100_score03"]
            np.testing.assert_array_equal(candidates[kept], expected, err_msg=f"case {case}")

    @pytest.mark.parametrize(
        ("peer", "last_pixel", "inclusive"),
        [
            ("tv", 0, False),
            ("amd", 0, False),
            ("opencv", 0, False),
            ("caffe", 0, False),
            ("ccv", 0, True),
            ("frcnn_py", 1, False),
            ("frcnn_cython", 1, True),
        ],
    )
    def test_a_box_at_exactly_the_threshold(self, peer, last_pixel, inclusive):
        """Most keep it. py-faster-rcnn counts the last pixel, and its two versions differ."""
        numbers = copied_numbers("nms")
        for kind in ("plain", "plus1"):  # IoU 1/2 as it is, and with one more pixel per side
            boxes_xyxy = numbers[f"edge_{kind}_boxes"] + np.array([0, 0, last_pixel, last_pixel])
            kept = nms(boxes_xyxy, numbers["edge_scores"], float(numbers["edge_thr"]), inclusive=inclusive)
            np.testing.assert_array_equal(kept, numbers[f"edge_{kind}_{peer}"])
        assert boxes.iou(*np.split(numbers["edge_plain_boxes"][:2], 2))[0, 0] == 0.5


class TestByHand:
    #                      IoU with the others:  1    2    3
    BOXES_XYXY = np.array(
        [
            [0.1, 0.1, 0.3, 0.3],  # 0:         1/3, 1/7, 1/4
            [0.2, 0.1, 0.4, 0.3],  # 1:              1/3, 1/3
            [0.2, 0.0, 0.4, 0.2],  # 2:                   0
            [0.1, 0.2, 0.4, 0.4],
        ]
    )
    SCORES = np.array([0.8, 0.7, 0.4, 0.5])

    @pytest.mark.parametrize(
        ("options", "kept"),
        [
            ({"iou_threshold": 0.3}, [0, 3, 2]),
            ({"iou_threshold": 0.3, "top_k": 2}, [0]),
            ({"iou_threshold": 0.2, "top_k": 3}, [0]),
            ({"iou_threshold": 0.3, "top_k": 0}, []),
            ({"iou_threshold": 0.3, "top_k": 99}, [0, 3, 2]),
            ({"iou_threshold": 0}, [0]),  # all of the others overlap box 0
            ({"iou_threshold": 1}, [0, 1, 3, 2]),
        ],
    )
    def test_caffes_golden_boxes(self, options, kept):
        assert nms(self.BOXES_XYXY, self.SCORES, **options).tolist() == kept

    def test_caffes_score_threshold(self):
        candidates = np.flatnonzero(self.SCORES > 0.5)
        assert candidates[nms(self.BOXES_XYXY[candidates], self.SCORES[candidates], 0.3)].tolist() == [0]

    def test_dive_into_deep_learning(self):
        boxes_xyxy = np.array(
            [
                [0.1, 0.08, 0.52, 0.92],
                [0.08, 0.2, 0.56, 0.95],
                [0.15, 0.3, 0.62, 0.91],
                [0.55, 0.2, 0.9, 0.88],
            ]
        )
        np.testing.assert_allclose(boxes.iou(boxes_xyxy[:1], boxes_xyxy[1:])[0], [0.737, 0.545, 0], atol=5e-4)
        assert nms(boxes_xyxy, np.array([0.9, 0.8, 0.7, 0.9]), 0.5).tolist() == [0, 3]

    def test_inclusive(self):
        """The threshold is the very IoU of the pair."""
        overlap = boxes.iou(self.BOXES_XYXY[:1], self.BOXES_XYXY[1:2])[0, 0]
        pair, scores = self.BOXES_XYXY[:2], self.SCORES[:2]
        assert nms(pair, scores, overlap).tolist() == [0, 1]
        assert nms(pair, scores, overlap, inclusive=True).tolist() == [0]
        assert suppressed_by(pair, scores, overlap, inclusive=True).tolist() == [-1, 0]
        assert nms(pair, scores, np.nextafter(overlap, 1), inclusive=True).tolist() == [0, 1]
        apart = np.array([[0.0, 0, 1, 1], [5.0, 0, 6, 1]])
        assert nms(apart, scores, 0).tolist() == [0, 1]
        assert nms(apart, scores, 0, inclusive=True).tolist() == [0]  # an IoU of 0 reaches 0

    def test_who_suppressed_whom(self):
        assert suppressed_by(self.BOXES_XYXY, self.SCORES, 0.3).tolist() == [-1, 0, -1, -1]
        assert suppressed_by(self.BOXES_XYXY, self.SCORES, 0.3, top_k=2).tolist() == [-1, 0, -2, -2]

    def test_a_suppressed_box_suppresses_no_one(self):
        """The first of a chain takes out the second; the third, which only that overlaps enough, stays."""
        # IoU of neighbours 2/4, of the ends 1/5
        chain = np.array([[0.0, 0, 3, 1], [1.0, 0, 4, 1], [2.0, 0, 5, 1]])
        assert nms(chain, np.array([0.9, 0.8, 0.7]), 0.45).tolist() == [0, 2]
        assert suppressed_by(chain, np.array([0.9, 0.8, 0.7]), 0.45).tolist() == [-1, 0, -1]
        assert nms(chain, np.array([0.7, 0.9, 0.8]), 0.45).tolist() == [1]

    def test_the_best_of_several_suppressors_is_named(self):
        ends_and_middle = np.array([[2.0, 0, 5, 1], [0.0, 0, 3, 1], [1.0, 0, 4, 1]])
        assert suppressed_by(ends_and_middle, np.array([0.8, 0.9, 0.7]), 0.45).tolist() == [-1, -1, 1]


def test_of_equal_scores_the_lower_index_comes_first():
    """A reversed ascending sort, as in ``argsort()[::-1]``, would keep the last."""
    same_box = np.tile([0.0, 0.0, 1.0, 1.0], (4, 1))
    assert nms(same_box, np.full(4, 0.5)).tolist() == [0]
    apart = same_box + np.arange(4)[:, None] * 2
    assert nms(apart, np.array([0.5, 0.7, 0.5, 0.7])).tolist() == [1, 3, 0, 2]
    assert nms(apart, np.array([0.5, 0.7, 0.5, 0.7]), top_k=3).tolist() == [1, 3, 0]


@given(grid_boxes(min_count=0, max_count=10), st.data(), st.sampled_from([0.25, 0.45, 0.5, 1]), st.booleans())
@settings(max_examples=200)
def test_twin_on_random_boxes_with_ties(boxes_xyxy, data, iou_threshold, inclusive):
    count = len(boxes_xyxy)
    some_scores = st.lists(st.sampled_from([0.2, 0.4, 0.6, 0.8]), min_size=count, max_size=count)
    scores = np.array(data.draw(some_scores))
    just_below = np.nextafter(iou_threshold, 0)  # these thresholds are exact, and no IoU lies between
    expected = suppress(boxes_xyxy, scores, just_below if inclusive else iou_threshold)
    assert nms(boxes_xyxy, scores, iou_threshold, inclusive=inclusive).tolist() == list(expected)

    suppressor = suppressed_by(boxes_xyxy, scores, iou_threshold, inclusive=inclusive)
    for kept, suppressed in expected.items():
        assert suppressor[kept] == KEPT
        assert set(np.flatnonzero(suppressor == kept)) == suppressed


def test_suppressed_by_agrees_with_nms(rng):
    start = rng.uniform(0, 0.8, (300, 2))
    boxes_xyxy = np.hstack([start, start + rng.uniform(0.05, 0.4, (300, 2))])
    scores = rng.random(300)
    kept = nms(boxes_xyxy, scores, top_k=200)
    suppressor = suppressed_by(boxes_xyxy, scores, top_k=200)
    assert set(np.flatnonzero(suppressor == KEPT)) == set(kept)
    assert (suppressor == NOT_CONSIDERED).sum() == 100
    assert scores[suppressor == NOT_CONSIDERED].max() < scores[suppressor != NOT_CONSIDERED].min()
    assert (np.diff(scores[kept]) < 0).all()
    for box in np.flatnonzero(suppressor >= 0):
        better = [
            k for k in kept if scores[k] > scores[box] and exact_iou(boxes_xyxy[k], boxes_xyxy[box]) > 0.45
        ]
        assert suppressor[box] == better[0]


@pytest.mark.parametrize("shape", [(0, 4), (0,)])
def test_no_boxes(shape):
    kept = nms(np.zeros(shape), np.zeros(0))
    assert kept.shape == (0,)
    assert kept.dtype == np.int64


def test_inputs_are_unchanged_and_may_be_float32(rng):
    boxes_xyxy = np.sort(rng.random((40, 2, 2)), axis=1).reshape(40, 4).astype(np.float32)
    scores = rng.random(40).astype(np.float32)
    before = boxes_xyxy.copy(), scores.copy()
    kept = nms(boxes_xyxy, scores)
    np.testing.assert_array_equal(kept, nms(boxes_xyxy.astype(np.float64), scores.astype(np.float64)))
    np.testing.assert_array_equal(boxes_xyxy, before[0])
    np.testing.assert_array_equal(scores, before[1])


@pytest.mark.parametrize("count", [2, 4])
def test_one_score_per_box(count):
    with pytest.raises(InputError, match=f"scores: shape .{count},. for 3 boxes"):
        nms(np.zeros((3, 4)), np.zeros(count))
