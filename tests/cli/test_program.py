"""minissd as a program: how it is started, what it imports, its exit code and its streams."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import PHOTO
from PIL import Image

from minissd import __version__, cli
from minissd.cli import main

MODULE = [sys.executable, "-m", "minissd"]
PROGRAM = [str(Path(sys.executable).with_name("minissd"))]
SHOW = ("show", "priors", PHOTO)


def test_output_that_cannot_be_spelled_is_escaped(monkeypatch):
    Image.new("RGB", (50, 30)).save("梨.png")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["detect", "梨.png", "--model", "tiny", "--score", "1"]) == 0
    stream.seek(0)
    assert stream.read() == "\\u68a8.png: nothing found -> detections/\\u68a8.png\n"


@pytest.mark.parametrize("program", [MODULE, PROGRAM], ids=["module", "script"])
def test_both_programs_answer(program):
    if not Path(program[0]).exists():
        pytest.skip("needs the package to be installed with its script")
    answer = subprocess.run([*program, "--help"], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("usage: minissd") and answer.stderr == ""


@pytest.mark.parametrize(
    "command", ["--help", "weights --help", "assignment list", "assignment new A1 handout", "lessons --list"]
)
def test_commands_that_compile_nothing_do_not_import_numba(command, tmp_path):
    code = (
        "import sys; from minissd.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: assert 'minissd.cli' in sys.modules and 'numba' not in sys.modules"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, *command.split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert (answer.returncode, answer.stderr) == (0, "")


def test_the_exit_code_leaves_the_process():
    answer = subprocess.run([*MODULE, "detect", "x.jpg"], capture_output=True, text=True)
    assert answer.returncode == 2
    assert answer.stderr.startswith("minissd: --weights: missing") and answer.stderr.count("\n") == 1


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert (end.value.code, capsys.readouterr().out) == (0, f"minissd {__version__}\n")


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_closed_output_and_the_backend_of_a_notebook_stop_no_command():
    command = ["sh", "-c", '"$@" >&-', "sh", *MODULE, *SHOW]
    surroundings = os.environ | {"MPLBACKEND": "module://of.a.notebook"}
    answer = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=surroundings)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert Path("priors.png").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_onto_a_full_disk():
    with open("/dev/full", "w") as full:
        answer = subprocess.run([*MODULE, *SHOW], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (answer.returncode, answer.stderr) == (2, "minissd: output: No space left on device\n")


@pytest.mark.skipif(os.name != "posix", reason="pipes of another kind")
def test_a_reader_who_has_seen_enough():
    reading, writing = os.pipe()
    os.close(reading)
    answer = subprocess.run([*MODULE, *SHOW], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (answer.returncode, answer.stderr) == (cli.READER_GONE, "")
