"""What the machine refuses: memory, room on the disk, permission to write."""

import errno
import os
import re
from pathlib import Path

import pytest
from command_line import DETECT, EVALUATE, PHOTO, TRAIN, done, files_in
from faults import IMAGE, library_says

from minissd.cli import main
from minissd.files import writable_folder

WRITING = {
    "train": (*TRAIN, "--output", "place"),
    "detect": (*DETECT, IMAGE, "--output", "place"),
    "demo": ("demo", "--steps", 1, "--quiet", "--output", "place"),
    "show": ("show", "priors", IMAGE, "--output", "place/priors.png"),
    "curves": (*EVALUATE, "--curves", "place/curves.png"),
}


@pytest.mark.parametrize("detail", ["Unable to allocate 3 GiB", ""])
def test_too_little_memory(detail, refuse, monkeypatch):
    def allocate(*arguments, **options):
        raise MemoryError(detail)

    monkeypatch.setattr("minissd.data.image._to_rgb", allocate)  # not taken for a broken picture
    expected = (
        f"not enough memory{': ' if detail else ''}{detail} (use a smaller --batch-size, picture or model)"
    )
    assert refuse(*DETECT, PHOTO) == expected


def test_an_error_of_the_operating_system_names_the_file(refuse, monkeypatch):
    def read(*arguments, **options):
        raise OSError(errno.EIO, "Input/output error", "disk/file.png")

    monkeypatch.setattr("minissd.data.read_image", read)
    assert refuse(*DETECT, PHOTO) == "disk/file.png: Input/output error"


@pytest.mark.parametrize("command", WRITING)
def test_a_file_where_the_folder_should_be(command, refuse):
    Path("place").write_text("I was here first")
    line = refuse(*WRITING[command])
    assert re.fullmatch(
        r"place(/priors\.png)?: cannot be written: .+ \(free some space or choose another folder\)", line
    )
    assert Path("place").read_text() == "I was here first"


@pytest.mark.parametrize("command", WRITING)
def test_a_folder_without_permission(command, refuse):
    Path("place").mkdir(mode=0o500)
    if os.access("place", os.W_OK):
        pytest.skip("this user may write everywhere")
    assert "cannot be written: Permission denied" in refuse(*WRITING[command])
    assert os.listdir("place") == []


def test_permission_denied_by_the_system(refuse, monkeypatch):
    def refuse_to_make(path, *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse_to_make)
    line = refuse(*TRAIN)
    assert line == "run: cannot be written: Permission denied (free some space or choose another folder)"
    assert line == library_says(lambda: writable_folder("run"))


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (TRAIN, "run/settings.json"),
        ((*DETECT, IMAGE), "detections/train_000001.png"),
        (("show", "priors", IMAGE), "priors.png"),
        ((*EVALUATE, "--curves", "curves.png"), "curves.png"),
    ],
)
def test_a_disk_that_is_full_at_the_last_moment(command, file, refuse, monkeypatch, tmp_path):
    def replace(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("minissd.files.os.replace", replace)
    before = files_in(tmp_path)
    line = refuse(*command)
    assert (
        line
        == f"{file}: cannot be written: No space left on device (free some space or choose another folder)"
    )
    assert files_in(tmp_path) == before


def test_a_disk_that_fills_up_in_training_leaves_the_last_checkpoint_whole(refuse, capsys, monkeypatch):
    done(capsys, *TRAIN, "--val-split", "")
    before = {name: (Path("run") / name).read_bytes() for name in files_in(Path("run"))}
    write = Path.write_bytes

    def write_half(path, content):
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    line = refuse(*TRAIN, "--val-split", "")
    assert line.startswith("run/weights.safetensors: cannot be written: No space left on device")
    assert {name: (Path("run") / name).read_bytes() for name in files_in(Path("run"))} == before


def test_a_file_that_the_system_really_cannot_write(tmp_path, capsys):
    """A limit on the size of files stands in for the full disk: bytes are written, then there is no room."""
    resource = pytest.importorskip("resource", reason="needs limits of the operating system")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = files_in(tmp_path)
    capsys.readouterr()
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        code = main(["show", "priors", str(IMAGE)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2
    assert capsys.readouterr().err.startswith("minissd: priors.png: cannot be written: File too large")
    assert files_in(tmp_path) == before
