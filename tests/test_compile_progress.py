"""What is said while kernels are compiled, and what is not."""

import argparse
import io

import numba
import pytest
from numba.core import event

from minissd import cli
from minissd import compile_progress as module
from minissd.compilation import compiled
from minissd.compile_progress import NOTICE, compile_progress


@pytest.fixture(autouse=True)
def nothing_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def new_kernels(count):
    """Kernels that were never compiled."""
    return [compiled(lambda x, n=n: x + n) for n in range(count)]


def test_one_line_in_a_log(impatient, capsys):
    with compile_progress():
        for kernel in new_kernels(3):
            kernel(1)
    assert capsys.readouterr() == ("", f"minissd: {NOTICE} ...\n")


def test_a_line_that_counts_and_vanishes_on_a_terminal(impatient, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with compile_progress():
        for kernel in new_kernels(3):
            kernel(1)
    text = terminal.getvalue()
    assert [f"{NOTICE}: 0 s, kernel {n}" in text for n in (1, 2, 3, 4)] == [True, True, True, False]
    assert "\n" not in text
    assert text.rsplit("\r", 2)[1].strip() == "", "wiped out in the end"


def test_silence_where_little_is_compiled(capsys):
    with compile_progress():
        new_kernels(1)[0](1)
    assert capsys.readouterr() == ("", "")


def test_silence_where_nothing_is_compiled(impatient, capsys):
    (kernel,) = new_kernels(1)
    kernel(1)
    with compile_progress():
        kernel(2)
    assert capsys.readouterr() == ("", "")


def test_silence_outside(impatient, capsys):
    with pytest.raises(KeyError), compile_progress():
        raise KeyError
    new_kernels(1)[0](1)
    assert capsys.readouterr() == ("", "")
    assert not any(isinstance(listener, module.Announcer) for listener in event._registered["numba:compile"])


def test_other_peoples_functions_and_parts_of_kernels_do_not_count(impatient, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    part = numba.njit(lambda x: x + 1)
    kernel = compiled(lambda x: part(x) * 2)
    with compile_progress():
        numba.njit(lambda x: x - 1)(1)
        assert terminal.getvalue() == ""
        assert kernel(1) == 4
    assert "kernel 1" in terminal.getvalue()
    assert "kernel 2" not in terminal.getvalue()


def test_a_function_that_cannot_be_compiled(impatient, capsys):
    broken, (fine,) = compiled(lambda x: x.no_such_thing), new_kernels(1)
    with compile_progress():
        with pytest.raises(numba.TypingError):
            broken(1)
        assert fine(1) == 1
    assert capsys.readouterr().err.count(NOTICE) == 1


def test_commands_say_it(impatient, monkeypatch, capsys):
    (kernel,) = new_kernels(1)

    class Parser:
        def parse_args(self, arguments):
            return argparse.Namespace(run=lambda options: kernel(1), compiles=True)

    monkeypatch.setattr(cli, "build_parser", Parser)
    assert cli.main([]) == 0
    assert capsys.readouterr().err == f"minissd: {NOTICE} ...\n"
