"""The benchmark on a GPU that the CPU plays: the same rows, contests and clock as on a real one."""

import csv
import time
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from minissd.backend import tf32_is_allowed
from minissd.bench import machine, peers, roofs, run
from minissd.bench.contest import Contest, Work, against_peers, hold
from minissd.bench.device import PROCESSOR, TF32_TOLERANCE, Device
from minissd.bench.operations import Convolution, convolutions
from minissd.bench.timing import Contender, Plan
from minissd.bench.workloads import GROUPS, ON_GPU, Setting, detection, layers, network
from minissd.errors import InputError
from minissd.models import SSD

GPU = Device("cuda:0")
MOMENT = Plan(rounds=1, least_rounds=1, seconds=0.0, turn=0.0, pause=0.0)
LAYER = Convolution("conv", (2, 16, 9, 11), (8, 16, 3, 3), (1, 1, 1), True)


@pytest.fixture(autouse=True)
def no_peers(monkeypatch):
    monkeypatch.setattr(peers, "find", lambda module: None)


def row_of(contest):
    return hold(contest, Work("layers", "a row", None), MOMENT)


def test_everything_is_measured_in_both_precisions_but_boxes():
    works = {group: [work.name for work in GROUPS[group](Setting(device=GPU))] for group in ON_GPU}
    for group, names in works.items():
        assert len(set(names)) == len(names)
        tf32 = [name for name in names if name.endswith(", TF32")]
        assert len(tf32) == (0 if group == "boxes" else len(names) / 2)
    forward = [f"SSD300 forward, batch {n}{rest}" for rest in ("", ", TF32") for n in (1, 8, 32)]
    assert [name for name in works["network"] if "SSD300" in name] == forward
    assert works["training"][:2] == [f"SSD300 training step, batch {n}" for n in (8, 32)]
    assert {"decode and NMS, batch 32", "NMS alone, batch 32"} < set(works["boxes"])
    assert "SSD300 conv4_1 data gradient, batch 32" in works["layers"]
    assert "SSD300 conv1_1 data gradient, batch 32" not in works["layers"]


def test_what_is_not_measured_on_a_gpu_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"memory: is not measured on cuda:0 \(choose some of network"):
        run.run(tmp_path, ["layers", "memory"], Setting(device=GPU))


@pytest.mark.parametrize("which", [layers.FORWARD, layers.DATA, layers.WEIGHT])
def test_a_layer_is_compared_with_the_processor(pretend_cuda, which):
    row = row_of(layers.contest(LAYER, which, GPU))
    assert not row.differs and 0 < row.largest_error < row.tolerance == 1e-4
    assert row.medians.keys() == {"minissd", "minissd on the CPU"} and row.ratio is None
    assert row.note.endswith(" x as fast as minissd on the CPU")
    assert (row.precision, row.traffic) == ("float32", 4 * (2 * 16 * 99 + 8 * 16 * 9 + 2 * 8 * 99))


def test_tf32_is_compared_with_float32_and_has_its_own_tolerance(pretend_cuda):
    row = row_of(layers.contest(LAYER, layers.FORWARD, replace(GPU, tf32=True)))
    assert 1e-5 < row.largest_error < row.tolerance == TF32_TOLERANCE  # rounded for one, not for the other
    assert (row.precision, list(row.medians)) == ("TF32", ["minissd", "minissd in float32"])


def test_a_reference_that_differs_takes_the_ratio_away():
    def program(value):
        return Contender("minissd", lambda: value, lambda y: {"y": np.array(y)})

    row = row_of(Contest.on(GPU_OF_NOTHING, lambda device: program([1.0, 2.0 + device.on_gpu]), ()))
    assert row.differs and "against minissd on the CPU" in row.note and row.ours is None


class Unreal(Device):
    """A GPU of which only the name is asked."""

    def clock(self):
        return time.perf_counter


GPU_OF_NOTHING = Unreal("cuda:0")


def test_pytorch_has_the_same_precision_and_a_reference_its_own(monkeypatch):
    cudnn, matmul = SimpleNamespace(allow_tf32=True), SimpleNamespace(allow_tf32=False)
    backends = SimpleNamespace(cudnn=cudnn, cuda=SimpleNamespace(matmul=matmul))
    torch = SimpleNamespace(backends=backends)
    monkeypatch.setattr(peers, "find", lambda module: torch if module == "torch" else None)
    with replace(GPU, tf32=True).settings():
        with GPU.settings():  # a reference, in between
            assert not (cudnn.allow_tf32 or matmul.allow_tf32 or tf32_is_allowed())
        assert cudnn.allow_tf32 and matmul.allow_tf32 and tf32_is_allowed() and cudnn.benchmark
    assert cudnn.allow_tf32 and not matmul.allow_tf32


def test_detection_of_a_batch(pretend_cuda):
    for contest in (detection.batch_contest(1, GPU), detection.nms_batch_contest(1, GPU)):
        row = row_of(contest)
        assert not row.differs, row.note
        assert row.gbytes > 0


def test_predictions_that_hang_on_rounding_are_not_drawn():
    loc, conf = detection.clear_predictions(detection.prior_boxes(detection.SSD300_VOC), 2)
    assert loc.shape == (2, 8732, 4) and conf.dtype == np.float32
    assert not np.array_equal(loc[0], loc[1])
    twice = np.repeat(loc[:1], 2, axis=1), np.repeat(conf[:1], 2, axis=1)  # every score twice, side by side
    priors_cxcywh = np.random.default_rng(0).uniform(0.1, 0.9, (2 * 8732, 4))
    assert not detection._are_clear(*(array[0] for array in twice), priors_cxcywh)


def test_the_clock_waits_for_the_gpu_and_counts_seconds(pretend_cuda):
    clock = GPU.clock()
    begin, waits = clock(), pretend_cuda.synchronisations
    time.sleep(0.02)
    assert 0.02 <= clock() - begin < 2
    assert pretend_cuda.synchronisations == waits + 1


def test_roofs_of_a_gpu_are_measured_once(pretend_cuda, monkeypatch):
    monkeypatch.setattr(roofs, "PRODUCT_SIDE", 16)
    monkeypatch.setattr(roofs, "COPY_BYTES", 1 << 12)
    found = roofs.measure(GPU)
    assert found.gflops.keys() == {"float32", "TF32"}
    assert min(*found.gflops.values(), found.gbytes) > 0
    assert roofs.measure(GPU, found) is found


def test_a_run_on_a_gpu_says_what_the_card_can_do(pretend_cuda, monkeypatch, tmp_path, capsys):
    limits = roofs.Roofs({"float32": 100.0, "TF32": 800.0}, 10.0)
    monkeypatch.setattr(roofs, "measure", lambda device, known: limits)
    contest = partial(layers.contest, LAYER, layers.FORWARD, replace(GPU, tf32=True))
    work = Work("layers", "a layer, TF32", against_peers(contest))
    monkeypatch.setitem(GROUPS, "layers", lambda setting: [work])
    (row,) = run.run(tmp_path, ["layers"], Setting(device=GPU), MOMENT)
    lines = capsys.readouterr().out.splitlines()
    assert "layers (matrix product: 100 GFLOP/s, TF32 800 GFLOP/s; copy: 10 GB/s)" in lines
    assert lines[-1].endswith("x as fast as minissd in float32")
    with (tmp_path / "bench.csv").open(newline="", encoding="utf-8") as file:
        (found,) = csv.DictReader(file)
    assert float(found["share_of_matrix_product"]) == pytest.approx(row.gflops / 800, rel=1e-4)
    assert float(found["share_of_copy"]) == pytest.approx(row.gbytes / 10, rel=1e-4)
    assert found["precision"] == "TF32" and found["machine"].startswith("A CPU")


def test_roofs_of_a_processor_never_sink(monkeypatch):
    speeds = iter([100.0, 50.0])
    monkeypatch.setattr(machine, "product_gflops", lambda: next(speeds))
    first = roofs.measure(PROCESSOR)
    assert first.text() == "matrix product: 100 GFLOP/s" and roofs.measure(PROCESSOR, first) == first


def test_the_gpu_is_named(pretend_cuda):
    assert machine.describe(GPU).startswith(
        "A CPU (132 multiprocessors, 8 GiB), CUDA 13.0, driver 13.0, CuPy"
    )


def test_images_go_to_the_gpu_in_the_order_of_their_shape(pretend_cuda):
    image = np.zeros((1, 4, 5, 3), np.float32).transpose(0, 3, 1, 2)
    assert GPU.send(image).flags.c_contiguous and PROCESSOR.send(image) is image


def test_a_whole_network_has_its_counts():
    contest = network.contest(layers.TINY, 1)
    assert contest.traffic == 4 * sum(map(sizes_of, convolutions(SSD(layers.TINY), 1)))


def sizes_of(layer):
    return sum(int(np.prod(shape)) for shape in (layer.x_shape, layer.weight_shape, layer.y_shape))
