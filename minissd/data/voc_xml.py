"""One annotation file in the format of PASCAL VOC: reading its XML, and judging its boxes.

The format is older than most tools that write it, and each writes it a little differently. Read here:
whole and decimal coordinates; ``difficult`` missing or "Unspecified"; no ``pose``, no ``truncated``; a size
of 0 or none at all. What cannot be guessed, such as an object without a name, is an `InputError`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from minissd import boxes
from minissd.errors import input_error

CORNERS = ("xmin", "ymin", "xmax", "ymax")

FIRST_PIXEL = {"caffe": 0, "one_based": 1}
"""Per pixel convention, what is taken off xmin and ymin; see `fractions`."""


@dataclass(frozen=True)
class RawObject:
    """One ``<object>`` as the file has it: its class's name, corners in pixels, difficult or not."""

    name: str
    corners_px: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True)
class RawAnnotation:
    """One file as it is: ``<filename>`` (may be ""), width and height (0 if absent), the objects."""

    filename: str
    width: int
    height: int
    objects: tuple[RawObject, ...]


def read_annotation(path):
    """Read one XML file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    RawAnnotation

    Raises
    ------
    InputError
        If the file is missing, is not whole XML, or an object has no name, no ``<bndbox>``, a corner missing
        or a corner that is not a number.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise input_error(
            path, "there is no such annotation", "add it, or take its name out of ImageSets/Main"
        ) from None
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise input_error(path, f"is cut off or is not XML: {error}", "export the annotation again") from None
    except OSError as error:
        raise input_error(path, f"cannot be read: {error.strerror}", "check the file") from None
    objects = tuple(_read_object(path, i, node) for i, node in enumerate(root.findall("object"), start=1))
    filename = (root.findtext("filename") or "").strip()
    return RawAnnotation(filename, *(_size(root, side) for side in ("width", "height")), objects)


def _size(root, side):
    try:
        return max(0, int(float(root.findtext(f"size/{side}") or 0)))
    except (ValueError, OverflowError):
        return 0


def _read_object(path, number, node):
    name = (node.findtext("name") or "").strip()
    if not name:
        raise input_error(path, f"object {number} has no <name>", "give it the name of its class")
    if node.find("bndbox") is None:
        raise input_error(path, f"object {number} ({name}) has no <bndbox>", "draw its box again")
    corners_px = tuple(_corner(path, number, name, node.find("bndbox"), corner) for corner in CORNERS)
    difficult = (node.findtext("difficult") or "").strip().lower() in ("1", "true", "yes")
    return RawObject(name, corners_px, difficult)


def _corner(path, number, name, box, corner):
    text = (box.findtext(corner) or "").strip()
    if not text:
        raise input_error(path, f"object {number} ({name}) has no <{corner}>", "draw its box again")
    try:
        return float(text)
    except ValueError:
        raise input_error(
            path, f"object {number} ({name}): <{corner}> is {text!r}", "write a number of pixels"
        ) from None


def fault_of_box(corners_px, width, height):
    """What is wrong with a box, or "" if nothing is.

    Parameters
    ----------
    corners_px : tuple of float, (xmin, ymin, xmax, ymax)
    width, height : int
        Of the image.

    Returns
    -------
    str
        ``"not a number"``, ``"reversed"``, ``"empty"``, ``"outside the image"`` or ``""``. A box partly
        outside has no fault: it is cut at the border.

    Examples
    --------
    >>> fault_of_box((504, 337, 504, 337), 640, 480)
    'empty'
    """
    x1, y1, x2, y2 = corners_px
    if not all(math.isfinite(v) for v in corners_px):
        return "not a number"
    if x2 < x1 or y2 < y1:
        return "reversed"
    if x2 == x1 or y2 == y1:
        return "empty"
    if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
        return "outside the image"
    return ""


def fractions(corners_px, width, height, pixel_convention="caffe"):
    """Turn corners in pixels into fractions of the image, cut at its border.

    VOC's own files count pixels from 1 and name the first and the last pixel of the object. Read to the
    letter ("one_based"), the first pixel's left edge lies at xmin - 1 and the last one's right edge at xmax.
    Caffe's SSD divides the numbers as they are ("caffe"), which makes boxes one pixel narrower; most other
    programs write and read edges counted from 0, for which that is exact. So it is the default.

    Parameters
    ----------
    corners_px : array_like, (..., 4)
    width, height : int
    pixel_convention : str
        A key of `FIRST_PIXEL`.

    Returns
    -------
    ndarray of float64, (..., 4)
        ``_xyxy``.

    Examples
    --------
    >>> fractions([1, 1, 50, 100], 100, 100)
    array([0.01, 0.01, 0.5 , 1.  ])
    >>> fractions([1, 1, 50, 100], 100, 100, "one_based")
    array([0. , 0. , 0.5, 1. ])
    """
    first = FIRST_PIXEL[pixel_convention]
    corners_px = np.asarray(corners_px, np.float64) - np.array([first, first, 0, 0])
    return boxes.clip(corners_px / np.array([width, height, width, height]))


def class_names_in(folder):
    """The names of all classes in a folder of annotations, sorted.

    Looks for names without a full reading, and past files that are broken: these are reported when
    they are used.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    tuple of str
    """
    names = set()
    for path in sorted(folder.glob("*.xml")):
        try:
            nodes = ElementTree.parse(path).getroot().findall("object/name")
        except (ElementTree.ParseError, LookupError, ValueError, OSError):
            continue
        names.update((node.text or "").strip() for node in nodes)
    return tuple(sorted(names - {""}))
