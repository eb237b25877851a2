"""The peers compute what minissd computes. Only where they are installed."""

import dataclasses

import numpy as np
import pytest

from minissd.bench.agreement import largest_difference
from minissd.bench.blueprint import blueprint, weights_in_order
from minissd.bench.operations import Convolution, convolutions
from minissd.bench.workloads import boxes, detection, evaluation, layers, training
from minissd.bench.workloads.network import random_images
from minissd.config import SSD300_VOC, TINY
from minissd.loss import multibox_loss
from minissd.models import SSD

MODELS = {  # SSD300 in little: the same layers on a smaller image would not have its maps
    "tiny": TINY,
    "ssd300": SSD300_VOC,
}


def require(module):
    return pytest.importorskip(module, reason=f"needs {module} (pip install 'minissd[peers]')")


def differences(contest):
    expected = contest.ours.arrays(contest.ours.run())
    assert contest.peers
    return {peer.name: largest_difference(expected, peer.arrays(peer.run())) for peer in contest.peers}


@pytest.mark.parametrize("name", MODELS)
def test_the_twin_is_the_same_network_in_float64(name):
    """Rounding can hide nothing here: predictions, running averages and the loss agree to ten digits."""
    torch = require("torch")
    from minissd.bench import torch_ssd

    model = SSD(MODELS[name])
    images = random_images(model.config, 2 if name == "tiny" else 1)
    plan, arrays = blueprint(model), weights_in_order(model)
    twins = [torch_ssd.twin(plan, arrays, layout) for layout in torch_ssd.LAYOUTS]
    for layer in model.layers.values():
        layer.astype(np.float64)
    targets = training.random_targets(model, len(images))
    loc, conf = model.forward(images.astype(np.float64))
    loss = multibox_loss(loc, conf, *targets)
    for layout, twin in zip(torch_ssd.LAYOUTS, twins):
        predictions = twin.double()(torch_ssd.as_input(images, layout).double())
        for ours, theirs in zip((loc, conf), predictions):
            assert largest_difference({"": ours}, {"": theirs.detach().numpy()}) < 1e-10
        tensors = [torch.from_numpy(target) for target in targets]
        value = torch_ssd.multibox_loss(*predictions, tensors[0].double(), tensors[1])
        assert float(value.detach()) == pytest.approx(loss.value, rel=1e-10)
        for ours, theirs in zip(weights_in_order(model), [*twin.parameters(), *_averages(twin)], strict=True):
            np.testing.assert_allclose(theirs.detach().numpy(), ours, rtol=1e-9, atol=1e-12)


def _averages(twin):
    return [buffer for buffer in twin.buffers() if buffer.dim()]


def test_gradients_of_the_twin_in_float64():
    torch = require("torch")
    from minissd.bench import torch_ssd
    from minissd.bench.blueprint import names_in_order

    model = SSD(TINY)
    twin = torch_ssd.twin(blueprint(model), weights_in_order(model), "PyTorch NCHW").double()
    for layer in model.layers.values():
        layer.astype(np.float64)
    images = random_images(TINY, 2).astype(np.float64)
    loc_target, conf_target = training.random_targets(model, 2)
    loss = multibox_loss(*model.forward(images), loc_target, conf_target)
    model.backward(loss.dloc, loss.dconf)
    predictions = twin(torch.from_numpy(images))
    targets = torch.from_numpy(loc_target).double(), torch.from_numpy(conf_target)
    torch_ssd.multibox_loss(*predictions, *targets).backward()
    for name, parameter in zip(names_in_order(model), twin.parameters(), strict=True):
        assert largest_difference({"": model.grads[name]}, {"": parameter.grad.numpy()}) < 1e-8, name


@pytest.mark.parametrize("which", [layers.FORWARD, layers.DATA, layers.WEIGHT])
def test_layers(which):
    require("torch")
    tiny = convolutions(SSD(TINY), 2)
    dilated = Convolution("fc6", (1, 32, 19, 19), (48, 32, 3, 3), (1, 6, 6), True)
    for layer in (tiny[1], tiny[-1], dilated):
        contest = layers.contest(layer, which)
        assert max(differences(contest).values()) < contest.tolerance, layer.name


def test_training_steps_with_the_data_pipeline():
    require("torch")
    contest = training.pipeline_contest(TINY, 2)
    contest = dataclasses.replace(contest, peers=[p for p in contest.peers if "0 workers" in p.name])
    found = differences(contest)
    assert len(found) == 2 and max(found.values()) < contest.tolerance


def test_a_data_loader_with_workers_gives_the_batches_of_ours():
    require("torch")
    from minissd.bench import torch_data

    make_loader = training._loader_maker(training.Learner(TINY), 2)
    theirs = torch_data.batches(make_loader, 2, workers=1)
    for step in range(2):
        batch = make_loader().batch(step)
        for ours, tensor in zip((batch.images, batch.loc_target, batch.conf_target), next(theirs)):
            np.testing.assert_array_equal(tensor.numpy(), ours)


@pytest.mark.parametrize("images", [1, 4])
def test_matching(images):
    require("torch")
    found = differences(boxes.matcher_contest(images, 10))
    assert len(found) == (3 if images > 1 else 2) and not any(found.values())


@pytest.mark.parametrize("against", boxes.MINED_AGAINST)
def test_mining(against):
    require("torch")
    assert not any(differences(boxes.mining_contest(against, 4)).values())


def test_suppression():
    require("cv2")
    assert not any(differences(boxes.nms_contest()).values())


def test_post_processing():
    require("torch")
    contest = detection.image_contest()
    assert max(differences(contest).values()) < contest.tolerance


@pytest.mark.parametrize("contest", [detection.batch_contest, detection.nms_batch_contest])
def test_post_processing_of_a_batch(contest):
    require("torch")
    contest = contest(2)
    found = differences(contest)
    assert {"PyTorch, whole batch", "PyTorch, class by class"} <= found.keys()
    assert max(found.values()) <= contest.tolerance


def test_coco_numbers():
    require("pycocotools")
    contest = evaluation.contest(num_images=30)
    assert max(differences(contest).values()) < contest.tolerance
