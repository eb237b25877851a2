"""Writing a data set in the format of PASCAL VOC, so that other tools, and `VOCDetection`, can read it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from minissd.data.classes import class_name_of
from minissd.data.image import check_image
from minissd.data.image_write import check_image_format, write_image
from minissd.files import written_whole


def write_voc(root, split, samples, class_names, image_format="jpg"):
    """Write samples as one split of a VOC data set; other splits in the folder stay.

    Images are called ``SPLIT_000000`` and so on. Coordinates are written in pixels from 0, with decimals
    where they have any, so that `VOCDetection` with its default settings gives the same boxes back. Every
    file appears whole or not at all, and the split's list comes last: an interrupted run leaves no split
    that names missing images.

    Parameters
    ----------
    root : str or Path
        The folder; made if it is not there.
    split : str
    samples : iterable of Sample
        Taken one at a time, so it may be a generator.
    class_names : sequence of str
        Without the background; label 1 is the first.
    image_format : str
        ``"jpg"`` (quality 95) or ``"png"``, which keeps every pixel.

    Returns
    -------
    Path
        The root.

    Raises
    ------
    InputError
        If the image format is not known, a label has no class name, or an image is not uint8 (H, W, 3).

    Examples
    --------
    >>> from minissd.data import DrawnScenes
    >>> scenes = DrawnScenes(length=100)
    >>> write_voc("scenes", "train", scenes, scenes.class_names)  # doctest: +SKIP
    """
    check_image_format(image_format)
    root = Path(root)
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    names = []
    for i, sample in enumerate(samples):
        name = f"{split}_{i:06d}"
        check_image(sample.image, sample.name or name)
        xml = annotation_xml(sample, f"{name}.{image_format}", class_names)
        write_image(sample.image, root / "JPEGImages" / f"{name}.{image_format}")
        with written_whole(root / "Annotations" / f"{name}.xml") as path:
            path.write_bytes(xml)
        names.append(name)
    with written_whole(root / "ImageSets" / "Main" / f"{split}.txt") as path:
        path.write_text("".join(f"{name}\n" for name in names), "utf-8")
    return root


def annotation_xml(sample, filename, class_names):
    """Return the annotation of a sample as bytes of XML; of its image only the size is looked at."""
    height, width = sample.image.shape[:2]
    root = ElementTree.Element("annotation")
    _add(root, "filename", filename)
    size = ElementTree.SubElement(root, "size")
    for tag, value in (("width", width), ("height", height), ("depth", 3)):
        _add(size, tag, value)
    corners_px = sample.gt_xyxy * np.array([width, height, width, height])
    for corners, label, difficult in zip(corners_px, sample.labels, sample.difficult, strict=True):
        node = ElementTree.SubElement(root, "object")
        _add(node, "name", class_name_of(label, class_names, sample.name or filename))
        _add(node, "difficult", int(difficult))
        box = ElementTree.SubElement(node, "bndbox")
        for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), corners):
            _add(box, tag, f"{value:.10g}")
    ElementTree.indent(root)
    return ElementTree.tostring(root)


def _add(parent, tag, value):
    ElementTree.SubElement(parent, tag).text = str(value)
