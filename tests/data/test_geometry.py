"""Windows, samplers and flips: worked numbers, properties, and Caffe's numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minissd.data.geometry import (
    CAFFE_SAMPLERS,
    Sampler,
    boxes_in_window,
    compose_windows,
    crop_window,
    draw_crops,
    expand_window,
    flip_horizontal,
    flip_vertical,
    meets_constraint,
    sample_crop,
    to_window,
)

NO_BOXES = np.zeros((0, 4))
IMAGE = np.zeros((4, 4, 3), np.uint8)


def corners(low, high):
    pair = st.tuples(st.floats(low, high), st.floats(low, high)).map(sorted)
    pair = pair.filter(lambda ends: ends[1] - ends[0] > 0.01)
    return st.tuples(pair, pair).map(lambda p: np.array([p[0][0], p[1][0], p[0][1], p[1][1]]))


BOXES = st.lists(corners(0, 1), max_size=6).map(lambda rows: np.array(rows).reshape(-1, 4))
WINDOWS = corners(-2, 3)


# -- what a window shows -----------------------------------------------------------------------------------


def test_box_with_its_centre_on_the_border_is_kept():
    gt_xyxy = np.array([[0.25, 0.25, 0.75, 0.75]])
    boxes_xyxy, kept = boxes_in_window(gt_xyxy, [0.5, 0.5, 1.0, 1.0])
    assert kept.tolist() == [True]
    assert boxes_xyxy.tolist() == [[0.0, 0.0, 0.5, 0.5]]


def test_box_with_its_centre_outside_is_dropped_however_much_is_seen():
    gt_xyxy = np.array([[0.0, 0.0, 1.0, 1.0]])
    boxes_xyxy, kept = boxes_in_window(gt_xyxy, [0.0, 0.0, 0.4375, 1.0])
    assert kept.tolist() == [False]
    assert boxes_xyxy.shape == (0, 4)


def test_box_without_area_is_dropped():
    _, kept = boxes_in_window(np.array([[0.5, 0.2, 0.5, 0.4]]), [0, 0, 1, 1])
    assert kept.tolist() == [False]


def test_centre_rule_and_projection_agree_with_caffe(shared_numbers):
    numbers = shared_numbers("augment")
    offsets = numbers["gt_offsets"]
    for window, start, stop in zip(numbers["crop"], offsets, offsets[1:]):
        gt_xyxy = numbers["gt_box"][start:stop]
        boxes_xyxy, kept = boxes_in_window(gt_xyxy, window)
        expected = (numbers["caffe_emit_center"] & numbers["caffe_project_ok"])[start:stop].astype(bool)
        np.testing.assert_array_equal(kept, expected)
        np.testing.assert_allclose(boxes_xyxy, numbers["caffe_projected"][start:stop][kept], atol=2e-6)


@given(BOXES, WINDOWS)
def test_kept_boxes_lie_in_the_window_and_have_area(gt_xyxy, window):
    before = gt_xyxy.copy()
    boxes_xyxy, kept = boxes_in_window(gt_xyxy, window)
    assert len(boxes_xyxy) == kept.sum()
    assert ((boxes_xyxy >= 0) & (boxes_xyxy <= 1)).all()
    assert (boxes_xyxy[:, 2:] > boxes_xyxy[:, :2]).all()
    np.testing.assert_array_equal(gt_xyxy, before)


@given(BOXES, WINDOWS, corners(0, 1))
def test_looking_through_two_windows_is_looking_through_one(gt_xyxy, outer, inner):
    twice = to_window(to_window(gt_xyxy, outer), inner)
    np.testing.assert_allclose(twice, to_window(gt_xyxy, compose_windows(outer, inner)), atol=1e-6, rtol=1e-9)


# -- samplers ----------------------------------------------------------------------------------------------


def test_one_fitting_object_is_enough_and_not_all_are_needed():
    window = np.array([[0.0, 0.0, 0.5, 0.5]])
    gt_xyxy = np.array([[0.0, 0.0, 0.5, 0.5], [0.25, 0.25, 0.75, 0.75]])  # IoU 1, and 1/16 / 7/16 = 1/7
    assert meets_constraint(Sampler(min_iou=0.9), window, gt_xyxy)[0]
    assert meets_constraint(Sampler(max_iou=0.2), window, gt_xyxy)[0]
    assert not meets_constraint(Sampler(min_iou=0.2, max_iou=0.9), window, gt_xyxy)[0]


def test_without_objects_every_constraint_fails_even_an_upper_bound(rng):
    verdicts = [meets_constraint(s, np.array([[0.0, 0.0, 1.0, 1.0]]), NO_BOXES)[0] for s in CAFFE_SAMPLERS]
    assert verdicts == [True] + [False] * 6
    assert crop_window(NO_BOXES, rng).tolist() == [0, 0, 1, 1]


def test_constraints_agree_with_caffe(shared_numbers):
    numbers = shared_numbers("augment")
    offsets = numbers["gt_offsets"]
    bounds = [tuple(None if v < 0 else v for v in row) for row in numbers["constraint_min_max"]]
    assert [(s.min_iou, s.max_iou) for s in CAFFE_SAMPLERS] == bounds
    for i, window in enumerate(numbers["crop"]):
        gt_xyxy = numbers["gt_box"][offsets[i] : offsets[i + 1]]
        verdicts = [meets_constraint(s, window[None], gt_xyxy)[0] for s in CAFFE_SAMPLERS]
        assert verdicts == numbers["caffe_satisfied"][i].astype(bool).tolist()


def test_crops_have_the_distribution_of_caffe(shared_numbers):
    numbers = shared_numbers("augment")
    count = 200_000
    x1, y1, x2, y2 = draw_crops(Sampler(), count, np.random.default_rng(1)).T
    width, height = x2 - x1, y2 - y1
    drawn = {"width": width, "height": height, "area": width * height, "log_aspect": np.log(width / height)}
    for name, values in (drawn | {"xmin": x1, "ymin": y1}).items():
        mean, deviation = numbers[f"sample_{name}_mean_std"]
        error = deviation * (1 / count + 1 / numbers["sample_n"]) ** 0.5
        assert abs(values.mean() - mean) < 4.5 * error, name
        assert values.std() == pytest.approx(deviation, rel=0.01), name
        quantiles = np.quantile(values, numbers["sample_quantile_p"])
        np.testing.assert_allclose(quantiles, numbers[f"sample_{name}_quantiles"], atol=0.012, err_msg=name)


def test_area_of_crops_in_closed_form():
    # The area is s^2 with s uniform on 0.3...1: its mean is (1 - 0.3^3) / (3 * 0.7).
    crops = draw_crops(Sampler(), 50_000, np.random.default_rng(5))
    areas = (crops[:, 2] - crops[:, 0]) * (crops[:, 3] - crops[:, 1])
    assert abs(areas.mean() - 0.46333) < 4.5 * areas.std() / 50_000**0.5


def test_samplers_succeed_as_often_as_those_of_caffe(shared_numbers):
    numbers = shared_numbers("augment")
    offsets, reps = numbers["success_gt_offsets"], numbers["success_reps"]
    rng, tries = np.random.default_rng(2), 20_000
    for scene in range(4):
        gt_xyxy = numbers["success_gt_box"][offsets[scene] : offsets[scene + 1]]
        for i, sampler in enumerate(CAFFE_SAMPLERS):
            rate = meets_constraint(sampler, draw_crops(sampler, tries, rng), gt_xyxy).mean()
            expected = numbers["caffe_success_rate"][scene, i, 0]
            error = (max(expected * (1 - expected), 1e-4) * (1 / tries + 1 / reps)) ** 0.5
            assert abs(rate - expected) < 4.5 * error
            if i == 3:  # of 50 trials one is enough
                found = [sample_crop(sampler, gt_xyxy, rng) is not None for _ in range(400)]
                expected = numbers["caffe_success_rate"][scene, i, 1]
                error = (max(expected * (1 - expected), 1e-4) * (1 / 400 + 1 / reps)) ** 0.5
                assert abs(np.mean(found) - expected) < 4.5 * error


@given(st.integers(0, 1000))
def test_crops_lie_in_the_image_and_keep_their_shape(seed):
    sampler = Sampler(scale=(0.3, 1.0), aspect=(0.5, 2.0))
    crops = draw_crops(sampler, 20, np.random.default_rng(seed))
    assert ((crops >= 0) & (crops <= 1)).all()
    width, height = (crops[:, 2:] - crops[:, :2]).T
    assert ((width / height > 0.5 - 1e-9) & (width / height < 2 + 1e-9)).all()
    assert (width * height >= 0.09 - 1e-9).all()


def test_crop_is_drawn_evenly_among_the_samplers_that_succeed():
    # Two samplers that always succeed with known windows: each is taken about half of the time.
    whole, small = CAFFE_SAMPLERS[0], Sampler(scale=(0.5, 0.5), aspect=(1, 1))
    never = Sampler(min_iou=2.0)
    rng = np.random.default_rng(3)
    windows = [crop_window(NO_BOXES, rng, (whole, small, never)) for _ in range(2000)]
    share = np.mean([window[2] - window[0] > 0.9 for window in windows])
    assert abs(share - 0.5) < 4.5 * 0.5 / 2000**0.5


def test_a_found_crop_meets_its_constraint(rng):
    gt_xyxy = np.array([[0.2, 0.2, 0.8, 0.9]])
    sampler = Sampler(min_iou=0.3)
    window = sample_crop(sampler, gt_xyxy, rng)
    assert meets_constraint(sampler, window[None], gt_xyxy)[0]


@given(st.integers(0, 1000), st.floats(1, 6))
def test_expanded_window_contains_the_image(seed, max_ratio):
    x1, y1, x2, y2 = expand_window(np.random.default_rng(seed), max_ratio)
    assert x1 <= 0 <= 1 <= x2 + 1e-9
    assert y1 <= 0 <= 1 <= y2 + 1e-9
    assert x2 - x1 == pytest.approx(y2 - y1)
    assert x2 - x1 >= 1 - 1e-9
    assert x2 - x1 <= max_ratio + 1e-9


def test_expansion_is_uniform_in_the_ratio():
    rng = np.random.default_rng(4)
    ratios = [window[2] - window[0] for window in (expand_window(rng) for _ in range(4000))]
    assert abs(np.mean(ratios) - 2.5) < 4.5 * (3 / 12**0.5) / 4000**0.5


# -- flips -------------------------------------------------------------------------------------------------


def test_flips_by_hand():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    gt_xyxy = np.array([[0.0, 0.25, 0.25, 1.0]])
    flipped, boxes_xyxy = flip_horizontal(image, gt_xyxy)
    assert flipped[0, 0].tolist() == [3, 4, 5]
    assert boxes_xyxy.tolist() == [[0.75, 0.25, 1.0, 1.0]]
    flipped, boxes_xyxy = flip_vertical(image, gt_xyxy)
    assert flipped[0, 0].tolist() == [6, 7, 8]
    assert boxes_xyxy.tolist() == [[0.0, 0.0, 0.25, 0.75]]


@given(BOXES, st.sampled_from([flip_horizontal, flip_vertical]))
def test_flipping_twice_changes_nothing(gt_xyxy, flip):
    once = flip(IMAGE, gt_xyxy)
    assert (once[1][:, 2:] > once[1][:, :2]).all()
    np.testing.assert_allclose(flip(*once)[1], gt_xyxy, atol=1e-12)


def test_flip_agrees_with_chainercv(shared_numbers):
    numbers = shared_numbers("augment")
    size = np.tile(numbers["px_image_wh"], 2)
    _, flipped = flip_horizontal(IMAGE, numbers["px_box"] / size)
    np.testing.assert_allclose(flipped * size, numbers["ccv_flip_box"], atol=1e-9)
