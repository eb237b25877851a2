"""The script for a machine with a GPU: its parts, its time limits, and its report whatever happens."""

import csv
import dataclasses
import subprocess
import sys
from pathlib import Path

import check_table
import gpu_agreement
import gpu_checks
import numpy as np
import on_gpu
import pytest
from two_maps import TWO_MAPS

from minissd.config import TINY


def part(name, code="", seconds=60, summary=on_gpu.tail):
    return on_gpu.Part(name, name.title(), [sys.executable, "-u", "-c", code], seconds, summary)


def options(tmp_path, *words):
    return on_gpu.parse(["--output", str(tmp_path), *words])


def report_of(tmp_path):
    return (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.skipif(on_gpu.why_no_gpu() is None, reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_ends_with_2(tmp_path):
    script = Path(on_gpu.__file__)
    command = [sys.executable, str(script), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=script.parents[1], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("device cuda: ")
    assert not (tmp_path / "out").exists()


def test_a_part_that_fails_or_takes_too_long_does_not_stop_the_others(tmp_path, monkeypatch):
    sleeper = "import subprocess, sys; print('began'); subprocess.run([sys.executable, '-c', SLEEP])"
    parts = [
        part("good", "print('all is well')"),
        part("bad", "print('oh dear'); raise SystemExit(3)"),
        part("slow", sleeper.replace("SLEEP", "'import time; time.sleep(600)'"), seconds=2),
        part("last", "print('the last word')"),
    ]
    monkeypatch.setattr(on_gpu, "LEAST", 1)
    assert not on_gpu.run_all(parts, tmp_path, "a machine", minutes=2)
    assert [p.state for p in parts] == ["ok", "failed with code 3", "cut off after 2 s", "ok"]
    report = report_of(tmp_path)
    for words in ("a machine", "all is well", "oh dear", "began", "the last word", "cut off after 2 s"):
        assert words in report


def test_a_part_that_cannot_be_begun_does_not_stop_the_others(tmp_path):
    parts = [on_gpu.Part("one", "One", ["/no such program"], 60, on_gpu.tail), part("two", "print('done')")]
    assert not on_gpu.run_all(parts, tmp_path, "a machine", minutes=2)
    assert parts[0].failed and parts[1].state == "ok"
    assert "failed: FileNotFoundError" in report_of(tmp_path) and "| Two | ok |" in report_of(tmp_path)


def test_the_report_is_there_before_the_first_part_ends(tmp_path):
    reports = []

    def report(*arguments):
        on_gpu.write_report(*arguments)
        reports.append(report_of(tmp_path))

    on_gpu.run_all([part("one", "print('done')")], tmp_path, "about", minutes=2, report=report)
    assert "running, or ended with the machine" in reports[0] and "| One | ok |" in reports[-1]


def test_a_summary_that_fails_does_not_cost_the_report(tmp_path):
    def summary(log, folder):
        raise TypeError("half a row")

    (tmp_path / "speed").mkdir()
    (tmp_path / "speed" / "bench.csv").write_text('name,ratio\n"SSD300 forward, batch 8",1.')
    assert on_gpu.run_all([part("one", "print('done')", summary=summary)], tmp_path, "about", minutes=2)
    assert "(TypeError: half a row)" in report_of(tmp_path) and "| One | ok |" in report_of(tmp_path)
    assert "(KeyError: 'peer_name')" in report_of(tmp_path)


def test_parts_for_which_no_time_is_left_are_named(tmp_path):
    parts = [part("one"), on_gpu.Part("two", "Two", None, 60, on_gpu.tail, "it is not installed")]
    assert on_gpu.run_all(parts, tmp_path, "about", minutes=0)
    assert "left out: no time was left" in report_of(tmp_path)
    assert "left out: it is not installed" in report_of(tmp_path)


def test_goals_are_held_against_the_benchmark(tmp_path):
    folder = tmp_path / "speed"
    folder.mkdir()
    columns = ("name", "ratio", "peer_name", "note")
    rows = [
        ("SSD300 forward, batch 8", "1.4", "PyTorch NCHW", ""),
        ("SSD300 forward, batch 32", "1.2", "PyTorch NCHW", ""),
        ("SSD300 forward, batch 32, TF32", "", "", "results differ (largest error 1)"),
    ]
    with (folder / "bench.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    table = [line.split(" | ")[1:] for line in on_gpu.goals(folder)][2:]
    assert table[0] == ["1.3", "1.40 (PyTorch NCHW)", "yes |"]
    assert table[1][2] == "**no** |" and table[1][1] == "1.20 (PyTorch NCHW)"
    assert table[2][1:] == ["not measured", "**no** |"]
    assert table[3][1:] == ["results differ (largest error 1)", "**no** |"]


def test_goals_name_rows_that_are_measured():
    from minissd.bench.device import Device
    from minissd.bench.workloads import GROUPS, ON_GPU, Setting

    names = {work.name for group in ON_GPU for work in GROUPS[group](Setting(device=Device("cuda:0")))}
    assert on_gpu.GOALS.keys() <= names


def test_every_part_has_a_command_or_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(on_gpu, "find_sanitizer", lambda: None)
    parts = {p.name: p for p in on_gpu.all_parts(tmp_path, options(tmp_path))}
    assert {name for name, p in parts.items() if p.command is None} == {"memcheck", "racecheck", "train"}
    assert all(p.note for p in parts.values() if p.command is None)
    assert set(gpu_checks.PARTS) < parts.keys()
    assert all(p.seconds < 600 for p in parts.values())  # a call may last ten minutes
    train = on_gpu.training_part(
        tmp_path, options(tmp_path, "--train", "VOC", "--train-options", "--base a.pth")
    )
    assert train.command[-2:] == ["--base", "a.pth"] and "--device" in train.command


def test_commands_are_understood_by_the_programs(tmp_path):
    from minissd.cli import build_parser

    for p in on_gpu.all_parts(tmp_path, options(tmp_path, "--train", "VOC")):
        if p.command and "minissd" in p.command:
            build_parser().parse_args(p.command[p.command.index("minissd") + 1 :])


def test_what_the_sanitizer_says_is_found():
    log = "tests\n========= Invalid __global__ write\nx\n========= ERROR SUMMARY: 1 error\n"
    summary = on_gpu.sanitizer_lines(log, None)
    assert "Invalid __global__ write" in summary and summary.count("ERROR SUMMARY: 1 error") >= 1


# -- checks --------------------------------------------------------------------------------------------------


def checks_hold(checks):
    checks = list(checks)
    assert checks and not [check for check in checks if check.holds is False]
    return checks


def test_an_error_is_a_check_that_does_not_hold(tmp_path, capsys):
    def checks():
        yield check_table.Check.of_error("good", np.ones(3), np.ones(3))
        yield check_table.Check.of_error("bad", np.array([1.0, np.nan]), np.ones(2))
        raise RuntimeError("the GPU | is gone")

    assert check_table.run("ragged", checks(), tmp_path / "a.csv") == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[-1] for line in lines[2:]] == ["ok |", "**NOT** |", "**NOT** |"]
    assert "RuntimeError: the GPU / is gone" in lines[-1]
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 4


def test_ragged_sizes(pretend_cuda):
    shapes = [shape for shape in gpu_checks.RAGGED if np.prod(shape[:5], dtype=float) < 1e5]
    assert len(checks_hold(gpu_checks.ragged(shapes))) >= 2 * len(shapes)


def test_one_convolution_that_fails_does_not_hide_the_others(pretend_cuda, monkeypatch):
    monkeypatch.setattr(gpu_checks.Conv2d, "backward", None)
    checks = list(gpu_checks.ragged([(1, 1, 1, 5, 7, 3, 1, 1, 1)]))
    assert [check.found.partition(":")[0] for check in checks] == ["TypeError"] * 3


def test_large_arrays_in_little(pretend_cuda):
    names = [check.what for check in checks_hold(gpu_checks.large((8, 3, 9, 10), (1, 2, 70, 66)))]
    assert sum("weight gradient" in name for name in names) == 3 and "last corner" in names[-1]


def test_a_full_gpu_in_little(pretend_cuda):
    full, afterwards = checks_hold(gpu_checks.memory(TINY, batch_size=4, gib=0.005))
    assert "take 2" in full.found and afterwards.found == "0.0e+00"


def test_two_outcomes_are_compared():
    same = gpu_agreement.train(TINY, 1, "cpu", steps=2)
    other = gpu_agreement.train(TINY, 1, "cpu", algorithm="im2col", steps=2)
    errors = gpu_agreement.errors(other, same)
    assert all(0 < error < 1e-2 for error in errors.values())  # another algorithm it was
    assert set(gpu_agreement.errors(same, same).values()) == {0.0}
    wrong = dataclasses.replace(same, losses=same.losses * 1.1)
    bounds = dict.fromkeys(errors, 1e-4)
    checks = gpu_agreement.checks_of("tiny", gpu_agreement.errors(wrong, same), bounds)
    assert [check.holds for check in checks] == [True] * 4 + [False]


def test_agreement_in_little(pretend_cuda):
    checks = list(gpu_agreement.agreement([(TWO_MAPS, 2)], steps=2))
    bounds = [check.holds is not None for check in checks]
    assert bounds == [False] * 5 + [True] * 5 + [False] * 5
    assert checks[5].holds and checks[6].holds  # in so small a network one ReLU can spoil the gradients' rows
