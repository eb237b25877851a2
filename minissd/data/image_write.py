"""Images: from pixels to a file."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from minissd.errors import input_error
from minissd.files import written_whole

FORMATS = {  # ending: what Pillow is told
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "png": {"format": "PNG"},
}


def check_image_format(image_format):
    """Raise `InputError` unless `write_image` can write files with this ending."""
    if image_format not in FORMATS:
        raise input_error("image_format", f"{image_format!r} is not known", f"use {' or '.join(FORMATS)}")


def write_image(image, path):
    """Write an image as a JPEG of quality 95 or as a PNG, as the file's ending says.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    path : str or Path
        The file appears whole or not at all; its folder is made if it is not there.

    Raises
    ------
    InputError
        If the ending is neither ``.jpg`` nor ``.png``, or the file cannot be written.
    """
    image_format = Path(path).suffix.removeprefix(".")
    check_image_format(image_format)
    with written_whole(path) as temporary:
        Image.fromarray(image).save(temporary, **FORMATS[image_format])
