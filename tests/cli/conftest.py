"""What every test of the command line has: data and weights in a folder of its own, and the two outcomes."""

import shutil

import pytest
from command_line import SMALL, done, make_workplace, refused

from minissd import config


@pytest.fixture(scope="session")
def workplace(tmp_path_factory):
    return make_workplace(tmp_path_factory.mktemp("cli"))


@pytest.fixture(autouse=True)
def small_and_apart(workplace, tmp_path, monkeypatch):
    """Every test works in its own copy of the workplace, and `--model tiny` is small."""
    monkeypatch.setitem(config.CONFIGS, "tiny", SMALL)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(workplace, tmp_path, dirs_exist_ok=True)


@pytest.fixture
def minissd(capsys):
    return lambda *arguments: done(capsys, *arguments)


@pytest.fixture
def refuse(capsys):
    return lambda *arguments: refused(capsys, *arguments)
