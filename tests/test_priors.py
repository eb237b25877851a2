"""Default boxes: hand-worked shapes, known totals, the border of the image, and the order of the rows."""

import dataclasses

import numpy as np
import pytest
from prior_configs import SGRVINOD, SMALL

from minissd import boxes
from minissd.config import CONFIGS, SSD300_COCO, SSD300_VOC, SSD512_COCO, SSD512_VOC
from minissd.errors import InputError
from minissd.priors import CLIPS, cell_centers, cell_shapes, map_priors, prior_boxes


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


def test_steps_that_do_not_fill_an_image_of_300_pixels():
    filled = [side * step for side, step in zip(SSD300_VOC.feature_maps, SSD300_VOC.steps)]
    assert filled == [304, 304, 320, 320, 300, 300]
    assert {side * step for side, step in zip(SSD512_VOC.feature_maps, SSD512_VOC.steps)} == {512}


def test_nvidias_order_has_one_shape_after_the_other():
    """All cells of the first shape, then all of the second: the same boxes in rows where others stand."""
    ours = map_priors(SSD300_VOC, 2)  # 10 x 10 cells of six shapes
    nvidias = ours.reshape(100, 6, 4).transpose(1, 0, 2).reshape(600, 4)
    assert (nvidias[:100, 2:] == nvidias[0, 2:]).all() and (nvidias[100:200, 2:] == nvidias[100, 2:]).all()
    np.testing.assert_array_equal(nvidias[1, :2], ours[6, :2])  # the next cell
    assert (nvidias != ours).any(axis=1).sum() == 598  # only the first and the last box stay in their places
