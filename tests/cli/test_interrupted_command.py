"""Ctrl-C: the one line that says how to go on, and going on as if nothing had been."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import DETECT, PHOTO, TRAIN, done, files_in, losses, refused, run, without_notice

from minissd import train


def press_ctrl_c_in_step_2(trainer, batch, step=train.Trainer.train_step):
    """A training step during which the user presses Ctrl-C, if it is the second."""
    if trainer.step == 1:
        os.kill(os.getpid(), signal.SIGINT)
    return step(trainer, batch)


def test_ctrl_c_says_in_one_line_how_to_resume_and_resuming_gives_the_same_losses(capsys, monkeypatch):
    options = (*TRAIN, "--steps", 4, "--val-split", "", "--evaluate-every", 0)
    done(capsys, *options, "--output", "whole")
    with monkeypatch.context() as patch:
        patch.setattr(train.Trainer, "train_step", press_ctrl_c_in_step_2)
        result = run(capsys, *options)
    assert (result.code, result.lines) == (130, [])
    assert result.errors == [
        "minissd: stopped after step 2 of 4; everything is saved. "
        "To go on: the same command with --resume (output folder run)"
    ]
    assert refused(capsys, *options, "--seed", 7).startswith(
        "--output: run holds a run that was stopped after step 2 of 4 (--resume goes on; else choose another"
    )
    done(capsys, *options, "--resume")
    assert losses("run") == losses("whole")


def test_ctrl_c_in_the_last_step_changes_nothing(capsys, monkeypatch):
    monkeypatch.setattr(train.Trainer, "train_step", press_ctrl_c_in_step_2)
    assert done(capsys, *TRAIN)[-1] == "weights: run/weights.safetensors"


def test_ctrl_c_elsewhere(capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("minissd.predict.predict", interrupt)
    result = run(capsys, *DETECT, PHOTO)
    assert (result.code, result.errors) == (130, ["minissd: stopped"])


@pytest.mark.skipif(os.name != "posix", reason="needs SIGINT")
def test_ctrl_c_in_the_program_and_on_it_goes(capsys):
    small = "import sys, command_line as c; c.config.CONFIGS['tiny'] = c.SMALL; sys.exit(c.main())"
    options = ["train", "--data", "voc", "--val-split", "", "--steps", "8", "--batch-size", "1", "--quiet"]
    options += ["--checkpoint-every", "1", "--output"]
    with subprocess.Popen(
        [sys.executable, "-c", small, *options, "run"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    ) as process:
        deadline = time.monotonic() + 60
        while not Path("run/checkpoint.safetensors").exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        errors = without_notice(process.communicate(timeout=60)[1])
    assert process.returncode == 130
    assert re.fullmatch(
        r"minissd: stopped after step [1-7] of 8; everything is saved\. .*--resume.*\n", errors
    )
    assert not any(name.startswith(".") for name in files_in(Path("run")))
    done(capsys, *options, "run", "--resume")
    done(capsys, *options, "whole")
    assert losses("run") == losses("whole")
