"""Training on a GPU: the CPU's numbers, without waiting, from and to the same files."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from two_maps import TWO_MAPS

from minissd import weights
from minissd.backend import device_of, to_cpu
from minissd.data import BatchLoader, DrawnScenes, on_device
from minissd.data.batches import ARRAYS
from minissd.models import SSD, tiny
from minissd.predict import predict
from minissd.settings import TrainSettings
from minissd.train import Trainer, target_function

SCENES = DrawnScenes(length=16, image_size=32, seed=5, max_objects=2)
CONFIG = dataclasses.replace(TWO_MAPS, num_classes=len(SCENES.class_names) + 1)
SETTINGS = TrainSettings(
    steps=3, batch_size=2, learning_rate=0.01, augmentation="none", evaluate_every=0, checkpoint_every=0
)


@pytest.fixture(autouse=True)
def few_channels(monkeypatch):
    """Make the network so small that the CPU can play the GPU."""
    monkeypatch.setattr(tiny, "STEM_CHANNELS", (4, 6, 8))
    monkeypatch.setattr(tiny, "SOURCE_CHANNELS", 8)


def make_trainer(output, device, **options):
    model = SSD(CONFIG, np.random.default_rng(1)).to(device)
    return Trainer(model, SCENES, SETTINGS, output, progress=False, **options)


def batches_of(trainer, count):
    loader = BatchLoader(
        SCENES, CONFIG, 2, workers=0, target_fn=target_function(trainer.model, trainer.settings)
    )
    return [loader.batch(step) for step in range(count)]


def test_a_run_is_the_cpus_and_its_files_are_read_on_both(tmp_path, backend):
    """Losses, parameters and velocities, then one more step of each run from the other's checkpoint."""
    trainers = [make_trainer(tmp_path / "cpu", "cpu"), make_trainer(tmp_path / "gpu", backend.device)]
    for trainer in trainers:
        trainer.run()
    here, there = trainers
    for one, other in zip(here.rows, there.rows):
        np.testing.assert_allclose(list(other.values())[:6], list(one.values())[:6], rtol=1e-4)
    for arrays, others in (
        (here.model.params, there.model.params),
        (here.model.buffers, there.model.buffers),
        (here.optimizer.velocity, there.optimizer.velocity),
    ):
        for name, array in arrays.items():
            largest = max(np.abs(array).max(), 1e-3)
            np.testing.assert_allclose(to_cpu(others[name]), array, atol=1e-4 * largest, err_msg=name)
    swapped = [make_trainer(tmp_path / "gpu", "cpu"), make_trainer(tmp_path / "cpu", backend.device)]
    (batch,) = batches_of(here, 1)
    for trainer in swapped:
        trainer.resume()
        trainer.train_step(batch)
        trainer.save()  # which reads the loss
    assert swapped[0].rows[:3] == there.rows
    np.testing.assert_allclose(swapped[0].rows[3]["loss"], swapped[1].rows[3]["loss"], rtol=1e-4)


def test_a_model_is_saved_to_the_same_bytes_wherever_it_is(tmp_path, backend):
    model = SSD(CONFIG, np.random.default_rng(2))
    weights.save(model, tmp_path / "here.safetensors")
    weights.save(model.to(backend.device), tmp_path / "there.safetensors")
    assert (tmp_path / "here.safetensors").read_bytes() == (tmp_path / "there.safetensors").read_bytes()
    for array in model.params.values():
        array[...] = 0
    weights.load(model, tmp_path / "here.safetensors")
    assert model.device == backend.device
    drawn = SSD(CONFIG, np.random.default_rng(2))
    assert all((to_cpu(model.params[name]) == array).all() for name, array in drawn.params.items())


def test_steps_wait_for_the_gpu_only_when_losses_are_read(tmp_path, pretend_cuda):
    trainer = make_trainer(tmp_path, "cuda", read_every=3)
    batches = [batch.to("cuda") for batch in batches_of(trainer, 3)]
    pretend_cuda.reset()
    assert trainer.train_step(batches[0]) is trainer.train_step(batches[1]) is None
    assert pretend_cuda.reasons == []
    assert trainer.train_step(batches[2])["step"] == 3
    assert pretend_cuda.reasons == ["get"]
    assert [row["step"] for row in trainer.rows] == [1, 2, 3]
    assert all(type(row["num_pos"]) is int and type(row["loss"]) is float for row in trainer.rows)


def test_a_loss_that_is_not_finite_names_its_own_step_though_it_is_read_later(tmp_path, pretend_cuda):
    trainer = make_trainer(tmp_path, "cuda", read_every=2)
    broken, other = batches_of(trainer, 2)
    broken.images[...] = np.nan
    trainer.train_step(broken)
    with pytest.raises(ValueError, match=f"step 1: the loss is nan on {broken.names[0]}, {broken.names[1]}"):
        trainer.train_step(other)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_batches_travel_once_each_while_the_one_before_is_at_work(count, tmp_path, pretend_cuda):
    batches = batches_of(make_trainer(tmp_path, "cpu"), count)
    pretend_cuda.reset()
    for number, (sent, batch) in enumerate(zip(on_device(iter(batches), "cuda:0"), batches)):
        assert len(pretend_cuda.uploads) == 3 * min(number + 2, count), "the next one is on its way"
        for name in ARRAYS:
            assert device_of(getattr(sent, name)) == "cuda:0"
            np.testing.assert_array_equal(getattr(sent, name)._host, getattr(batch, name))
        assert sent.names == batch.names
        assert len(sent) == len(batch)
    *copies, end = pretend_cuda.reasons
    assert set(copies) <= {"Event.synchronize"}, "until a copy is done, two batches earlier"
    assert end == "Stream.synchronize"


def test_memory_of_a_batch_that_is_not_wanted_is_free_only_after_its_arrival(tmp_path, pretend_cuda):
    batches = on_device(iter(batches_of(make_trainer(tmp_path, "cpu"), 3)), "cuda:0")
    next(batches)
    pretend_cuda.reset()
    batches.close()
    assert pretend_cuda.reasons == ["Stream.synchronize"]


def test_on_the_cpu_nothing_is_sent():
    batches = iter([])
    assert on_device(batches, "cpu") is batches


def test_detections_are_the_cpus(backend):
    model = SSD(CONFIG, np.random.default_rng(3))
    images = [SCENES[i].image for i in range(3)]
    options = {"batch_size": 2, "score_threshold": 0.2, "top_k": 20, "keep_top_k": 8}
    expected = predict(model, images, **options)
    found = predict(model.to(backend.device), images, **options)
    assert Counter(map(len, found)) == Counter(map(len, expected)) != Counter([0, 0, 0])
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.priors, other.priors)
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-4)
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, rtol=1e-3, atol=1e-4)
