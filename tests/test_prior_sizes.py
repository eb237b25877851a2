"""Sizes of the default boxes: the paper's scales, and those of the official configurations."""

import numpy as np
import pytest
from prior_configs import with_percents_of_the_paper

from minissd.config import SSD300_COCO, SSD300_VOC, SSD512_COCO, SSD512_VOC
from minissd.errors import InputError
from minissd.priors import integer_sizes, official_sizes, paper_scales


def test_whole_pixels():
    cut = integer_sizes(SSD512_VOC)
    assert cut.min_sizes == (35, 76, 153, 230, 307, 384, 460)
    assert cut.max_sizes == (76, 153, 230, 307, 384, 460, 537)
    assert integer_sizes(SSD300_COCO) == SSD300_COCO


def test_scales_of_equation_4():
    # s_k = .2 + .7 (k - 1) / 5
    np.testing.assert_allclose(paper_scales(6), [0.2, 0.34, 0.48, 0.62, 0.76, 0.9], rtol=1e-14)
    # SSD512, section 3.1: .15 + .75 (k - 1) / 5
    np.testing.assert_allclose(paper_scales(6, s_min=0.15), [0.15, 0.3, 0.45, 0.6, 0.75, 0.9], rtol=1e-14)
    assert paper_scales(1) == [0.2]


@with_percents_of_the_paper
def test_official_sizes_are_those_of_the_configurations(config, percents):
    min_sizes, max_sizes = official_sizes(config.image_size, len(config.feature_maps), *percents)
    np.testing.assert_allclose(min_sizes, config.min_sizes, rtol=1e-14)
    np.testing.assert_allclose(max_sizes, config.max_sizes, rtol=1e-14)


def test_the_official_sizes_are_not_equation_4():
    by_equation_4 = [300 * scale for scale in paper_scales(5)]  # 60, 112.5, 165, 217.5, 270
    assert SSD300_VOC.min_sizes[1:] == (60, 111, 162, 213, 264)  # the step 17.5 % became 17 %
    np.testing.assert_allclose(np.subtract(by_equation_4, SSD300_VOC.min_sizes[1:]), [0, 1.5, 3, 4.5, 6])


def test_official_sizes_need_three_maps():
    with pytest.raises(InputError, match=r"num_maps: 2 .*paper_scales"):
        official_sizes(300, 2, 20, 90, 10)


@pytest.mark.parametrize(
    ("config", "percent"),
    [(SSD300_VOC, 17), (SSD300_COCO, 18), (SSD512_VOC, 15), (SSD512_COCO, 16)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_step_between_the_scales_in_whole_percents(config, percent):
    """floor((90 - smallest) / (maps - 2)); the first map has a scale of its own."""
    steps = np.diff([*config.min_sizes[1:], config.max_sizes[-1]]) / config.image_size
    np.testing.assert_allclose(steps, percent / 100, rtol=1e-12)


def test_scales_of_torchvision():
    """Its ssd300_vgg16 is given the scales of COCO; without any it would take equation 4 from .15 and 1."""
    scales = np.append(SSD300_COCO.min_sizes, SSD300_COCO.max_sizes[-1]) / 300
    np.testing.assert_allclose(scales, [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05], rtol=1e-12)
    by_default = [*paper_scales(6, 0.15, 0.9), 1.0]
    np.testing.assert_allclose(by_default, [0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0], rtol=1e-12)
