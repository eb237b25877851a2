"""Writing detections as VOC's programs want them: one text file per class, called comp4."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minissd.data.voc_xml import FIRST_PIXEL
from minissd.errors import input_error
from minissd.files import written_whole
from minissd.ground_truth import as_detections


def write_voc_results(folder, split, detections, names, image_sizes, class_names, pixel_convention="caffe"):
    """Write ``comp4_det_SPLIT_CLASS.txt`` for every class, with a line per detection.

    A line holds the name of the image, the score, and the corners in pixels. comp4 is the competition in
    which a detector may have learned from other pictures than VOC's.

    Parameters
    ----------
    folder : str or Path
        Made if it is not there.
    split : str
    detections : sequence of Detections
        One per image; boxes are fractions of the image.
    names : sequence of str
        Of the images, as in VOC's lists.
    image_sizes : sequence of (int, int)
        Width and height.
    class_names : sequence of str
        Without the background. A class that was not found gets an empty file.
    pixel_convention : str
        ``"caffe"`` writes the corners as they are; ``"one_based"`` adds 1 to xmin and ymin, as VOC counts.
        Take that with which the data set was read.

    Returns
    -------
    list of Path
        One file per class.

    Raises
    ------
    InputError
        If the convention is not known, a label has no class name, or the name of an image has a space or
        that of a class a slash, which the format cannot hold.

    Examples
    --------
    >>> test = VOCDetection("VOC2007", "test")  # doctest: +SKIP
    >>> write_voc_results("results", "test", found, test.names, test.image_sizes,
    ...                   test.class_names)  # doctest: +SKIP
    """
    if pixel_convention not in FIRST_PIXEL:
        known = ", ".join(FIRST_PIXEL)
        raise input_error("pixel_convention", f"{pixel_convention!r} is not known", f"use one of {known}")
    _check_names(names, class_names)
    lines = {label: [] for label in range(1, len(class_names) + 1)}
    first = FIRST_PIXEL[pixel_convention]
    for name, size, found in zip(names, image_sizes, detections, strict=True):
        boxes_xyxy, scores, labels = as_detections(found, name)
        corners_px = boxes_xyxy * np.tile(np.array(size, np.float64), 2) + np.array([first, first, 0, 0])
        for label, score, corners in zip(labels.tolist(), scores.tolist(), corners_px.tolist()):
            if label not in lines:
                fix = f"labels go from 1 to {len(class_names)}"
                raise input_error(name, f"label {label} has no class name", fix)
            # Scores with all their digits: a rounded score makes ties, and ties make another curve.
            lines[label].append(f"{name} {score:.9g} " + " ".join(f"{corner:.6f}" for corner in corners))
    paths = [Path(folder) / f"comp4_det_{split}_{name}.txt" for name in class_names]
    for path, of_class in zip(paths, lines.values()):
        with written_whole(path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in of_class), "utf-8")
    return paths


def _check_names(names, class_names):
    for name in names:
        if name.split() != [name]:
            raise input_error(name, "a name with a space cannot be written to VOC's results", "rename it")
    for name in class_names:
        if "/" in name or "\\" in name:
            raise input_error(name, "a class with a slash cannot be the name of a file", "rename it")
