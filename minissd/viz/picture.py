"""The detections of an image drawn into its own pixels, at its own size."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from minissd.errors import InputError
from minissd.files import written_whole
from minissd.viz.boxes import box_captions
from minissd.viz.captions import place_captions
from minissd.viz.panel import check_image
from minissd.viz.style import casing_color, class_color, contrast_color

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_OPTIONS = {"PNG": {"compress_level": 4}, "JPEG": {"quality": 92, "subsampling": 0}}


def write_detection_picture(image, detections, class_names, path):
    """Write a copy of an image with the detections drawn into it: boxes, class names and scores.

    The picture has exactly the pixels of the image. Lines and text grow with it, from 1 pixel wide and
    9 high on a thumbnail to 24 wide and 200 high on 50 megapixels. Where a caption is too large for the
    picture, the class name alone is written, or nothing.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        RGB; it is not changed.
    detections : Detections
        Anything with ``boxes_xyxy`` (fractions of the image), ``scores`` and ``labels``.
    class_names : sequence of str or None
        Names of classes 1...C-1.
    path : str or Path
        Ends in .png, .jpg or .jpeg. Written under another name, then renamed.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the suffix is another one, the file cannot be written, or the image is not uint8 RGB.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: cannot write a picture as {path.suffix!r} (use .png or .jpg)")
    picture = paint_detections(image, detections, class_names)
    kind = FORMATS[path.suffix.lower()]
    with written_whole(path) as temporary:
        picture.save(temporary, format=kind, **_OPTIONS[kind])
    return path


def paint_detections(image, detections, class_names=None):
    """Return the picture that `write_detection_picture` writes, as a `PIL.Image.Image`."""
    picture = Image.fromarray(check_image(image))  # a copy
    pen = ImageDraw.Draw(picture)
    line_width, font = line_width_px(picture.size), _font(picture.size)
    scale = np.array(picture.size * 2)
    best_first = np.argsort(-np.asarray(detections.scores), kind="stable")
    boxes_px = np.asarray(detections.boxes_xyxy, dtype=float).reshape(-1, 4)[best_first].clip(0, 1) * scale
    labels, scores = np.asarray(detections.labels)[best_first], np.asarray(detections.scores)[best_first]
    for box_px, label in zip(boxes_px[::-1], labels[::-1]):  # the best on top
        _draw_box(pen, box_px, class_color(label), line_width)
    captions = box_captions(len(labels), labels, scores, class_names)
    names = box_captions(len(labels), labels, None, class_names)
    texts = [_fitting(font, picture.size, choices) for choices in zip(captions, names)]
    _write_captions(pen, picture.size, font, texts, boxes_px, [class_color(label) for label in labels])
    return picture


def line_width_px(size):
    """Width of the lines on a picture of this (width, height), in pixels.

    Examples
    --------
    >>> [line_width_px(size) for size in ((32, 32), (500, 375), (8000, 6250))]
    [1, 2, 24]
    """
    return int(np.clip(round(np.sqrt(size[0] * size[1]) / 200), 1, 24))


def font_size_px(size):
    """Size of the captions on a picture of this (width, height), in pixels.

    Examples
    --------
    >>> [font_size_px(size) for size in ((32, 32), (500, 375), (8000, 6250))]
    [9, 14, 200]
    """
    return int(np.clip(round(np.sqrt(size[0] * size[1]) / 30), 9, 200))


def _font(size):
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / "DejaVuSans.ttf"), font_size_px(size))


def _tag_size(font, text):
    ascent, descent = font.getmetrics()
    return float(round(font.getlength(text) + font.size * 0.4)), float(ascent + descent)


def _fitting(font, size, choices):
    """The first of the texts whose tag is no wider than the picture and covers little of it."""
    for text in choices:
        width, height = _tag_size(font, text)
        if width <= size[0] and width * height <= 0.08 * size[0] * size[1]:
            return text
    return ""


def _draw_box(pen, box_px, color, line_width):
    x1, y1, x2, y2 = np.round(box_px).astype(int).tolist()
    x2, y2 = max(x2 - 1, x1), max(y2 - 1, y1)  # the last pixel of a box is before its corner
    casing = (line_width + 1) // 3
    if casing:
        outer = [x1 - casing, y1 - casing, x2 + casing, y2 + casing]
        pen.rectangle(outer, outline=casing_color(color), width=line_width + 2 * casing)
    pen.rectangle([x1, y1, x2, y2], outline=color, width=line_width)


def _write_captions(pen, size, font, texts, boxes_px, colors):
    rows = [row for row, text in enumerate(texts) if text]
    sizes = [_tag_size(font, texts[row]) for row in rows]
    for row, tag in zip(rows, place_captions(sizes, boxes_px[rows], (0, 0, *size))):
        if tag is not None:
            x1, y1, x2, y2 = tag
            pen.rectangle([x1, y1, x2 - 1, y2 - 1], fill=colors[row])
            ink = contrast_color(colors[row])
            pen.text(((x1 + x2) / 2, y1), texts[row], fill=ink, font=font, anchor="ma")
