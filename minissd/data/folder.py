"""A folder of annotated pictures, whatever format it is in."""

from __future__ import annotations

from pathlib import Path

from minissd.data.coco import COCODetection, annotation_files, coco_splits
from minissd.data.voc import VOCDetection
from minissd.errors import input_error

VOC_LISTS = "ImageSets/Main"


def open_dataset(root, split, class_names=None, strict=False):
    """Open a data set in VOC's or COCO's format.

    Parameters
    ----------
    root, split, class_names, strict
        As in `VOCDetection` and `COCODetection`.

    Returns
    -------
    VOCDetection or COCODetection

    Raises
    ------
    InputError
        If the folder is in neither format, or as the data set says.
    """
    root = Path(root)
    if root.is_file():
        raise input_error(root, "is a file", "name a folder in VOC's or COCO's format")
    if not root.is_dir():
        raise input_error(root, "there is no such folder", "name a folder in VOC's or COCO's format")
    if (root / VOC_LISTS).is_dir():
        return VOCDetection(root, split, class_names, strict)
    if coco_splits(root) or annotation_files(root, split):
        return COCODetection(root, split, class_names, strict)
    raise input_error(
        root,
        f"is neither VOC's format nor COCO's: no {VOC_LISTS}, no annotations/instances_{split}.json",
        "name the folder that holds one of them",
    )


def has_split(root, split):
    """Return whether `open_dataset` finds a split, also in a place that `splits_in` does not look at.

    Parameters
    ----------
    root : str or Path
    split : str

    Returns
    -------
    bool
    """
    root = Path(root)
    lists = root / VOC_LISTS
    return (lists / f"{split}.txt").is_file() if lists.is_dir() else bool(annotation_files(root, split))


def splits_in(root):
    """Return the names of the splits of a folder in VOC's or COCO's format, sorted.

    Parameters
    ----------
    root : str or Path

    Returns
    -------
    tuple of str
    """
    lists = Path(root) / VOC_LISTS
    return tuple(sorted(file.stem for file in lists.glob("*.txt"))) if lists.is_dir() else coco_splits(root)
