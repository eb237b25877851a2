"""Checks of the default boxes."""

import numpy as np

from minissd.assignments.marking import points
from minissd.assignments.submission import Given
from minissd.config import SSD300_VOC, SSD512_VOC, TINY

SSD300 = Given("minissd.config", "SSD300_VOC")
SSD512 = Given("minissd.config", "SSD512_VOC")
TINY_SSD = Given("minissd.config", "TINY")


# -- cell_shapes --------------------------------------------------------------------------------------------


@points("cell_shapes", 3)
def test_shapes_by_hand(ask):
    """Sizes 4 and 9 and ratio 4: squares of side 4 and 6, a box of 8 x 2 and one of 2 x 8."""
    ask("cell_shapes", 4, 9, (4,)).is_close([[4, 4], [6, 6], [8, 2], [2, 8]])


@points("cell_shapes", 3)
def test_each_ratio_is_followed_by_its_reciprocal(ask):
    """With the ratios 4 and 9 the order is: small, large, 4, 1/4, 9, 1/9."""
    shapes = [[36, 36], [48, 48], [72, 18], [18, 72], [108, 12], [12, 108]]
    ask("cell_shapes", 36, 64, (4, 9)).is_close(shapes)


@points("cell_shapes", 2)
def test_without_ratios_two_squares(ask):
    """Without aspect ratios there are two squares."""
    ask("cell_shapes", 30, 60, ()).is_close([[30, 30], [1800**0.5, 1800**0.5]])


@points("cell_shapes", 2)
def test_shapes_of_ssd300(ask, reference):
    """The shapes of all maps of SSD300."""
    for sizes in zip(SSD300_VOC.min_sizes, SSD300_VOC.max_sizes, SSD300_VOC.aspect_ratios):
        ask("cell_shapes", *sizes).is_close(reference.cell_shapes(*sizes))


# -- prior_boxes --------------------------------------------------------------------------------------------


@points("prior_boxes", 3)
def test_a_map_of_one_cell(ask):
    """The one cell of SSD300's last map: its centre is the middle of the image, and 300 pixels are 1."""
    sizes = [[264, 264], [83160**0.5] * 2, [264 * 2**0.5, 264 / 2**0.5], [264 / 2**0.5, 264 * 2**0.5]]
    priors_cxcywh = np.column_stack([np.full((4, 2), 0.5), np.array(sizes) / 300])
    ask("map_priors", SSD300, 5).is_close(priors_cxcywh)


@points("prior_boxes", 4)
def test_order_of_the_boxes(ask, reference):
    """A map of 3 x 3 cells: cell by cell in rows, all boxes of a cell together."""
    ask("map_priors", SSD300, 4).is_close(reference.map_priors(SSD300_VOC, 4))


@points("prior_boxes", 3)
def test_centres_follow_the_step(ask, reference):
    """Map 2 of SSD300 has 10 x 10 cells of 32 pixels: its last centre is at 304 of 300 pixels."""
    answer = ask("map_priors", SSD300, 2)
    answer.has(shape=(600, 4)).is_close(reference.map_priors(SSD300_VOC, 2))


@points("prior_boxes", 5)
def test_all_boxes_of_ssd300(ask, reference):
    """All 8732 default boxes of SSD300, from the finest map to the coarsest."""
    ask("prior_boxes", SSD300).has(shape=(8732, 4)).is_close(reference.prior_boxes(SSD300_VOC))


@points("prior_boxes", 3)
def test_other_networks(ask, reference):
    """Networks with other inputs and other numbers of maps."""
    ask("prior_boxes", TINY_SSD).is_close(reference.prior_boxes(TINY))
    ask("prior_boxes", SSD512).is_close(reference.prior_boxes(SSD512_VOC))
