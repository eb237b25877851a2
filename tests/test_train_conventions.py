"""Training by the rules of a convention: its targets, its loss, its settings, and going on by it only."""

import numpy as np
import pytest
from trainers import CONFIG, WITHOUT_OBJECTS, first_batch, make_trainer

from minissd import weights
from minissd.conventions import CONVENTIONS
from minissd.errors import InputError
from minissd.settings import settings_for


def make_trainer_by(convention, output, **kwargs):
    """A trainer of a few steps by the rules of a convention."""
    config = CONVENTIONS[convention].config(CONFIG)
    settings = settings_for(config, steps=3, batch_size=4, learning_rate=0.01, seed=1)
    return make_trainer(output, settings, config=config, **kwargs)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_targets_and_loss_are_the_conventions(name, tmp_path):
    trainer, convention = make_trainer_by(name, tmp_path), CONVENTIONS[name]
    priors_cxcywh = trainer.model.priors_cxcywh
    batch = first_batch(trainer)
    loc_target, conf_target = np.zeros_like(batch.loc_target), np.zeros_like(batch.conf_target)
    for n, (gt_xyxy, labels) in enumerate(zip(batch.gt_xyxy, batch.labels)):
        matched_gt = convention.match(gt_xyxy, priors_cxcywh)
        positive = matched_gt >= 0
        conf_target[n, positive] = labels[matched_gt[positive]]
        own_gt_xyxy = gt_xyxy[matched_gt[positive]]
        loc_target[n, positive] = convention.encode(own_gt_xyxy, priors_cxcywh[positive])
    np.testing.assert_array_equal(batch.conf_target, conf_target)
    np.testing.assert_allclose(batch.loc_target, loc_target, rtol=1e-6, atol=1e-6)
    loc, conf = trainer.model.forward(batch.images)
    expected = convention.multibox_loss(loc, conf, loc_target, conf_target)
    row = trainer.train_step(batch)
    assert row["loss"] == pytest.approx(expected.value, rel=1e-5)
    assert row["num_pos"] == expected.num_pos > 0
    assert np.isfinite([trainer.train_step(batch)["loss"] for _ in range(2)]).all()


def test_a_run_goes_on_by_the_same_convention_only(tmp_path):
    make_trainer_by("amdegroot", tmp_path).run()
    model, _ = weights.load_model(tmp_path / "weights.safetensors")
    assert model.config == CONVENTIONS["amdegroot"].config(CONFIG)
    for other in ("caffe", "lufficc"):
        with pytest.raises(InputError, match=r"is of another configuration, .*convention"):
            make_trainer_by(other, tmp_path).resume()
    resumed = make_trainer_by("amdegroot", tmp_path)
    resumed.resume()
    assert resumed.step == 3


@pytest.mark.parametrize("name", CONVENTIONS)
def test_pictures_without_objects(name, tmp_path):
    """Some divide by the number of matched priors, be it 0: that stops the run, and says why."""
    trainer = make_trainer_by(name, tmp_path, dataset=WITHOUT_OBJECTS)
    batch = first_batch(trainer)
    if name in ("amdegroot", "lufficc", "sgrvinod"):
        why = rf"step 1: the loss is nan on empty.* \(no default box is matched, and {name} divides"
        with pytest.raises(InputError, match=why):
            trainer.train_step(batch)
    else:
        assert np.isfinite(trainer.train_step(batch)["loss"])


def test_settings_are_the_conventions_unless_given():
    config = CONVENTIONS["d2l"].config(CONFIG)
    assert settings_for(config).matching_rule == "d2l"
    assert settings_for(config, matching_rule="argmax").matching_rule == "argmax"
