"""Files appear whole or not at all."""

import os

import pytest

from minissd.errors import InputError
from minissd.files import writable_folder, written_whole


def test_the_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with written_whole(target) as path:
        assert path.parent == target.parent
        assert path.suffix == ".txt"
        path.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert os.listdir(target.parent) == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), written_whole(target) as path:
        path.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_is_reported_with_the_file_and_leaves_nothing(tmp_path):
    refused = pytest.raises(InputError, match=r"a.txt: cannot be written: No space left on device")
    with refused, written_whole(tmp_path / "a.txt"):
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_a_file_is_reported(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="run: cannot be written"):
        writable_folder(tmp_path / "run")
    with pytest.raises(InputError, match="cannot be written"), written_whole(tmp_path / "run" / "a.txt"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_reported(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied"):
        writable_folder(tmp_path / "run")
