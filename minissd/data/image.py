"""Images: from a file to RGB pixels, and from pixels to what a network takes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from minissd.choice import chosen
from minissd.data.resample import resize
from minissd.errors import InputError, input_error

MAX_PIXELS = 250_000_000
"""The largest image that `read_image` opens: 250 megapixels, 750 MB as RGB. A larger one is refused, because
a small file can claim any size (a "decompression bomb")."""

EXIF_ORIENTATION = 0x0112
_opening = threading.Lock()


def read_image(path, upright=True):
    """Read an image file as RGB.

    Grey, palette, CMYK and black-and-white images become RGB. Transparent ones are laid on white, as on
    paper. 16-bit grey is scaled so that 65535 becomes 255. Of an animation the first picture is taken.

    Parameters
    ----------
    path : str or Path
    upright : bool
        Turn the picture as its camera asks (EXIF orientation). False gives the pixels as they are stored.

    Returns
    -------
    ndarray of uint8, (H, W, 3)
        Owned by the caller, who may write to it.

    Raises
    ------
    InputError
        If the file is missing, is a folder, is no image, is cut off, or has more than `MAX_PIXELS` pixels.

    Examples
    --------
    >>> read_image("photo.jpg").shape  # doctest: +SKIP
    (480, 640, 3)
    """
    with _open(path) as picture:
        try:
            if upright:
                ImageOps.exif_transpose(picture, in_place=True)
            return _to_rgb(picture)
        except MemoryError:
            raise
        except Exception as error:  # a decoder fed with broken bytes may raise nearly anything
            raise _undecodable(path, error) from error


def image_size(path, upright=True):
    """Width and height of an image file, read from its header only; errors as in `read_image`.

    Parameters
    ----------
    path : str or Path
    upright : bool
        Width and height after the turn that the camera asks for (EXIF orientation).

    Returns
    -------
    tuple of int, (width, height)
    """
    with _open(path) as picture:
        width, height = picture.size
        try:
            orientation = picture.getexif().get(EXIF_ORIENTATION, 1) if upright else 1
        except Exception as error:
            raise _undecodable(path, error) from error
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def _as_pillow(image, side):
    """Bilinear, over as many pixels as fall on one: what torchvision's ``Resize`` does to a picture."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


RESIZES = {  # ways to make an image of bytes S x S, all of them bilinear
    "opencv": lambda image, side: resize(image, side, side),
    "float": lambda image, side: resize(image.astype(np.float32), side, side),
    "pillow": _as_pillow,
}


def network_input(images, config):
    """Make the input of a network: resize, subtract the mean, scale, put the channels first.

    Parameters
    ----------
    images : sequence of ndarray of uint8, each (H, W, 3)
        RGB, of any sizes.
    config : SSDConfig
        Its ``image_size`` S, ``resize``, ``mean_rgb``, ``pixel_scale`` and ``channel_order`` are used.

    Returns
    -------
    ndarray of float32, (N, 3, S, S)
        ``(pixel - mean) / pixel_scale``. Images are warped to S x S by one of `RESIZES`. In memory the three
        numbers of a pixel stay together, which is how the engine wants them (`minissd.nn.fast.layout`).

    Raises
    ------
    InputError
        If an image is not uint8 of shape (H, W, 3), or there is no such way to resize.

    Examples
    --------
    >>> from minissd.config import SSD300_VOC
    >>> x = network_input([np.full((40, 60, 3), 127, np.uint8)], SSD300_VOC)
    >>> x.shape, x[0, :, 0, 0]
    ((1, 3, 300, 300), array([ 4., 10., 23.], dtype=float32))
    """
    side = config.image_size
    to_square = chosen(RESIZES, config.resize, "resize", "way to resize")
    order = slice(None, None, -1) if config.channel_order == "bgr" else slice(None)
    # NumPy is slow in loops over three channels: a row of the image is one line, the mean as long as it.
    mean = np.tile(np.array(config.mean_rgb, np.float32)[order], side)  # (S * 3,)
    batch = np.empty((len(images), side, side * 3), np.float32)
    for i, image in enumerate(images):
        check_image(image, f"images[{i}]")
        pixels = image if image.shape[:2] == (side, side) else to_square(image, side)
        np.subtract(pixels[..., order].reshape(side, side * 3), mean, out=batch[i])
        batch[i] /= np.float32(config.pixel_scale)
    return batch.reshape(-1, side, side, 3).transpose(0, 3, 1, 2)  # (N, 3, S, S)


def check_image(image, where):
    """Raise an `InputError` that names `where`, unless `image` is uint8 of shape (H, W, 3) and not empty."""
    if not isinstance(image, np.ndarray):
        raise input_error(where, f"is a {type(image).__name__}, not an image array", "use read_image(path)")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise input_error(
            where,
            f"has shape {image.shape} and dtype {image.dtype}",
            "give uint8 of shape (height, width, 3)",
        )


def _open(path):
    path = Path(path)
    if path.is_dir():
        raise input_error(path, "is a folder, not an image", "name one image file")
    try:
        # Pillow's own guard against giant images speaks through a warning and is a global of that module.
        # It is put aside for the moment in which the header is read; the check below takes its place.
        with _opening:
            guard, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                picture = Image.open(path)
            finally:
                Image.MAX_IMAGE_PIXELS = guard
    except FileNotFoundError:
        raise input_error(path, "there is no such image file", "check the name") from None
    except PermissionError:
        raise input_error(path, "the image may not be read", "change the file's permissions") from None
    except Exception as error:
        size = os.path.getsize(path)
        raise input_error(
            path, f"is not an image that can be read ({size} bytes)", "use a JPEG or PNG file"
        ) from error
    if picture.width * picture.height > MAX_PIXELS:
        picture.close()
        raise input_error(
            path,
            f"the image has {picture.width} x {picture.height} pixels, the limit is {MAX_PIXELS}",
            "make it smaller first",
        )
    return picture


def _undecodable(path, error):
    if isinstance(error, InputError):  # ours, which says what to do
        return input_error(path, error)
    return input_error(path, f"the image cannot be decoded: {error}", "it may be cut off: copy it again")


def _to_rgb(picture):
    if picture.mode.startswith("I"):  # 16-bit grey; Pillow gives some of it as 32-bit integers
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError("grey values beyond 16 bits (save it with 8 or 16)")
        grey = ((values + 128) // 257).astype(np.uint8)  # 257 * 255 = 65535
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode == "F":
        raise InputError("floating-point values have no agreed range (save it with 8 bits)")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.array(picture.convert("RGB"))
