"""``minissd bench``: what it prints and writes, and how it ends."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import done, files_in, refused, run

from minissd.bench import machine, peers
from minissd.bench import run as bench
from minissd.bench.contest import Contest, Work, against_peers
from minissd.bench.timing import Contender


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """Every test works in its own folder, on a machine whose peak is known and that has no peers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "product_gflops", lambda: 100.0)
    monkeypatch.setattr(machine, "warnings", list)
    monkeypatch.setattr(peers, "find", lambda module: None)


def rows_of(path="bench/bench.csv"):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def one_group(monkeypatch):
    """A function: let the group `boxes` hold one row, whose peer says this."""

    def install(answer):
        def prepare():
            def contender(name, value):
                return Contender(name, lambda: sum(range(5000)), lambda _: {"y": np.array(value)})

            return Contest(contender("minissd", [1.0]), [contender("somebody", answer)], tolerance=1e-6)

        work = Work("boxes", "a row", against_peers(prepare))
        monkeypatch.setitem(bench.GROUPS, "boxes", lambda setting: [work])

    return install


def test_without_peers_all_rows_have_our_time_and_no_ratio(capsys):
    """The real rows, for a moment each."""
    lines = done(capsys, "bench", "--quick", "--only", "boxes", "evaluation", "--output", "out")
    (hint,) = [line for line in lines if "pip install 'minissd[peers]'" in line]
    assert "PyTorch, OpenCV, pycocotools" in hint
    assert "boxes (matrix product: 100 GFLOP/s)" in lines
    rows = rows_of("out/bench.csv")
    assert [row["group"] for row in rows] == ["boxes"] * 6 + ["evaluation"]
    assert all(float(row["ours"]) > 0 and row["ratio"] == "" for row in rows)
    assert sum(line.startswith("  ") and " - " in line for line in lines) == len(rows)
    assert files_in(Path("out")) == ["bench.csv"]  # no picture of nothing
    assert lines[-1] == "-> out"


def test_equal_results_give_a_ratio_and_a_picture(capsys, one_group):
    one_group([1.0])
    lines = done(capsys, "bench", "--quick", "--only", "boxes")
    assert float(rows_of()[0]["ratio"]) > 0 and any("somebody" in line for line in lines)
    assert files_in(Path("bench")) == ["bench.csv", "bench.png"]


def test_different_results_end_with_code_1(capsys, one_group):
    one_group([1.1])
    with pytest.raises(SystemExit) as end:
        run(capsys, "bench", "--quick", "--only", "boxes")
    assert end.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "results differ: a row"
    assert any("a row" in line and "results differ (largest error 0.1 against" in line for line in lines)
    assert rows_of()[0]["ratio"] == ""


def test_what_was_measured_is_kept_when_a_later_row_fails(capsys, one_group, monkeypatch):
    one_group([1.0])

    def fail(work, plan):
        raise KeyboardInterrupt

    monkeypatch.setitem(bench.GROUPS, "memory", lambda setting: [Work("memory", "later", fail)])
    result = run(capsys, "bench", "--quick", "--only", "boxes", "memory")
    assert result.code == 130
    assert [row["name"] for row in rows_of()] == ["a row"]


def test_options_reach_the_plan_and_the_rows(capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(bench, "run", lambda *arguments: seen.append(arguments) or [])
    done(capsys, "bench", "--rounds", 2, "--seconds-per-row", 1.5, "--batch", 4, 2, "--only", "layers")
    (output, groups, setting, plan) = seen[0]
    assert (output, groups, setting.batch_sizes) == (Path("bench"), ["layers"], (4, 2))
    assert (plan.rounds, plan.least_rounds, plan.seconds) == (2, 2, 1.5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "cooking"], "--only: invalid choice: 'cooking'"),
        (["--batch", "0"], "--batch: 0 is not a whole number of 1 or more"),
        (["--seconds-per-row", "-1"], "--seconds-per-row: -1 is not a number over 0"),
    ],
)
def test_bad_options_are_refused(options, words, capsys):
    assert refused(capsys, "bench", *options).startswith(words)


def test_an_output_that_cannot_be_a_folder_is_refused_before_anything_is_measured(capsys):
    Path("bench").write_text("")
    assert refused(capsys, "bench", "--only", "boxes").startswith("bench: cannot be written")


def test_nothing_of_the_package_but_the_peers_module_imports_a_peer():
    """They are loaded where they are asked for, not when the benchmark is."""
    code = "import sys, minissd.bench.run; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "cv2", "pycocotools", "matplotlib"} & set(modules.stdout.split())
    for path in Path(bench.__file__).parents[1].rglob("*.py"):
        imports = re.findall(r"(?m)^\s*(?:import|from) (?:torch|cv2|pycocotools)\b", path.read_text("utf-8"))
        assert not imports, path
