"""What is spoiled and how, and what the library says of it, which a command must say in the same words."""

import re
from pathlib import Path

import pytest

from minissd.errors import InputError

# The picture that is spoiled, and its annotation.
XML = Path("voc/Annotations/train_000001.xml")
IMAGE = Path("voc/JPEGImages/train_000001.png")


def edit(path, pattern, new):
    """Replace the first place in a file that fits the pattern."""
    text, count = re.subn(pattern, new, path.read_text(), count=1, flags=re.S)
    assert count == 1
    path.write_text(text)


def cut(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def library_says(make):
    with pytest.raises(InputError) as error:
        make()
    return str(error.value)
