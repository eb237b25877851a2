"""The box code: golden values, other implementations, and that decode undoes encode."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_numbers import copied_numbers

from minissd import boxes, codec
from minissd.errors import InputError

NUMBERS = copied_numbers("codec")


def test_caffes_golden_box():
    prior_cxcywh = np.array([[0.2, 0.2, 0.2, 0.2]])  # corners .1 .1 .3 .3
    gt_xyxy = np.array([[0.0, 0.2, 0.4, 0.5]])  # centre .2 .35, size .4 x .3
    # dy = .15 / .2 / .1 = 7.5, dw = ln(.4 / .2) / .2 = 5 ln 2, dh = ln(.3 / .2) / .2 = 5 ln 1.5
    expected = [[0, 7.5, 5 * np.log(2), 5 * np.log(1.5)]]
    np.testing.assert_allclose(codec.encode(gt_xyxy, prior_cxcywh), expected, atol=1e-14)
    without_variances = [[0, 0.75, np.log(2), np.log(1.5)]]
    np.testing.assert_allclose(codec.encode(gt_xyxy, prior_cxcywh, (1, 1)), without_variances, atol=1e-14)


def test_dog_and_cat_of_dive_into_deep_learning():
    dog, cat = [0.1, 0.08, 0.52, 0.92], [0.55, 0.2, 0.9, 0.88]
    anchors_xyxy = np.array([[0.15, 0.2, 0.4, 0.4], [0.63, 0.05, 0.88, 0.98], [0.57, 0.3, 0.92, 0.9]])
    offsets = codec.encode(np.array([dog, cat, cat]), boxes.xyxy_to_cxcywh(anchors_xyxy))
    # first row: .035 / .25 / .1 = 1.4; .2 / .2 / .1 = 10; 5 ln(.42 / .25); 5 ln(.84 / .2)
    expected = [[1.40, 10.0, 2.59, 7.18], [-1.20, 0.269, 1.68, -1.57], [-0.571, -1.0, 0.0, 0.626]]
    np.testing.assert_allclose(offsets, expected, atol=5e-3)


def test_encode_of_other_implementations():
    offsets = codec.encode(NUMBERS["gt_xyxy"], NUMBERS["prior_cxcywh"])
    for peer in ("amd", "tv", "luf"):
        np.testing.assert_allclose(offsets, NUMBERS[f"enc_{peer}"], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(offsets, NUMBERS["enc_caffe"], rtol=8e-6, atol=8e-6)  # float32


def test_d2ls_epsilon_inside_the_logarithm():
    """It changes the code by more than rounding, so that decoding is no longer its inverse."""
    gt_xyxy, priors_cxcywh = NUMBERS["gt_xyxy"], NUMBERS["prior_cxcywh"]
    offsets = codec.encode(gt_xyxy, priors_cxcywh, log_epsilon=1e-6)
    np.testing.assert_allclose(offsets, NUMBERS["enc_d2l"], rtol=1e-12, atol=1e-12)
    assert np.abs(codec.encode(gt_xyxy, priors_cxcywh) - offsets).max() > 1e-5
    again = codec.decode(offsets, priors_cxcywh)
    assert np.abs(again - gt_xyxy).max() > 1e-8


def test_the_epsilon_by_hand():
    gt_xyxy, prior_cxcywh = np.array([[0.0, 0.0, 0.5, 0.25]]), np.array([[0.5, 0.5, 1.0, 1.0]])
    offsets = codec.encode(gt_xyxy, prior_cxcywh, (1, 1), log_epsilon=0.5)  # ln(.5 + .5), ln(.25 + .5)
    np.testing.assert_allclose(offsets, [[-0.25, -0.375, 0, np.log(0.75)]], atol=1e-15)
    with pytest.raises(InputError, match="gt_xyxy: box 0 has width 0"):  # no box, whatever is added to it
        codec.encode(np.zeros((1, 4)), prior_cxcywh, log_epsilon=1e-6)


def test_decode_of_other_implementations():
    decoded = codec.decode(NUMBERS["dec_loc"], NUMBERS["prior_cxcywh"])
    np.testing.assert_allclose(decoded, NUMBERS["dec_amd_xyxy"], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(decoded, NUMBERS["dec_caffe_xyxy"], rtol=2e-6, atol=2e-6)  # float32


def test_decode_does_not_limit_large_sizes():
    decoded = codec.decode(NUMBERS["decbig_loc"], NUMBERS["prior_cxcywh"][:24])
    np.testing.assert_allclose(decoded, NUMBERS["decbig_amd_xyxy"], rtol=1e-12)
    np.testing.assert_allclose(decoded, NUMBERS["decbig_caffe_xyxy"], rtol=2e-5)  # float32


def test_decode_with_torchvisions_limit():
    assert NUMBERS["tv_dwh_clip"] == np.log(1000 / 16)
    loc, priors_cxcywh = NUMBERS["decbig_loc"], NUMBERS["prior_cxcywh"][:24]
    decoded = codec.decode(loc, priors_cxcywh, max_log_size=np.log(1000 / 16))
    np.testing.assert_allclose(decoded, NUMBERS["decbig_tv_xyxy"], rtol=1e-12)
    assert not np.allclose(decoded, NUMBERS["decbig_amd_xyxy"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_limit_by_hand(dtype):
    """10 times .2 is limited to ln 2, so the box is twice as wide; 1 times .2 is not; the centre never is."""
    loc = np.array([[10.0, 0.0, 10.0, 1.0], [0.0, 0.0, -50.0, -50.0]], dtype)
    decoded = codec.decode(loc, np.array([[0.5, 0.5, 0.25, 0.25]] * 2), max_log_size=np.log(2))
    assert decoded.dtype == dtype
    half_height = 0.125 * np.exp(0.2)
    np.testing.assert_allclose(
        decoded, [[0.5, 0.5 - half_height, 1.0, 0.5 + half_height], [0.5, 0.5, 0.5, 0.5]], atol=1e-5
    )


unit = st.floats(0, 1)
size = st.floats(0.01, 2)


@given(st.lists(st.tuples(unit, unit, size, size, unit, unit, size, size), min_size=1, max_size=8))
def test_decode_undoes_encode(rows):
    gt_cxcywh, priors_cxcywh = np.split(np.array(rows), 2, axis=1)
    gt_xyxy = boxes.cxcywh_to_xyxy(gt_cxcywh)
    again = codec.decode(codec.encode(gt_xyxy, priors_cxcywh), priors_cxcywh)
    np.testing.assert_allclose(again, gt_xyxy, atol=1e-12)


@given(st.tuples(*[st.floats(-5, 5)] * 4), st.tuples(unit, unit, size, size), st.tuples(size, size))
def test_encode_undoes_decode_with_any_variances(loc, prior, variances):
    loc, prior = np.array([loc]), np.array([prior])
    again = codec.encode(codec.decode(loc, prior, variances), prior, variances)
    # the boxes reach e^10 priors wide and are spoken of in units of v_0 = 0.01
    np.testing.assert_allclose(again, loc, rtol=1e-6, atol=1e-6)


def test_a_prior_encodes_to_zero_and_back():
    priors_cxcywh = np.array([[0.5, 0.5, 0.25, 0.5], [0.9, 0.1, 0.5, 0.25]])
    priors_xyxy = boxes.cxcywh_to_xyxy(priors_cxcywh)
    np.testing.assert_allclose(codec.encode(priors_xyxy, priors_cxcywh), 0, atol=1e-14)
    np.testing.assert_array_equal(codec.decode(np.zeros((2, 4)), priors_cxcywh), priors_xyxy)


def test_decode_of_a_batch_is_decode_of_each_image():
    loc = np.stack([NUMBERS["dec_loc"], NUMBERS["dec_loc"][::-1]])
    decoded = codec.decode(loc, NUMBERS["prior_cxcywh"])
    for image in range(2):
        np.testing.assert_array_equal(decoded[image], codec.decode(loc[image], NUMBERS["prior_cxcywh"]))


def test_decode_does_not_cut_at_the_border():
    right_by_one_width = np.array([[10.0, 0.0, 0.0, 0.0]])
    decoded = codec.decode(right_by_one_width, np.array([[0.75, 0.5, 0.5, 1.0]]))
    np.testing.assert_allclose(decoded, [[1.0, 0.0, 1.5, 1.0]], atol=1e-15)


@pytest.mark.parametrize(
    ("degenerate", "message"),
    [
        ([0.5, 0.5, 0.5, 0.8], "gt_xyxy: box 1 has width 0 and height 0.3"),
        ([0.5, 0.5, 0.8, 0.5], "gt_xyxy: box 1 has width 0.3 and height 0"),
        ([0.8, 0.5, 0.5, 0.8], "gt_xyxy: box 1 has width -0.3 and height 0.3"),
        ([np.nan, 0.5, 0.5, 0.8], "gt_xyxy: box 1 has width nan and height 0.3"),
    ],
)
def test_a_degenerate_ground_truth_is_refused_by_number(degenerate, message):
    gt_xyxy = np.array([[0.1, 0.1, 0.2, 0.2], degenerate])
    with pytest.raises(InputError, match=message):
        codec.encode(gt_xyxy, np.full((2, 4), 0.5))


def test_priors_given_as_corners_are_refused():
    corners = np.array([[0.5, 0.5, 0.6, 0.0]])
    with pytest.raises(InputError, match=r"priors_cxcywh: box 0 .*are they given as corners"):
        codec.encode(np.array([[0.1, 0.1, 0.2, 0.2]]), corners)


def test_nothing_to_encode():
    assert codec.encode(np.zeros((0, 4)), np.zeros((0, 4))).shape == (0, 4)
    assert codec.decode(np.zeros((0, 4)), np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_follows_the_first_argument(dtype):
    priors_cxcywh = NUMBERS["prior_cxcywh"]  # float64
    assert codec.encode(NUMBERS["gt_xyxy"].astype(dtype), priors_cxcywh).dtype == dtype
    assert codec.decode(NUMBERS["dec_loc"].astype(dtype), priors_cxcywh).dtype == dtype


def test_integers_are_not_rounded_away():
    whole_image = np.array([[0, 0, 1, 1]])
    prior_cxcywh = np.array([[0.5, 0.5, 0.5, 0.5]])
    np.testing.assert_allclose(
        codec.encode(whole_image, prior_cxcywh), [[0, 0, 5 * np.log(2), 5 * np.log(2)]]
    )
    no_offset = np.zeros((1, 4), dtype=int)
    np.testing.assert_array_equal(codec.decode(no_offset, prior_cxcywh), [[0.25, 0.25, 0.75, 0.75]])


def test_inputs_are_unchanged():
    gt_xyxy, loc, priors_cxcywh = (NUMBERS[key].copy() for key in ("gt_xyxy", "dec_loc", "prior_cxcywh"))
    codec.encode(gt_xyxy, priors_cxcywh)
    codec.decode(loc, priors_cxcywh)
    np.testing.assert_array_equal(gt_xyxy, NUMBERS["gt_xyxy"])
    np.testing.assert_array_equal(loc, NUMBERS["dec_loc"])
    np.testing.assert_array_equal(priors_cxcywh, NUMBERS["prior_cxcywh"])


def test_torchvisions_weights_are_the_reciprocal_variances():
    """Its BoxCoder multiplies by (10, 10, 5, 5) what others divide by (.1, .1, .2, .2)."""
    gt_xyxy, priors_cxcywh = NUMBERS["gt_xyxy"], NUMBERS["prior_cxcywh"]
    weighted = codec.encode(gt_xyxy, priors_cxcywh, variances=(1, 1)) * [10, 10, 5, 5]
    np.testing.assert_allclose(codec.encode(gt_xyxy, priors_cxcywh), weighted, rtol=1e-12, atol=1e-12)
