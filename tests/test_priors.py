"""Default boxes: hand-worked shapes, known totals, and other implementations' arrays row by row."""

import dataclasses

import numpy as np
import pytest
from reference_numbers import copied_numbers

from minissd import boxes
from minissd.config import CONFIGS, SSD300_COCO, SSD300_VOC, SSD512_COCO, SSD512_VOC, TINY, SSDConfig
from minissd.errors import InputError
from minissd.priors import (
    CLIPS,
    cell_centers,
    cell_shapes,
    integer_sizes,
    map_priors,
    official_sizes,
    paper_scales,
    prior_boxes,
)

# A map of 10 x 10 cells on an image of 100 pixels; min 4, max 9: sqrt(4 * 9) = 6 without rounding.
SMALL = SSDConfig(
    name="small",
    base="tiny",
    num_classes=2,
    image_size=100,
    feature_maps=(10,),
    steps=(10,),
    min_sizes=(4,),
    max_sizes=(9,),
    aspect_ratios=((2,),),
)


# sgrvinod's: scales .1, .2, .375, .55, .725, .9, and a last large square of the whole image, sqrt(.9 / .9).
SGRVINOD = dataclasses.replace(
    cell_centers(SSD300_VOC),
    min_sizes=(30, 60, 112.5, 165, 217.5, 270),
    max_sizes=(60, 112.5, 165, 217.5, 270, 300 / 0.9),
    aspect_ratios=((2, 0.5), *((2, 3, 0.5, 0.333),) * 3, (2, 0.5), (2, 0.5)),
    flip=False,
    clip="center_size",
)

# The TinySSD of Dive into Deep Learning gives both squares of a map: sqrt(min * max) is the larger one.
SQUARES = np.array([[0.2, 0.272], [0.37, 0.447], [0.54, 0.619], [0.71, 0.79], [0.88, 0.961]]) * 256
DIVE_INTO_DEEP_LEARNING = dataclasses.replace(
    TINY,
    feature_maps=(32, 16, 8, 4, 1),
    steps=(8, 16, 32, 64, 256),
    min_sizes=tuple(SQUARES[:, 0]),
    max_sizes=tuple(SQUARES[:, 1] ** 2 / SQUARES[:, 0]),
    aspect_ratios=((2,),) * 5,
)


# Smallest, largest and first scale in percent, from the paper's sections 3.1 and 3.4, footnotes 3 and 5.
with_percents_of_the_paper = pytest.mark.parametrize(
    ("config", "percents"),
    [
        (SSD300_VOC, (20, 90, 10)),
        (SSD300_COCO, (15, 90, 7)),
        (SSD512_VOC, (15, 90, 7)),
        (SSD512_COCO, (10, 90, 4)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)


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


class TestByHand:
    def test_a_cell_of_the_small_map(self):
        priors_px = boxes.cxcywh_to_xyxy(prior_boxes(SMALL)) * 100
        w, h = 2 * np.sqrt(2), np.sqrt(2)  # half sides of ratio 2: 4 sqrt(2) x 4 / sqrt(2)
        first_cell = [[3, 3, 7, 7], [2, 2, 8, 8], [5 - w, 5 - h, 5 + w, 5 + h], [5 - h, 5 - w, 5 + h, 5 + w]]
        np.testing.assert_allclose(priors_px[:4], first_cell, rtol=1e-14)
        np.testing.assert_allclose(priors_px[(4 * 10 + 4) * 4 :][:4] - first_cell, 40, rtol=1e-13)
        np.testing.assert_allclose(
            priors_px[4:8] - first_cell, [[10, 0, 10, 0]] * 4, atol=1e-13
        )  # x runs first

    def test_shapes_of_ssd300_in_pixels(self):
        expected = [
            [(30, 30), (42.426, 42.426), (42.426, 21.213)],
            [(60, 60), (81.609, 81.609), (84.853, 42.426), (103.923, 34.641)],
            [(111, 111), (134.097, 134.097), (156.978, 78.489), (192.258, 64.086)],
            [(162, 162), (185.758, 185.758), (229.103, 114.551), (280.592, 93.531)],
            [(213, 213), (237.133, 237.133), (301.227, 150.614)],
            [(264, 264), (288.375, 288.375), (373.352, 186.676)],
        ]
        config = SSD300_VOC
        for k, shapes in enumerate(expected):
            ours = cell_shapes(config.min_sizes[k], config.max_sizes[k], config.aspect_ratios[k])
            with_flipped = shapes[:2] + [shape for wide in shapes[2:] for shape in (wide, wide[::-1])]
            np.testing.assert_allclose(ours, with_flipped, atol=5e-4)

    def test_caffes_own_test_map_clipped(self):
        """Sizes 8 and sqrt(8 * 18) = 12 around (.05, .05); of the larger, .01 is cut off."""
        config = dataclasses.replace(SMALL, min_sizes=(8,), max_sizes=(18,), clip=True)
        priors_xyxy = boxes.cxcywh_to_xyxy(prior_boxes(config))
        np.testing.assert_allclose(priors_xyxy[0], [0.01, 0.01, 0.09, 0.09], atol=1e-15)
        np.testing.assert_allclose(priors_xyxy[1], [0, 0, 0.11, 0.11], atol=1e-15)

    def test_ratios_without_their_reciprocals(self):
        shapes = np.array(cell_shapes(30, 60, (2, 3, 0.5, 0.333), flip=False))
        np.testing.assert_allclose(shapes[:, 0] / shapes[:, 1], [1, 1, 2, 3, 1 / 2, 0.333], rtol=1e-14)
        same = cell_shapes(30, 60, (2, 0.5), flip=False), cell_shapes(30, 60, (2,))
        np.testing.assert_allclose(*same, rtol=1e-14)
        config = dataclasses.replace(SMALL, aspect_ratios=((3,),), flip=False)
        assert prior_boxes(config).shape == (config.num_priors, 4) == (300, 4)

    def test_shapes_of_one_ratio_have_the_same_area(self):
        shapes = np.array(cell_shapes(30, 60, (2, 3)))
        np.testing.assert_allclose(shapes.prod(axis=1), [900, 1800, 900, 900, 900, 900], rtol=1e-14)
        np.testing.assert_allclose(shapes[:, 0] / shapes[:, 1], [1, 1, 2, 1 / 2, 3, 1 / 3], rtol=1e-14)

    def test_first_rows_of_ssd300(self):
        expected = [
            [0.013333, 0.013333, 0.1, 0.1],
            [0.013333, 0.013333, 0.141421, 0.141421],
            [0.013333, 0.013333, 0.141421, 0.070711],
            [0.013333, 0.013333, 0.070711, 0.141421],
            [0.04, 0.013333, 0.1, 0.1],
        ]
        np.testing.assert_allclose(prior_boxes(SSD300_VOC)[:5], expected, atol=5e-7)


@pytest.mark.parametrize(
    ("config", "sums"),
    [
        (SSD300_VOC, (4443.946667, 4443.946667, 1510.429285, 1510.429285)),
        (SSD512_VOC, (12282, 12282, 3146.141697, 3146.141697)),
        (SSD512_COCO, (12282, 12282, 2192.471071, 2192.471071)),
        # not symmetric because of .333
        (dataclasses.replace(SGRVINOD, clip=False), (4366, 4366, 1516.829126, 1516.971763)),
        (SGRVINOD, (4366, 4366, 1516.328590, 1516.471227)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_column_sums(config, sums):
    np.testing.assert_allclose(prior_boxes(config).sum(axis=0), sums, atol=5e-7)


@pytest.mark.parametrize(
    ("config", "outside", "on_border", "over_border"),
    # 38 * 8 = 304 and 10 * 32 = 320 pixels are more than 300: steps of SSD300 run out of the image
    [(SSD300_VOC, 114, 300, 2869), (SSD300_COCO, 114, 300, 2223), (SSD512_VOC, 0, 0, 5486)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_boxes_at_the_border(config, outside, on_border, over_border):
    priors_cxcywh = prior_boxes(config)
    priors_xyxy = boxes.cxcywh_to_xyxy(priors_cxcywh)
    farthest = priors_cxcywh[:, :2].max(axis=1)
    assert (farthest > 1).sum() == outside
    assert (farthest == 1).sum() == on_border
    tolerance = 1e-12  # a box that ends at the border does not cross it
    assert ((priors_xyxy < -tolerance) | (priors_xyxy > 1 + tolerance)).any(axis=1).sum() == over_border


@pytest.mark.parametrize("clip", [True, "corners"])
def test_clip_cuts_the_corners_of_every_box_over_the_border(clip):
    unclipped, clipped = prior_boxes(SSD300_VOC), prior_boxes(dataclasses.replace(SSD300_VOC, clip=clip))
    changed = (np.abs(clipped - unclipped) > 1e-12).any(axis=1)
    assert changed.sum() == 2869
    clipped_xyxy = boxes.cxcywh_to_xyxy(clipped)
    np.testing.assert_allclose(clipped_xyxy, boxes.cxcywh_to_xyxy(unclipped).clip(0, 1), atol=1e-15)
    assert (clipped[:, 2:] > 0).all()


@pytest.mark.parametrize(
    ("config", "clip", "centers", "sizes"),
    # amdegroot's way moves the centres beyond the border back to it; torchvision's leaves them
    [
        (SSD300_VOC, "center_size", 114, 20),
        (SSD300_COCO, "center_size", 114, 2),
        (SSD300_COCO, "size", 0, 2),
        (SSD300_VOC, False, 0, 0),
    ],
)
def test_limiting_the_numbers_changes_few_boxes_and_cuts_none(config, clip, centers, sizes):
    changed = prior_boxes(dataclasses.replace(config, clip=clip)) != prior_boxes(config)
    assert changed[:, :2].any(axis=1).sum() == centers
    assert changed[:, 2:].any(axis=1).sum() == sizes
    assert changed.any(axis=1).sum() == centers + sizes


def test_clips_by_hand():
    """A box of 1.2 x .4 around (1.1, .5), and what each rule makes of it."""
    box = np.array([[1.1, 0.5, 1.2, 0.4]])
    expected = {
        False: [1.1, 0.5, 1.2, 0.4],
        "corners": [0.75, 0.5, 0.5, 0.4],  # x from .5 to 1.7
        "center_size": [1, 0.5, 1, 0.4],
        "size": [1.1, 0.5, 1, 0.4],
    }
    for clip, limited in expected.items():
        np.testing.assert_allclose(CLIPS[clip](box), [limited], rtol=1e-14)
    assert set(CLIPS) == {*expected, True}
    np.testing.assert_array_equal(box, [[1.1, 0.5, 1.2, 0.4]])


def test_an_unknown_clip():
    config = dataclasses.replace(SMALL, clip="border")
    with pytest.raises(InputError, match=r"small: no clip 'border' .choose one of False, True, corners"):
        prior_boxes(config)


class TestCenters:
    def test_of_each_map_of_ssd300(self):
        """They run from half a step to the last step; 38 * 8, 10 * 32 and 5 * 64 pixels are not 300."""
        first = [0.013333, 0.026667, 0.053333, 0.106667, 0.166667, 0.5]
        last = [1.0, 0.986667, 1.013333, 0.96, 0.833333, 0.5]
        for k in range(6):
            centers = map_priors(SSD300_VOC, k)[:, :2]
            np.testing.assert_allclose([centers.min(), centers.max()], [first[k], last[k]], atol=5e-7)

    def test_in_the_middle_of_the_cells(self):
        """The paper's (i + .5) / |f_k|; it moves the last centres by up to 19 pixels."""
        paper = cell_centers(SSD300_VOC)
        farthest = [3.95, 3.89, 19, 18, 0, 0]
        for k, side in enumerate(paper.feature_maps):
            ours = map_priors(paper, k)
            np.testing.assert_allclose(np.unique(ours[:, 0].round(12)), (np.arange(side) + 0.5) / side)
            moved_px = np.abs(ours - map_priors(SSD300_VOC, k)) * 300
            assert moved_px[:, :2].max() == pytest.approx(farthest[k], abs=0.005)
            assert moved_px[:, 2:].max() == 0

    def test_the_steps_of_ssd512_fill_the_image(self):
        np.testing.assert_array_equal(cell_centers(SSD512_VOC).steps, SSD512_VOC.steps)


def test_whole_pixels():
    cut = integer_sizes(SSD512_VOC)
    assert cut.min_sizes == (35, 76, 153, 230, 307, 384, 460)
    assert cut.max_sizes == (76, 153, 230, 307, 384, 460, 537)
    assert integer_sizes(SSD300_COCO) == SSD300_COCO


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
class TestEveryConfiguration:
    def test_number_and_dtype(self, config):
        priors_cxcywh = prior_boxes(config)
        assert priors_cxcywh.shape == (config.num_priors, 4)
        assert priors_cxcywh.dtype == np.float64

    def test_row_of_a_box_is_map_row_column_shape(self, config):
        """Box b of cell (i, j) of map k, computed alone, stands where the network predicts it."""
        start = 0
        for k, (side, boxes_per_cell) in enumerate(zip(config.feature_maps, config.boxes_per_cell)):
            shapes = cell_shapes(config.min_sizes[k], config.max_sizes[k], config.aspect_ratios[k])
            assert len(shapes) == boxes_per_cell
            of_map = map_priors(config, k)
            np.testing.assert_array_equal(of_map, prior_boxes(config)[start : start + len(of_map)])
            for i, j, b in [(0, 0, 0), (0, side - 1, 1), (side // 2, side // 3, 2), (side - 1, 0, 3)]:
                center_px = (j + 0.5) * config.steps[k], (i + 0.5) * config.steps[k]
                box_px = of_map[(i * side + j) * boxes_per_cell + b] * config.image_size
                np.testing.assert_allclose(box_px, [*center_px, *shapes[b]], rtol=1e-14)
            start += len(of_map)


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
    ("config", "boxes_of_map"),
    [
        (SSD300_VOC, [5776, 2166, 600, 150, 36, 4]),
        (SSD512_VOC, [16384, 6144, 1536, 384, 96, 16, 4]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_number_of_boxes_of_each_map(config, boxes_of_map):
    """Two thirds of all are on the finest map."""
    assert [len(map_priors(config, k)) for k in range(len(config.feature_maps))] == boxes_of_map
    assert sum(boxes_of_map) == config.num_priors


@pytest.mark.parametrize(
    ("config", "percent"),
    [(SSD300_VOC, 17), (SSD300_COCO, 18), (SSD512_VOC, 15), (SSD512_COCO, 16)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_step_between_the_scales_in_whole_percents(config, percent):
    """floor((90 - smallest) / (maps - 2)); the first map has a scale of its own."""
    steps = np.diff([*config.min_sizes[1:], config.max_sizes[-1]]) / config.image_size
    np.testing.assert_allclose(steps, percent / 100, rtol=1e-12)


def test_steps_that_do_not_fill_an_image_of_300_pixels():
    filled = [side * step for side, step in zip(SSD300_VOC.feature_maps, SSD300_VOC.steps)]
    assert filled == [304, 304, 320, 320, 300, 300]
    assert {side * step for side, step in zip(SSD512_VOC.feature_maps, SSD512_VOC.steps)} == {512}


def test_scales_of_torchvision():
    """Its ssd300_vgg16 is given the scales of COCO; without any it would take equation 4 from .15 and 1."""
    scales = np.append(SSD300_COCO.min_sizes, SSD300_COCO.max_sizes[-1]) / 300
    np.testing.assert_allclose(scales, [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05], rtol=1e-12)
    by_default = [*paper_scales(6, 0.15, 0.9), 1.0]
    np.testing.assert_allclose(by_default, [0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0], rtol=1e-12)


def test_nvidias_order_has_one_shape_after_the_other():
    """All cells of the first shape, then all of the second: the same boxes in rows where others stand."""
    ours = map_priors(SSD300_VOC, 2)  # 10 x 10 cells of six shapes
    nvidias = ours.reshape(100, 6, 4).transpose(1, 0, 2).reshape(600, 4)
    assert (nvidias[:100, 2:] == nvidias[0, 2:]).all() and (nvidias[100:200, 2:] == nvidias[100, 2:]).all()
    np.testing.assert_array_equal(nvidias[1, :2], ours[6, :2])  # the next cell
    assert (nvidias != ours).any(axis=1).sum() == 598  # only the first and the last box stay in their places
