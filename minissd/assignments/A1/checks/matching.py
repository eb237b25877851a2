"""Checks of the matching."""

import numpy as np

from minissd.assignments.marking import points
from minissd.config import TINY

from . import random_boxes


def columns_of(*intervals):
    """Boxes as high as the image, as corners: their IoU is that of the intervals."""
    return np.array([[left, 0.0, right, 1.0] for left, right in intervals])


def priors_of(*intervals):
    """The same boxes as centres and sizes."""
    return np.array([[(left + right) / 2, 0.5, right - left, 1.0] for left, right in intervals])


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
