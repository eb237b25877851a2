"""What is measured: every row can be built and run, and its operations are counted right."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest

from minissd import matching
from minissd.bench import machine, peers
from minissd.bench.agreement import largest_difference
from minissd.bench.blueprint import blueprint, names_in_order, weights_in_order
from minissd.bench.child import Child, Task, peak_megabytes
from minissd.bench.device import PROCESSOR
from minissd.bench.operations import convolutions, forward_operations, training_operations
from minissd.bench.timing import Plan
from minissd.bench.workloads import GROUPS, Setting, boxes, detection, evaluation, layers, scaling, training
from minissd.bench.workloads import network as networks
from minissd.boxes import iou
from minissd.config import SSD300_VOC, TINY
from minissd.models import SSD
from minissd.nn import Conv2d

MOMENT = Plan(rounds=1, least_rounds=1, seconds=0.0, turn=0.0, pause=0.0)


@pytest.fixture(autouse=True)
def no_peers(monkeypatch):
    monkeypatch.setattr(peers, "find", lambda module: None)


# -- operations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [TINY, SSD300_VOC], ids=lambda config: config.name)
def test_shapes_are_those_of_the_layers(config):
    """The trace of a real forward pass knows the true shapes."""
    model, trace = SSD(config).eval(), {}
    model.forward(np.zeros((1, 3, config.image_size, config.image_size), np.float32), trace)
    found = convolutions(model, 1)
    for convolution in found:
        if not convolution.name.endswith("_head"):
            assert trace[convolution.name].shape == convolution.y_shape, convolution.name
    heads = [c for c in found if c.name.endswith("_head")]
    assert [c.y_shape[2] for c in heads] == list(config.feature_maps)
    assert len(found) == sum(p.endswith(".weight") and model.params[p].ndim == 4 for p in model.params)


def test_ssd300_has_the_operations_that_are_known_of_it():
    """62.8 GFLOP: VGG16 at 300 pixels, fc6 and fc7 as convolutions, extra layers and heads."""
    model = SSD(SSD300_VOC)
    assert forward_operations(model, 1) == pytest.approx(62.8e9, rel=0.002)
    assert forward_operations(model, 8) == 8 * forward_operations(model, 1)
    first = 2 * 300 * 300 * 64 * 27
    assert training_operations(model, 1) == 3 * forward_operations(model, 1) - first


# -- rows --------------------------------------------------------------------------------------------------


def test_the_command_offers_every_group():
    from minissd.commands.bench import GROUPS as offered

    assert tuple(GROUPS) == offered


def test_every_row_has_a_name_of_its_own():
    works = [work for group in GROUPS.values() for work in group(Setting())]
    names = [work.name for work in works]
    assert len(set(names)) == len(names)
    assert {work.group for work in works} == set(GROUPS)
    for wanted in ("SSD300 forward, batch 1", "SSD300 forward, batch 8", "SSD512 forward, batch 1"):
        assert wanted in names


def test_batch_sizes_can_be_chosen():
    names = [work.name for work in networks.works(Setting((3,)))]
    assert names == ["SSD300 forward, batch 3", "SSD512 forward, batch 3"]


def test_layers_of_the_same_shapes_are_measured_once():
    groups = layers.alike(convolutions(SSD(SSD300_VOC), 8))
    together = [[layer.name for layer in group] for group in groups if len(group) > 1]
    assert together == [["conv3_2", "conv3_3"], ["conv4_2", "conv4_3"], ["conv5_1", "conv5_2", "conv5_3"]]


@pytest.mark.parametrize("which", [layers.FORWARD, layers.DATA, layers.WEIGHT])
def test_a_layer_computes_what_its_row_says(which):
    layer = convolutions(SSD(TINY), 1)[1]
    contest = layers.contest(layer, which)
    arrays = contest.ours.arrays(contest.ours.run())
    shapes = {"y": layer.y_shape, "dx": layer.x_shape, "weight": layer.weight_shape}
    (name,) = arrays
    assert name == {layers.FORWARD: "y", layers.DATA: "dx", layers.WEIGHT: "weight"}[which]
    assert arrays[name].shape == shapes[name] and np.isfinite(arrays[name]).all()
    assert (contest.ours.without is not None) == (which == layers.DATA)
    assert contest.operations == 2 * math.prod(layer.y_shape) * 16 * 9


def test_objects_to_match_are_clear():
    """All rules agree on them, so that a peer with another rule can be compared."""
    contest = boxes.matcher_contest(2, 10)
    matched_gt = contest.ours.arrays(contest.ours.run())["matched_gt"]
    assert matched_gt.shape == (2, SSD300_VOC.num_priors) and set(matched_gt[0]) == set(range(-1, 10))
    priors_cxcywh = SSD(TINY).priors_cxcywh
    gt_xyxy = boxes.distinct_boxes(np.random.default_rng(0), 3, 5, priors_cxcywh)
    assert gt_xyxy.shape == (3, 5, 4) and gt_xyxy.min() >= 0 and gt_xyxy.max() <= 1
    for image in gt_xyxy:
        by_rule = [matching.match(image, priors_cxcywh, rule=rule) for rule in ("bipartite", "argmax")]
        np.testing.assert_array_equal(*by_rule)


def test_mining_and_suppression_have_something_to_do():
    mined = boxes.mining_contest("topk", batch_size=4).ours.run()
    assert mined.shape == (4, SSD300_VOC.num_priors) and (mined.sum(axis=1) >= 15).all()
    kept = boxes.nms_contest().ours.run()
    assert 50 < len(kept) < 400


def test_predictions_are_like_those_of_a_trained_network():
    contest = detection.image_contest()
    found = contest.ours.arrays(contest.ours.run())
    assert len(found["scores"]) == 200 and found["scores"].max() > 0.5
    assert iou(found["boxes_xyxy"], found["boxes_xyxy"]).diagonal() == pytest.approx(1)


def test_coco_numbers_are_neither_trivial_nor_missing():
    contest = evaluation.contest(num_images=20)
    numbers = contest.ours.arrays(contest.ours.run())["numbers"]
    assert numbers.shape == (12,) and ((numbers > 0.01) & (numbers < 0.99)).all()


def test_training_steps_leave_the_weights_almost_where_they_are():
    contest = training.pipeline_contest(TINY, 2)
    first = contest.ours.arrays(contest.ours.run())
    assert first["loss"] > 0 and np.abs(first["velocities"]).max() > 0
    learner = training.Learner(TINY)
    before = {name: p.copy() for name, p in learner.model.params.items()}
    batch = (networks.random_images(TINY, 1), *training.random_targets(learner.model, 1))
    losses = [learner.step(*batch) for _ in range(2)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert all(np.abs(learner.model.params[name] - before[name]).max() < 1e-4 for name in before)


# -- growth, memory, threads -------------------------------------------------------------------------------


def test_growing_batches_and_images_have_a_row_each():
    work = next(iter(scaling.works(Setting())))
    rows = scaling.measure_batches(work, MOMENT, TINY, (1, 2))
    assert [row.name for row in rows] == ["SSD300 forward, batch 1", "SSD300 forward, batch 2"]
    assert rows[1].operations == 2 * rows[0].operations
    first, second = (row.ours.median for row in rows)
    assert rows[0].note == "" and rows[1].note == f"{second / 2 / first:.2f} x the time per image of batch 1"
    rows = scaling.measure_pixels(dataclasses.replace(work, name="TINY forward, x"), MOMENT, (64, 128), 1)
    assert rows[1].name == "TINY forward, 128 pixels, batch 1"
    assert rows[1].operations == 4 * rows[0].operations


def test_a_child_works_with_the_threads_it_is_given():
    values = []
    for threads in (1, 2):
        with Child(Task("minissd", "forward", "tiny", 1), threads) as child:
            first, second = child.run(), child.run()
            assert first["value"] == second["value"]
            assert second["megabytes"] >= first["megabytes"] > child.megabytes_at_start > 10
            values.append(first["value"])
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_a_child_that_fails_is_noticed():
    with (
        pytest.raises(RuntimeError, match="ended with code"),
        Child(Task("minissd", "forward", "no such net", 1), 1) as child,
    ):
        child.run()


def test_memory_is_that_of_the_process_and_not_of_its_parent():
    """A parent with a large array starts a child that holds nothing."""
    ballast = np.ones(60_000_000)  # 480 MB
    code = "from minissd.bench.child import peak_megabytes; print(peak_megabytes())"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if sys.platform == "linux":
        assert float(answer.stdout) < 200
    assert peak_megabytes() > ballast.nbytes / 1e6


# -- what a twin is made of --------------------------------------------------------------------------------


def test_the_blueprint_lists_every_array_in_order():
    model = SSD(SSD300_VOC)
    plan = blueprint(model)
    shapes = []
    stages = [spec for stage in plan["stages"] for spec in stage]
    for spec in [*stages, *filter(None, plan["norms"]), *plan["heads"]]:
        if spec[0] == "conv":
            shapes.append((spec[2], spec[1], spec[3], spec[3]))
            shapes += [(spec[2],)] if spec[-1] else []
        elif spec[0] != "pool" and spec[0] != "relu":
            shapes += [(spec[1],)] * (2 if spec[0] == "batch_norm" else 1)
    assert shapes == [array.shape for array in weights_in_order(model)]
    assert sorted(names_in_order(model)) == sorted(model.params)


def test_a_convolution_counts_as_many_multiplications_as_the_loops_make():
    x = np.zeros((1, 2, 5, 4))
    conv = Conv2d(2, 3, 3, stride=2, padding=1)
    layer = dataclasses.replace(
        convolutions(SSD(TINY), 1)[0], x_shape=x.shape, weight_shape=(3, 2, 3, 3), geometry=conv.geometry
    )
    assert layer.y_shape == conv.forward(x).shape
    assert layer.operations == 2 * (1 * 3 * 3 * 2) * (2 * 3 * 3)


# -- the machine -------------------------------------------------------------------------------------------


def test_the_machine_is_named(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: A Fine CPU @ 2 GHz\nmodel name\t: another\n")
    assert machine.cpu_name(cpuinfo) == "A Fine CPU @ 2 GHz"
    assert machine.cpu_name(tmp_path / "missing")
    assert "NumPy" in machine.describe(PROCESSOR) and "\n" not in machine.describe(PROCESSOR)


def test_the_peak_is_that_of_the_fastest_product():
    seconds = iter([0.0, 9.0, 10.0, 12.0, 20.0, 21.0, 30.0, 34.0])  # products of 9 (waking up), 2, 1 and 4 s
    assert machine.product_gflops(side=100, rounds=3, clock=lambda: next(seconds)) == 2e6 / 1e9


def test_equal_results_of_two_contests_of_one_kind():
    """The same arrays come out whenever a contest is built: nothing depends on when."""
    results = [detection.image_contest().ours for _ in range(2)]
    assert largest_difference(*(ours.arrays(ours.run()) for ours in results)) == 0
