"""Checks of the offsets."""

import numpy as np

from minissd.assignments.marking import points

from . import random_boxes

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
