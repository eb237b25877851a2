"""The view of mining: which default boxes take part, and where the cut is."""

import re

import numpy as np
import pytest

from minissd import explore
from minissd.errors import InputError
from minissd.explore.mining import class_targets
from minissd.matching import match
from minissd.mining import hard_negatives
from minissd.priors import prior_boxes
from minissd.softmax import softmax_cross_entropy


@pytest.fixture
def view(widgets, image, objects, snapshots, config):
    return explore.mining(image, *objects, snapshots, config)


def counts(view):
    return [int(n) for n in re.findall(r"(?:positive|mined|ignored): (\d+)", view.text.value)]


def test_targets_are_the_classes_of_the_matched_objects(objects, config):
    gt_xyxy, labels = objects
    priors_cxcywh = prior_boxes(config)
    matched_gt = match(gt_xyxy, priors_cxcywh)
    expected = [labels[g] if g >= 0 else 0 for g in matched_gt]
    np.testing.assert_array_equal(class_targets(gt_xyxy, labels, priors_cxcywh), expected)


def test_targets_without_objects(config):
    assert not class_targets(np.zeros((0, 4)), [], prior_boxes(config)).any()


def test_counts_follow_the_ratio(view, config):
    positive, mined, ignored = counts(view)
    assert positive > 3 and mined == 3 * positive and positive + mined + ignored == config.num_priors
    view.controls["ratio"].value = 1.5
    assert counts(view)[1] == int(1.5 * positive)
    view.controls["ratio"].value = 0
    assert counts(view)[1:] == [0, config.num_priors - positive]


def test_the_cut_is_the_smallest_mined_loss_of_this_step(view, snapshots, objects, config):
    conf_target = class_targets(*objects, prior_boxes(config))
    for one in snapshots:
        view.controls["step"].value = one.step
        conf_loss, _ = softmax_cross_entropy(one.conf, conf_target)
        mined = hard_negatives(conf_loss[None], conf_target[None] > 0)[0]
        assert f"the smallest {conf_loss[mined].min():.3f}" in view.text.value


def test_the_steps_are_those_of_the_snapshots(view):
    assert view.controls["step"].options == (0, 10)


def test_an_image_without_objects(widgets, image, snapshots, config):
    view = explore.mining(image, np.zeros((0, 4)), [], snapshots, config)
    assert counts(view) == [0, 0, config.num_priors]


def test_no_snapshots(image, objects, config):
    with pytest.raises(InputError, match="record_training"):
        explore.mining(image, *objects, [], config)
