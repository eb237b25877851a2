"""Default boxes beside other implementations' arrays, row by row."""

import dataclasses

import numpy as np
import pytest
from prior_configs import DIVE_INTO_DEEP_LEARNING, SGRVINOD, SMALL
from reference_numbers import copied_numbers

from minissd import boxes
from minissd.config import SSD300_COCO, SSD300_VOC, SSD512_VOC
from minissd.priors import integer_sizes, prior_boxes


@pytest.fixture(params=["copied rows", "complete"])
def reference(request, shared_numbers):
    """A function (key, number of priors) -> (rows, the reference's values in these rows)."""
    if request.param == "complete":
        numbers = shared_numbers("priors")
        return lambda key, num_priors: (np.arange(num_priors), numbers[key])
    numbers = copied_numbers("priors")
    rows = {8732: numbers["rows300"], 24564: numbers["rows512"], 5444: np.arange(5444)}
    return lambda key, num_priors: (rows[num_priors], numbers[key])


class TestOtherImplementations:
    @pytest.mark.parametrize(
        ("key", "config"),
        [
            ("amd_voc300_noclip_f64", SSD300_VOC),
            ("ccv_ssd300_cxcywh_f64", SSD300_VOC),
            ("ccv_ssd512_cxcywh_f64", SSD512_VOC),
        ],
    )
    def test_float64(self, reference, key, config):
        rows, expected = reference(key, config.num_priors)
        np.testing.assert_allclose(prior_boxes(config)[rows], expected, rtol=0, atol=1e-15)

    @pytest.mark.parametrize(
        ("key", "config"),
        [
            ("caffe_voc300_xyxy_f32", SSD300_VOC),
            ("caffe_voc512_xyxy_f32", integer_sizes(SSD512_VOC)),
            ("d2l_tinyssd_xyxy_f32", DIVE_INTO_DEEP_LEARNING),
        ],
    )
    def test_corners_in_float32(self, reference, key, config):
        rows, expected_xyxy = reference(key, config.num_priors)
        priors_xyxy = boxes.cxcywh_to_xyxy(prior_boxes(config))[rows]
        np.testing.assert_allclose(priors_xyxy, expected_xyxy, rtol=0, atol=2e-6)

    def test_caffe_cuts_the_sizes_of_ssd512_to_whole_pixels(self, reference):
        rows, caffe_xyxy = reference("caffe_voc512_xyxy_f32", 24564)
        difference = boxes.xyxy_to_cxcywh(caffe_xyxy) - prior_boxes(SSD512_VOC)[rows]
        assert np.abs(difference[:, :2]).max() < 2e-6  # the centres agree
        assert 1 < np.abs(difference[:, 2:]).max() * 512 < 1.4  # pixels

    @pytest.mark.parametrize(
        ("key", "config", "clip"),
        [
            ("amd_voc300_clip_f32", SSD300_VOC, "center_size"),
            ("tv_ssd300_cxcywh_f32", SSD300_COCO, "size"),  # torchvision's sizes are those of COCO
            ("sgr_ssd300_f32", SGRVINOD, "center_size"),
        ],
    )
    def test_limited_numbers(self, reference, key, config, clip):
        rows, expected = reference(key, config.num_priors)
        ours = prior_boxes(dataclasses.replace(config, clip=clip))[rows]
        np.testing.assert_allclose(ours, expected, rtol=0, atol=2e-7)
        cut = prior_boxes(dataclasses.replace(config, clip="corners"))[rows]
        assert np.abs(cut - expected).max() > 0.1  # limiting centres and sizes is not cutting

    def test_lufficc_wrote_537_65_for_537_6(self, reference):
        rows, expected = reference("luf_voc512_f32", 24564)
        max_sizes = (*SSD512_VOC.max_sizes[:-1], 537.65)
        ours = prior_boxes(dataclasses.replace(SSD512_VOC, max_sizes=max_sizes))[rows]
        np.testing.assert_allclose(ours, expected, rtol=0, atol=2e-6)

    def test_caffes_own_test_map(self):
        expected_xyxy = copied_numbers("priors")["caffe_small_10x10_img100_xyxy_f32"]
        np.testing.assert_allclose(boxes.cxcywh_to_xyxy(prior_boxes(SMALL)), expected_xyxy, rtol=0, atol=2e-6)
