"""Whatever cannot be read is refused in one line that names the path, and never waited for."""

import io
import os
import struct
import zipfile

import pytest

from minissd.errors import InputError
from minissd.weights import caffe_file, npz_file, safetensors_file, torch_file
from minissd.weights.formats import read_file
from minissd.weights.opening import LARGEST_PIECE, Refused, opened, shown

READERS = {
    "any": read_file,
    "safetensors": safetensors_file.read,
    "npz": npz_file.read,
    "pth": torch_file.read,
    "caffemodel": caffe_file.read,
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some.file"
    path.write_bytes(b"0123456789")
    return path


@pytest.mark.parametrize("reader", READERS)
class TestEveryReader:
    def refuse(self, reader, path, message):
        with pytest.raises(InputError, match=message) as error:
            READERS[reader](path)
        assert str(error.value).startswith(f"{path}: ")

    def test_folders_and_what_is_not_there(self, reader, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path)
        self.refuse(reader, tmp_path, "is a folder, not a weight file")
        self.refuse(reader, str(tmp_path / "link"), "is a folder")
        self.refuse(reader, tmp_path / "nowhere", "no such file")
        self.refuse(reader, "a\0b", "no such file")
        self.refuse(reader, "x" * 5000, "cannot be read: File name too long")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes that have names")
    def test_pipes_and_devices_are_not_waited_for(self, reader, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        self.refuse(reader, tmp_path / "pipe", "is a device or a pipe")
        self.refuse(reader, "/dev/zero", "is a device or a pipe")

    def test_a_file_without_permission(self, reader, file, monkeypatch):
        def refuse(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(io, "FileIO", refuse)
        self.refuse(reader, file, "cannot be read: Permission denied .check its permissions")

    def test_an_empty_file(self, reader, file):
        file.write_bytes(b"")
        self.refuse(reader, file, "empty|not a complete|damaged|not a PyTorch")


def test_what_goes_wrong_gets_the_name_of_the_file(file):
    for error, message in (
        (Refused("is odd\x1b", "mend it"), r"some.file: is odd\\x1b \(mend it\)"),
        (ValueError("x" * 9000), r"some.file: is damaged: ValueError x{380,400} \(copy or"),
        (MemoryError(), "some.file: is damaged: MemoryError"),
        (RecursionError("deep"), "some.file: is damaged: RecursionError deep"),
    ):
        with pytest.raises(InputError, match=message) as refusal, opened(file):
            raise error
        assert str(refusal.value).isprintable()


def test_only_arrays_are_read_in_large_pieces(file):
    with opened(file) as content:
        assert (content.size, content.read(2), content.read_row(3).tobytes()) == (10, b"01", b"234")
        with pytest.raises(Refused, match="cut off"):
            content.read_row(6)
        with pytest.raises(Refused, match=f"asks for {LARGEST_PIECE + 1} bytes"):
            content.read(LARGEST_PIECE + 1)
        row = content.read_row(5)
        assert row.flags.owndata and row.flags.writeable


def test_a_file_that_becomes_shorter_while_it_is_read(file):
    with opened(file) as content, pytest.raises(Refused, match="cut off"):
        os.truncate(file, 4)
        content.read_row(10)


@pytest.mark.parametrize("reader", ["npz", "pth"])
def test_a_forged_directory_is_not_read_in_one_piece(reader, tmp_path):
    """A file of 4 GB with a hole, whose end claims that all before it is the directory."""
    path, size = tmp_path / "forged.zip", 0xFFFF_FFFE
    with path.open("wb") as output:
        output.write(b"PK\x03\x04")
        output.truncate(size)
        output.seek(size)
        output.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, 0, 0))
    with pytest.raises(InputError, match="asks for 4294967294 bytes in one piece"):
        READERS[reader](path)


def test_names_of_arrays_are_short_and_can_be_printed(tmp_path):
    for name in ("a\x1b[2J", "a" * 201):
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            header = "{'descr': '<f4', 'fortran_order': False, 'shape': (0,)}"
            archive.writestr(
                f"{name}.npy", b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header.encode()
            )
        assert list(npz_file.read(tmp_path / "x.npz")) == [name]
        with pytest.raises(InputError, match=r"x.npz: has an array of the name a") as error:
            read_file(tmp_path / "x.npz")
        assert str(error.value).isprintable()


def test_a_text_is_shown_in_short():
    assert shown("ä\u202e\ud800") == "ä\\u202e\\ud800"
    assert shown("x\n" * 100, 7) == "x\\nx\\nx"
