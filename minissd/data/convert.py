"""From VOC's format to COCO's and back: new annotations, and the images copied byte for byte."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np

from minissd.data.coco_write import write_coco_annotations
from minissd.data.sample import Sample
from minissd.data.voc import IMAGE_EXTENSIONS
from minissd.data.voc_write import annotation_xml
from minissd.errors import input_error
from minissd.files import written_whole
from minissd.ground_truth import GroundTruth


def convert_to_coco(dataset, root, split):
    """Write a data set as one split in COCO's format.

    Boxes that were left out of the data set, because they are faulty, are left out of the file too.

    Parameters
    ----------
    dataset : VOCDetection
        What is difficult is written as ``"ignore": 1``. Of a `COCODetection` the crowds become that too.
    root : str or Path
    split : str

    Returns
    -------
    Path
        The annotation file.

    Examples
    --------
    >>> convert_to_coco(VOCDetection("VOC2007", "val"), "voc-as-coco", "val")  # doctest: +SKIP
    PosixPath('voc-as-coco/annotations/instances_val.json')
    """
    root, names, truths = Path(root), [], []
    for i in range(len(dataset)):
        source, annotation = dataset.image_path(i), dataset.annotation(i)
        names.append(f"{_flat_name(dataset.names[i])}{source.suffix}")
        _copy(source, root / split / names[-1])
        size = annotation.width, annotation.height
        truths.append(
            GroundTruth(annotation.gt_xyxy, annotation.labels, annotation.difficult, image_size=size)
        )
    path = root / "annotations" / f"instances_{split}.json"
    write_coco_annotations(path, truths, names, dataset.class_names)
    return path


def convert_to_voc(dataset, root, split):
    """Write a data set as one split in VOC's format.

    Parameters
    ----------
    dataset : COCODetection
        VOC knows no crowds: with ``keep_crowd`` they are written as difficult, else not at all.
    root : str or Path
    split : str

    Returns
    -------
    Path
        The list of the split.

    Raises
    ------
    InputError
        If two images would have the same name: VOC's are without folder and ending.

    Examples
    --------
    >>> convert_to_voc(COCODetection("coco", "val2017"), "coco-as-voc", "val2017")  # doctest: +SKIP
    PosixPath('coco-as-voc/ImageSets/Main/val2017.txt')
    """
    root, names = Path(root), [_flat_name(name) for name in dataset.names]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise input_error(dataset.root, f"two images would be called {twice[0]!r}", "rename one of them")
    for i, name in enumerate(names):
        source, annotation = dataset.image_path(i), dataset.annotation(i)
        _copy(source, root / "JPEGImages" / f"{name}{source.suffix}")
        # The writer of XML asks an image for nothing but its size; this one takes no memory.
        image = np.broadcast_to(np.uint8(0), (annotation.height, annotation.width, 3))
        sample = Sample(image, annotation.gt_xyxy, annotation.labels, annotation.difficult, name)
        with written_whole(root / "Annotations" / f"{name}.xml") as path:
            path.write_bytes(annotation_xml(sample, f"{name}{source.suffix}", dataset.class_names))
    listed = root / "ImageSets" / "Main" / f"{split}.txt"
    with written_whole(listed) as path:
        path.write_text("".join(f"{name}\n" for name in names), "utf-8")
    return listed


def _flat_name(file_name):
    """A file name without folders and, where it is one of an image, ending.

    Examples
    --------
    >>> _flat_name("val/000139.jpg")
    'val_000139'
    """
    path = Path(file_name)
    stem = path.with_suffix("") if path.suffix.lower() in IMAGE_EXTENSIONS else path
    return stem.as_posix().replace("/", "_")


def _copy(source, target):
    with written_whole(target) as path:
        shutil.copyfile(source, path)
