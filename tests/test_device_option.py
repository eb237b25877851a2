"""The option ``--device`` of the commands that compute."""

import re
import sys

import pytest
from command_line import TRAIN, done, make_workplace, refused

from minissd import backend
from minissd.models import tiny

EVALUATE = ("evaluate", "--data", "voc", "--weights", "weights.safetensors")
DETECT = ("detect", "voc/JPEGImages/val_000000.png", "--weights", "weights.safetensors", "--json")
COMMANDS = {"train": TRAIN, "evaluate": EVALUATE, "detect": DETECT, "demo": ("demo", "--steps", 1)}
EVERY_COMMAND = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    """A folder with data and weights of a network that is small enough for the CPU to play the GPU."""
    monkeypatch.setattr(tiny, "STEM_CHANNELS", (4, 6, 8))
    monkeypatch.setattr(tiny, "SOURCE_CHANNELS", 8)
    monkeypatch.chdir(make_workplace(tmp_path))


@EVERY_COMMAND
def test_without_cupy_the_extra_is_named_before_anything_is_done(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    before = sorted(tmp_path.rglob("*"))
    message = refused(capsys, *command, "--device", "cuda")
    assert message.startswith(
        "device cuda: needs CuPy, which is not installed (pip install 'minissd[cuda13]'"
    )
    assert sorted(tmp_path.rglob("*")) == before


@EVERY_COMMAND
def test_a_device_that_there_is_not(command, capsys):
    message = refused(capsys, *command, "--device", "tpu")
    assert message.startswith("device: 'tpu' is unknown (choose one of cpu, cuda")


@EVERY_COMMAND
def test_tf32_is_for_a_gpu_and_for_one_command(command, capsys, monkeypatch):
    seen = []
    module = f"minissd.commands.{command[0]}"
    monkeypatch.setattr(f"{module}.run", lambda options: seen.append(backend.tf32_is_allowed()))
    done(capsys, *command, "--device", "cuda")
    done(capsys, *command, "--device", "cuda", "--tf32")
    assert refused(capsys, *command, "--tf32") == "--tf32: only a GPU has it (add --device cuda)"
    assert [*seen, backend.tf32_is_allowed()] == [False, True, False]


@pytest.mark.parametrize("command", [EVALUATE, DETECT], ids=["evaluate", "detect"])
def test_results_are_the_cpus(command, capsys, pretend_cuda):
    options = ("--score", 0.1) if command is DETECT else ()
    here, there = (numbers_in(done(capsys, *command, *options, "--device", name)) for name in ("cpu", "cuda"))
    assert len(here) > 2
    assert there == pytest.approx(here, rel=1e-3)
    assert pretend_cuda.uploads


def numbers_in(lines):
    return [float(number) for number in re.findall(r"\d+\.\d+|\d+", "\n".join(lines))]
