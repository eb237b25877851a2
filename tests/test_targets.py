"""Targets of one image, by hand."""

import numpy as np
import pytest

from minissd.errors import InputError
from minissd.targets import make_targets

PRIORS_CXCYWH = np.array([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5], [0.75, 0.25, 0.5, 0.5]])


def test_targets_by_hand():
    gt_xyxy = np.array([[0.55, 0.5, 1.05, 1.0], [0.0, 0.0, 0.5, 0.5]])
    loc_target, conf_target = make_targets(gt_xyxy, np.array([7, 2]), PRIORS_CXCYWH)
    np.testing.assert_array_equal(conf_target, [2, 7, 0])
    # ground truth 0 is 0.05 to the right of prior 1, a tenth of its width: 0.1 / 0.1 = 1
    np.testing.assert_allclose(loc_target, [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], atol=1e-6)
    assert loc_target.dtype == np.float32


def test_an_image_without_objects_is_all_background():
    loc_target, conf_target = make_targets(np.zeros((0, 4)), np.zeros(0, int), PRIORS_CXCYWH)
    assert not loc_target.any()
    assert not conf_target.any()


def test_labels_that_fit_no_object_are_refused():
    """Labels that count from 0 would turn the first class into background without a word."""
    gt_xyxy = np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]])
    with pytest.raises(InputError, match=r"labels: 0 is no class of objects \(count from 1"):
        make_targets(gt_xyxy, np.array([0, 1]), PRIORS_CXCYWH)
    with pytest.raises(InputError, match="labels: 1 for 2 boxes"):
        make_targets(gt_xyxy, np.array([1]), PRIORS_CXCYWH)
