"""Checks of A1: boxes, default boxes, offsets and matching."""

import numpy as np

from minissd.assignments.marking import points
from minissd.assignments.submission import Given
from minissd.config import SSD300_VOC, SSD512_VOC, TINY

SSD300 = Given("minissd.config", "SSD300_VOC")
SSD512 = Given("minissd.config", "SSD512_VOC")
TINY_SSD = Given("minissd.config", "TINY")
FLOAT32 = 2e-6  # by so much may an overlap be off that was computed in float32


def random_boxes(rng, *shape, smallest=0.05):
    """Boxes as corners, somewhere in the image, none empty."""
    upper_left = rng.uniform(0, 0.7, (*shape, 2))
    size = rng.uniform(smallest, 0.3, (*shape, 2))
    return np.concatenate([upper_left, upper_left + size], axis=-1)


def columns_of(*intervals):
    """Boxes as high as the image, as corners: their IoU is that of the intervals."""
    return np.array([[left, 0.0, right, 1.0] for left, right in intervals])


def priors_of(*intervals):
    """The same boxes as centres and sizes."""
    return np.array([[(left + right) / 2, 0.5, right - left, 1.0] for left, right in intervals])


# -- box_forms ----------------------------------------------------------------------------------------------


@points("box_forms", 2)
def test_corners_of_two_boxes(ask):
    """From centres and sizes to corners: half of the width lies on each side of the centre."""
    boxes_cxcywh = [[0.5, 0.4, 0.2, 0.6], [0.25, 0.5, 0.5, 0.125]]
    ask("cxcywh_to_xyxy", boxes_cxcywh).is_close([[0.4, 0.1, 0.6, 0.7], [0.0, 0.4375, 0.5, 0.5625]])


@points("box_forms", 2)
def test_centres_and_sizes_of_two_boxes(ask):
    """From corners to centres and sizes: the centre is the mean of the corners, the size their distance."""
    boxes_xyxy = [[0.1, 0.2, 0.5, 0.3], [0.25, 0.0, 0.5, 1.0]]
    ask("xyxy_to_cxcywh", boxes_xyxy).is_close([[0.3, 0.25, 0.4, 0.1], [0.375, 0.5, 0.25, 1.0]])


@points("box_forms", 2)
def test_any_number_of_axes(ask, rng, reference):
    """The four numbers are the last axis, for one box as for a batch of boxes; float32 stays float32."""
    for shape in (), (2, 3):
        boxes_xyxy = random_boxes(rng, *shape).astype(np.float32)
        boxes_cxcywh = reference.xyxy_to_cxcywh(boxes_xyxy)
        ask("xyxy_to_cxcywh", boxes_xyxy).is_close(boxes_cxcywh).has(dtype=np.float32)
        ask("cxcywh_to_xyxy", boxes_cxcywh).is_close(boxes_xyxy, rtol=1e-5).has(dtype=np.float32)


@points("box_forms", 2)
def test_there_and_back(ask, rng, reference):
    """A thousand boxes come back as they were."""
    boxes_xyxy = random_boxes(rng, 1000)
    boxes_cxcywh = ask("xyxy_to_cxcywh", boxes_xyxy).is_close(reference.xyxy_to_cxcywh(boxes_xyxy)).value
    ask("cxcywh_to_xyxy", boxes_cxcywh).is_close(boxes_xyxy)


# -- iou ----------------------------------------------------------------------------------------------------


@points("iou", 3)
def test_two_squares_that_share_a_quarter(ask):
    """Two squares of side 2 that share a unit square have IoU 1/7."""
    ask("iou", [[0.0, 0.0, 2.0, 2.0]], [[1.0, 1.0, 3.0, 3.0]]).is_close([[1 / 7]])


@points("iou", 3)
def test_every_box_with_every_box(ask):
    """Row i and column j hold the IoU of box i of the first array and box j of the second."""
    a_xyxy = [[0.0, 0.0, 4.0, 2.0], [2.0, 0.0, 4.0, 4.0]]
    b_xyxy = [[0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 4.0, 2.0], [0.0, 0.0, 4.0, 4.0]]
    ask("iou", a_xyxy, b_xyxy).is_close([[1 / 2, 1 / 2, 1 / 2], [0, 1 / 2, 1 / 2]])


@points("iou", 3)
def test_boxes_apart_share_nothing(ask):
    """Boxes that are apart have IoU 0: in x, in y, and in both."""
    b_xyxy = [[2.0, 2.0, 3.0, 3.0], [3.0, 0.0, 4.0, 1.0], [0.0, 2.0, 1.0, 3.0], [0.0, 0.0, 1.0, 2.0]]
    ask("iou", [[0.0, 0.0, 1.0, 1.0]], b_xyxy).is_close([[0, 0, 0, 1 / 2]])


@points("iou", 2)
def test_small_boxes(ask):
    """A box and its half have IoU 1/2, however small they are: nothing is added to sides or areas."""
    b_xyxy = [[0.5, 0.5, 0.52, 0.51], [0.5, 0.5, 0.52, 0.52]]
    hint = "Is a small number added to the union, against a division by 0? Ask where the union is 0 instead."
    ask("iou", [[0.5, 0.5, 0.52, 0.52]], b_xyxy).is_close([[1 / 2, 1]], atol=FLOAT32, hint=hint)


@points("iou", 2)
def test_empty_boxes_and_touching_boxes(ask):
    """A box without area has IoU 0, also with another one; boxes that only touch share nothing."""
    a_xyxy = [[0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.5, 0.5]]
    b_xyxy = [[0.25, 0.25, 0.25, 0.25], [0.5, 0.0, 1.0, 0.5], [0.0, 0.0, 0.5, 0.25]]
    ask("iou", a_xyxy, b_xyxy).is_close([[0, 0, 0], [0, 0, 1 / 2]])


@points("iou", 3)
def test_many_boxes(ask, rng, reference):
    """All IoUs of 400 boxes and 30 boxes, and an array without columns if there are no boxes."""
    a_xyxy, b_xyxy = random_boxes(rng, 400), random_boxes(rng, 30)
    ask("iou", a_xyxy, b_xyxy).is_close(reference.iou(a_xyxy, b_xyxy), atol=FLOAT32)
    ask("iou", a_xyxy, np.zeros((0, 4))).has(shape=(400, 0))


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


# -- encode -------------------------------------------------------------------------------------------------


@points("encode", 3)
def test_offsets_by_hand(ask):
    """An object a tenth of the prior's width to the right and e times as large has the offsets 1, 0, 5, 5."""
    half = 0.1 * np.e
    gt_xyxy = [[0.52 - half, 0.5 - half, 0.52 + half, 0.5 + half]]
    ask("encode", gt_xyxy, [[0.5, 0.5, 0.2, 0.2]]).is_close([[1, 0, 5, 5]])


@points("encode", 3)
def test_width_and_height_are_used_apart(ask):
    """Offsets in x are measured in widths of the default box, offsets in y in its heights."""
    gt_xyxy, prior_cxcywh = [[0.25, 0.5, 0.75, 0.75]], [[0.4, 0.5, 0.4, 0.25]]
    ask("encode", gt_xyxy, prior_cxcywh).is_close([[2.5, 5, 5 * np.log(1.25), 0]])


@points("encode", 2)
def test_other_variances(ask):
    """Variances are parameters: with 1 and 1 the offsets are those of the paper's equation 2."""
    gt_xyxy, prior_cxcywh = [[0.25, 0.5, 0.75, 0.75]], [[0.4, 0.5, 0.4, 0.25]]
    ask("encode", gt_xyxy, prior_cxcywh, (1.0, 1.0)).is_close([[0.25, 0.5, np.log(1.25), 0]])
    ask("encode", gt_xyxy, prior_cxcywh, (0.5, 0.25)).is_close([[0.5, 1, 4 * np.log(1.25), 0]])


@points("encode", 2)
def test_many_offsets(ask, rng, reference):
    """Two hundred objects and their default boxes."""
    gt_xyxy, priors_cxcywh = random_boxes(rng, 200), reference.xyxy_to_cxcywh(random_boxes(rng, 200))
    ask("encode", gt_xyxy, priors_cxcywh).is_close(reference.encode(gt_xyxy, priors_cxcywh))


# -- decode -------------------------------------------------------------------------------------------------


@points("decode", 2)
def test_a_moved_box(ask):
    """An offset of 1 in x moves a box of width 0.4 by 0.04; its corners come back."""
    ask("decode", [[1.0, 0.0, 0.0, 0.0]], [[0.6, 0.5, 0.4, 0.2]]).is_close([[0.44, 0.4, 0.84, 0.6]])


@points("decode", 2)
def test_a_grown_box_is_not_cut(ask):
    """A size offset of 5 ln 2 doubles a side, also over the border of the image."""
    loc, prior_cxcywh = [[0.0, -5.0, 5 * np.log(2), -5 * np.log(2)]], [[0.6, 0.5, 0.6, 0.2]]
    ask("decode", loc, prior_cxcywh).is_close([[0.0, 0.35, 1.2, 0.45]])


@points("decode", 2)
def test_several_images_and_other_variances(ask, rng, reference):
    """Offsets of shape (N, P, 4), with variances 0.5 and 0.25."""
    loc, priors_cxcywh = rng.normal(size=(3, 5, 4)), reference.xyxy_to_cxcywh(random_boxes(rng, 5))
    expected = reference.decode(loc, priors_cxcywh, (0.5, 0.25))
    ask("decode", loc, priors_cxcywh, variances=(0.5, 0.25)).is_close(expected)


@points("decode", 2)
def test_decode_undoes_encode(ask, rng, reference):
    """Two hundred boxes come back from their offsets."""
    gt_xyxy, priors_cxcywh = random_boxes(rng, 200), reference.xyxy_to_cxcywh(random_boxes(rng, 200))
    ask("decode", reference.encode(gt_xyxy, priors_cxcywh), priors_cxcywh).is_close(gt_xyxy)


# -- force_bipartite ----------------------------------------------------------------------------------------


@points("force_bipartite", 3)
def test_two_objects_that_want_the_same_prior(ask):
    """Both overlap prior 0 best. The second overlaps it more; the first must take another one."""
    ask("force_bipartite", [[0.6, 0.7], [0.4, 0.0], [0.3, 0.2]]).equals([1, 0])


@points("force_bipartite", 4)
def test_best_pair_of_all_first(ask):
    """Object 2 takes prior 1, then object 0 takes prior 0, and object 1 the better one of the rest."""
    iou = np.array([[0.59, 0.47, 0.05, 0.21], [0.46, 0.28, 0.01, 0.44], [0.54, 0.89, 0.25, 0.13]]).T
    ask("force_bipartite", iou).equals([0, 3, 1])


@points("force_bipartite", 3)
def test_an_object_without_overlap_forces_nothing(ask):
    """An object whose IoUs are all 0 has -1; so has one whose priors are all taken."""
    ask("force_bipartite", [[0.3, 0.0, 0.0], [0.1, 0.0, 0.2], [0.0, 0.0, 0.0]]).equals([0, -1, 1])
    ask("force_bipartite", [[0.3, 0.4]]).equals([-1, 0])


@points("force_bipartite", 1)
def test_ties(ask):
    """On equal IoUs the lowest prior comes first, then the lowest object."""
    ask("force_bipartite", [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]).equals([0, 1])


@points("force_bipartite", 3)
def test_many_objects(ask, rng, reference):
    """Twelve objects that compete for twenty priors."""
    iou = rng.uniform(size=(20, 12)) * rng.integers(0, 2, (20, 12)) * np.linspace(1, 0.1, 20)[:, None]
    ask("force_bipartite", iou).equals(reference.force_bipartite(iou))


# -- match --------------------------------------------------------------------------------------------------


@points("match", 2)
def test_two_objects_and_three_priors(ask):
    """The left object fills most of prior 0, the small one in the middle overlaps prior 2 best."""
    priors_cxcywh = [[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 1.0], [0.5, 0.5, 0.2, 0.2]]
    ask("match", [[0.0, 0.0, 0.5, 0.6], [0.45, 0.4, 0.6, 0.6]], priors_cxcywh).equals([0, -1, 1])


@points("match", 3)
def test_every_object_gets_its_best_prior(ask):
    """A small object reaches the threshold nowhere, and still gets the prior that it overlaps best."""
    priors_cxcywh = priors_of((0.0, 0.5), (0.5, 1.0), (0.0, 1.0))
    ask("match", columns_of((0.6, 0.7)), priors_cxcywh).equals([-1, 0, -1])


@points("match", 2)
def test_exactly_the_threshold_is_enough(ask):
    """A prior whose IoU is exactly 0.5 is matched; one with 0.25 is, if that is the threshold."""
    priors_cxcywh = priors_of((0.0, 0.25), (0.0, 0.5), (0.0, 1.0))
    ask("match", columns_of((0.0, 0.25)), priors_cxcywh).equals([0, 0, -1])
    ask("match", columns_of((0.0, 0.25)), priors_cxcywh, iou_threshold=0.25).equals([0, 0, 0])


@points("match", 2)
def test_no_object_is_lost_to_another(ask):
    """Two objects overlap prior 0 best. The first overlaps it more; the second gets prior 1."""
    priors_cxcywh = priors_of((0.0, 0.4), (0.2, 0.9), (0.9, 1.0))
    ask("match", columns_of((0.0, 0.4), (0.1, 0.4)), priors_cxcywh).equals([0, 1, -1])


@points("match", 2)
def test_a_forced_match_overrides_the_threshold(ask):
    """Prior 0 overlaps object 1 best, but object 1 has a better prior, and object 0 only this one."""
    priors_cxcywh = priors_of((0.0, 0.5), (0.1, 0.6), (0.7, 1.0))
    ask("match", columns_of((0.0, 0.34), (0.1, 0.58)), priors_cxcywh).equals([0, 1, -1])


@points("match", 2)
def test_an_object_that_overlaps_no_prior(ask):
    """An object that overlaps no prior takes none; without objects all is background."""
    priors_cxcywh = priors_of((0.0, 0.25), (0.25, 0.5), (0.5, 0.75))
    ask("match", columns_of((0.3, 0.5), (0.8, 0.9)), priors_cxcywh).equals([-1, 0, -1])
    ask("match", np.zeros((0, 4)), priors_cxcywh).equals([-1, -1, -1])


@points("match", 3)
def test_a_whole_network(ask, rng, reference):
    """All default boxes of the small network, and forty objects that stand in pairs, one behind the other."""
    gt_xyxy, priors_cxcywh = random_boxes(rng, 20), reference.prior_boxes(TINY)
    gt_xyxy = np.concatenate([gt_xyxy, gt_xyxy + rng.uniform(-0.01, 0.01, gt_xyxy.shape)])
    ask("match", gt_xyxy, priors_cxcywh, 0.45).equals(reference.match(gt_xyxy, priors_cxcywh, 0.45))
