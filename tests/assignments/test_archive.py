"""What was handed in: folders, folders in folders, .zip files, and what is refused."""

import stat
import zipfile

import pytest

from minissd.assignments import archive
from minissd.assignments.archive import opened
from minissd.errors import InputError

NAMES = ("boxes.py", "loss.py")


def files_of(path):
    with opened(path, NAMES) as folder:
        return sorted(each.name for each in folder.iterdir())


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x = 1\n")
    return folder


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as file:
        for name, text in members.items():
            file.writestr(name, text)
    return path


def test_a_folder(tmp_path):
    assert files_of(make(tmp_path, "boxes.py", "deep/boxes.py")) == ["boxes.py", "deep"]


def test_a_folder_in_a_folder(tmp_path):
    assert files_of(make(tmp_path, "note.txt", "A1/loss.py", "__MACOSX/loss.py")) == ["loss.py"]


def test_nothing_in_it(tmp_path):
    assert files_of(make(tmp_path, "note.txt")) == ["note.txt"]


def test_several_submissions_at_once(tmp_path):
    make(tmp_path, "anna/boxes.py", "ben/boxes.py")
    with pytest.raises(InputError, match=r"holds 2 submissions, anna and others \(name them each: .*/\*\)"):
        files_of(tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"no such folder .* \(give the folder with boxes\.py, loss\.py\)"):
        files_of(tmp_path / "none")
    with pytest.raises(InputError, match="is neither a folder nor"):
        files_of(make(tmp_path, "boxes.py") / "boxes.py")


def test_a_zip_file_is_unpacked_and_removed(tmp_path):
    path = zipped(tmp_path / "anna.zip", {"A1/boxes.py": "x = 1\n"})
    with opened(path, NAMES) as folder:
        assert (folder / "boxes.py").read_text() == "x = 1\n"
    assert not folder.exists()


@pytest.mark.parametrize(
    "name", ["../boxes.py", "/etc/boxes.py", "a/../../boxes.py", "..\\boxes.py", "C:\\boxes.py"]
)
def test_files_that_leave_the_folder(tmp_path, name):
    path = zipped(tmp_path / "anna.zip", {name: "x = 1\n"})
    with pytest.raises(InputError, match=r"anna\.zip: cannot be unpacked: .* leads out of the folder"):
        files_of(path)
    assert [each.name for each in tmp_path.iterdir()] == ["anna.zip"]


def test_a_link(tmp_path):
    link = zipfile.ZipInfo("boxes.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = zipped(tmp_path / "anna.zip", {link: "/etc/passwd"})
    with pytest.raises(InputError, match=r"'boxes\.py' is a link"):
        files_of(path)


def test_too_much(tmp_path, monkeypatch):
    path = zipped(tmp_path / "anna.zip", {"boxes.py": "x" * 3000})
    monkeypatch.setattr(archive, "MOST_BYTES", 2000)
    with pytest.raises(InputError, match="it holds 1 files, 0 MiB"):
        files_of(path)
    monkeypatch.setattr(archive, "MOST_FILES", 0)
    with pytest.raises(InputError, match="at most 0 files"):
        files_of(path)


def test_no_zip_file_at_all(tmp_path):
    (tmp_path / "anna.zip").write_bytes(b"Rar!")
    with pytest.raises(
        InputError, match=r"cannot be unpacked: File is not a zip file \(zip the folder again\)"
    ):
        files_of(tmp_path / "anna.zip")
