"""Training that is watched: predictions for one image, on the way."""

import numpy as np
import pytest

from minissd.data import DrawnScenes, network_input
from minissd.explore import record_training, snapshot
from minissd.explore.mining import class_targets
from minissd.models import SSD
from minissd.softmax import softmax_cross_entropy


@pytest.fixture
def scenes():
    return DrawnScenes(length=2, seed=3, class_names=("circle", "square", "cross"), clutter=0)


def test_a_snapshot_is_what_the_network_predicts(scenes, config):
    model = SSD(config, np.random.default_rng(1))
    taken = snapshot(model, scenes[0].image, step=7)
    loc, conf = model.eval().forward(network_input([scenes[0].image], config))
    assert taken.step == 7
    np.testing.assert_array_equal(taken.loc, loc[0])
    np.testing.assert_array_equal(taken.conf, conf[0])


@pytest.mark.parametrize("mode", [True, False])
def test_the_model_stays_in_its_mode(scenes, config, mode):
    model = SSD(config).train(mode)
    snapshot(model, scenes[0].image)
    assert model.training == mode


def test_the_first_is_untrained_and_the_loss_falls(scenes, config):
    scene = scenes[0]
    taken = record_training(config, scenes, scene.image, steps=(0, 3, 12), batch_size=2)
    assert [one.step for one in taken] == [0, 3, 12]
    untrained = snapshot(SSD(config, np.random.default_rng(0)), scene.image)
    np.testing.assert_array_equal(taken[0].conf, untrained.conf)
    target = class_targets(scene.gt_xyxy, scene.labels, SSD(config).priors_cxcywh)
    first, last = (softmax_cross_entropy(one.conf, target)[0].sum() for one in (taken[0], taken[-1]))
    assert last < 0.5 * first


def test_snapshots_do_not_change_later(scenes, config):
    """A network writes its next prediction where the last one was."""
    taken = record_training(config, scenes, scenes[0].image, steps=(0, 2), batch_size=1)
    assert not np.array_equal(taken[0].conf, taken[1].conf)
    again = record_training(config, scenes, scenes[0].image, steps=(0,), batch_size=1)
    np.testing.assert_array_equal(again[0].conf, taken[0].conf)
