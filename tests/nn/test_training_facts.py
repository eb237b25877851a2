"""Every number of the paper's training: optimiser, biases, decay, schedules.

Sources: the paper, section 3; ssd_pascal.py and ssd_coco.py (solver_param); model_libs.py (lr_mult,
decay_mult); sgd_solver.cpp (ComputeUpdateValue).
"""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from minissd.config import SSD300_VOC, SSD512_COCO
from minissd.models import SSD
from minissd.nn import SGD, ConvBlock, L2Norm, Sequential
from minissd.nn.schedule import step_decay, warm_up
from minissd.settings import SCHEDULES, settings_for

PAPER = settings_for(SSD300_VOC)


def single(value, gradient=0.0, name="weight"):
    """A model of one number with a gradient of its own."""
    return SimpleNamespace(params={name: np.array([value])}, grads={name: np.array([gradient])})


# -- the solver --------------------------------------------------------------------------------------------


def test_solver_of_the_paper():
    """SGD with rate 1e-3, momentum 0.9, weight decay 5e-4; ssd_pascal.py: 0.00004 * 25 = 0.001."""
    assert (PAPER.learning_rate, PAPER.momentum, PAPER.weight_decay) == (1e-3, 0.9, 5e-4)
    assert (PAPER.schedule, PAPER.augmentation) == ("step", "ssd")
    optimizer = SGD(single(1.0))
    assert (optimizer.learning_rate, optimizer.momentum, optimizer.weight_decay) == (1e-3, 0.9, 5e-4)


def test_biases_learn_twice_as_fast_and_are_not_decayed(rng):
    """model_libs.py: lr_mult 1, decay_mult 1 for weights; lr_mult 2, decay_mult 0 for biases."""
    assert (PAPER.bias_learning_rate_factor, PAPER.decay_biases) == (2, False)
    chain = Sequential([("conv4_3", ConvBlock(2, 3, 3)), ("conv4_3_norm", L2Norm(3))])
    before = {name: rng.standard_normal(array.shape) for name, array in chain.params.items()}
    grads = {name: rng.standard_normal(array.shape) for name, array in chain.params.items()}
    model = SimpleNamespace(params={name: array.copy() for name, array in before.items()}, grads=grads)
    SGD(model, bias_learning_rate_factor=2, decay_biases=False).step(0.1)
    for name in ("conv4_3.weight", "conv4_3_norm.weight"):
        expected = before[name] - 0.1 * (grads[name] + 5e-4 * before[name])
        np.testing.assert_allclose(model.params[name], expected, rtol=1e-12)
    expected = before["conv4_3.bias"] - 0.2 * grads["conv4_3.bias"]
    np.testing.assert_allclose(model.params["conv4_3.bias"], expected, rtol=1e-12)


def test_what_counts_as_a_bias_in_ssd512():
    """One for each convolution; the scales of conv4_3's normalisation learn and decay like weights."""
    model = SSD(SSD512_COCO)
    biases = [name for name in model.params if name.endswith("bias")]
    weights = [name for name in model.params if not name.endswith("bias")]
    assert len(biases) == 13 + 2 + 10 + 7
    assert all(model.params[name].ndim == 1 for name in biases)
    assert [name for name in weights if model.params[name].ndim == 1] == ["conv4_3_norm.weight"]


def test_the_gradient_of_the_decay_is_lambda_times_the_weight():
    """Keras' regulariser adds lambda w^2 to the loss, whose gradient is 2 lambda w: twice as much."""
    model = single(20.0)
    SGD(model, weight_decay=5e-4, momentum=0).step(1.0)
    assert model.params["weight"] == pytest.approx(20 - 5e-4 * 20)
    assert model.params["weight"] != pytest.approx(20 - 2 * 5e-4 * 20)


def caffe_steps(rates, gradients, start, momentum=0.9):
    """Caffe: v <- mu v + lr g, w <- w - v."""
    velocity, places = 0.0, []
    for rate, gradient in zip(rates, gradients):
        velocity = momentum * velocity + rate * gradient
        start -= velocity
        places.append(start)
    return np.array(places)


def our_steps(rates, gradients, start):
    model = single(start)
    optimizer, places = SGD(model, weight_decay=0.0), []
    for rate, gradient in zip(rates, gradients):
        model.grads["weight"][:] = gradient
        optimizer.step(rate)
        places.append(model.params["weight"].item())
    return np.array(places)


def test_the_rate_inside_or_outside_the_velocity_is_the_same_while_it_does_not_change(rng):
    gradients = rng.standard_normal(50)
    rates = np.full(50, 0.05)
    ours, caffes = our_steps(rates, gradients, 3.0), caffe_steps(rates, gradients, 3.0)
    np.testing.assert_allclose(ours, caffes, rtol=1e-12)


def test_where_the_rate_changes_caffe_goes_on_with_the_old_rate_in_its_velocity():
    """Gradients of 1, momentum 0.9. After two steps v = 1.9. Then the rate falls from 1 to 0.1: Caffe goes
    0.9 * 1.9 + 0.1 = 1.81 further, we and PyTorch 0.1 * (0.9 * 1.9 + 1) = 0.271. After the last gradient
    both coast for ever, Caffe ten times as far."""
    rates, gradients = [1, 1, 0.1, 0.1], [1, 1, 1, 0]
    ours, caffes = our_steps(rates, gradients, 0.0), caffe_steps(rates, gradients, 0.0)
    np.testing.assert_allclose(ours[:2], caffes[:2], rtol=1e-14)
    np.testing.assert_allclose(np.diff(ours)[1:], [-0.271, -0.1 * 0.9 * 2.71], rtol=1e-12)
    np.testing.assert_allclose(np.diff(caffes)[1:], [-1.81, -0.9 * 1.81], rtol=1e-12)


# -- schedules ---------------------------------------------------------------------------------------------

RUNS = {
    # name: milestones, where 1e-3 becomes 1e-4 and then 1e-5; end
    "VOC07, paper 3.1": ((40_000, 50_000), 60_000),
    "VOC12, paper 3.3": ((60_000,), 80_000),
    "COCO, paper 3.4": ((160_000, 200_000), 240_000),
    "ILSVRC, paper 3.5": ((320_000, 400_000), 440_000),
    "VOC07+12 with expansion, ssd_pascal.py": ((80_000, 100_000), 120_000),
    "COCO with expansion, ssd_coco.py": ((280_000, 360_000), 400_000),
}


@pytest.mark.parametrize("run", RUNS)
def test_schedules_of_the_paper_and_of_the_scripts(run):
    milestones, end = RUNS[run]
    rate = step_decay(1e-3, milestones)
    edges = [0, *milestones, end]
    for power, (first, behind) in enumerate(itertools.pairwise(edges)):
        assert rate(first) == pytest.approx(10.0 ** -(3 + power), rel=1e-12)
        assert rate(behind - 1) == pytest.approx(10.0 ** -(3 + power), rel=1e-12)


@pytest.mark.parametrize(
    "run", ["VOC07, paper 3.1", "COCO, paper 3.4", "VOC07+12 with expansion, ssd_pascal.py"]
)
def test_the_schedule_called_step_is_the_scripts_at_their_length(run):
    """Two thirds of the steps at the full rate, a sixth at a tenth of it, a sixth at a hundredth."""
    milestones, end = RUNS[run]
    named, exact = SCHEDULES["step"](1e-3, end), step_decay(1e-3, milestones)
    steps = {0, end - 1} | {milestone + shift for milestone in milestones for shift in (-1, 0)}
    assert [named(step) for step in sorted(steps)] == [exact(step) for step in sorted(steps)]


def test_every_milestone_comes_before_the_end():
    """amdegroot's last one is 120000, where its loop has ended."""
    rate = SCHEDULES["step"](1e-3, 120_000)
    changes = [step for step in range(0, 120_000, 10_000) if step and rate(step) != rate(step - 1)]
    assert changes == [80_000, 100_000]


def test_warm_up_of_lufficc():
    """From a third of the rate over 500 steps, before 360000, 480000 and the end at 520000."""
    rate = warm_up(step_decay(1e-3, (360_000, 480_000)), 500, start_factor=1 / 3)
    assert rate(0) == pytest.approx(1e-3 / 3)
    assert rate(250) == pytest.approx(1e-3 * (1 / 3 + 2 / 3 / 2))
    assert [rate(step) for step in (500, 359_999)] == pytest.approx([1e-3, 1e-3])
    assert [rate(step) for step in (360_000, 519_999)] == pytest.approx([1e-4, 1e-5])


def test_schedule_of_torchvision():
    """Its references: 120 epochs of COCO, milestones 80 and 110, rate 0.002 for 4 GPUs with 8 images each."""
    rate = step_decay(2e-3, (80, 110))
    assert [rate(epoch) for epoch in (0, 79)] == pytest.approx([2e-3, 2e-3])
    assert [rate(epoch) for epoch in (80, 109, 110, 119)] == pytest.approx([2e-4, 2e-4, 2e-5, 2e-5])
