"""Data sets in the format of COCO: folders of images, and for each one file of annotations."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from minissd.data.annotation import AnnotatedImages, Annotation, Faults, image_form, number_classes
from minissd.data.coco_json import corners_of, read_instances
from minissd.data.voc_xml import fault_of_box, fractions
from minissd.errors import input_error
from minissd.ground_truth import GroundTruth

ANNOTATION_FILES = (
    "annotations/instances_{split}.json",
    "annotations/{split}.json",
    "{split}/_annotations.coco.json",
    "{split}.json",
)
"""Where the annotations of a split are looked for, in this order."""

IMAGE_FOLDERS = ("{split}", "images/{split}", "images", "JPEGImages", ".")
"""Where its images are looked for."""


class COCODetection(AnnotatedImages):
    """A data set in COCO's format; item i is a `Sample`.

    ::

        root/annotations/instances_SPLIT.json
        root/SPLIT/NAME.jpg

    and the other places in `ANNOTATION_FILES` and `IMAGE_FOLDERS`. Images come by ascending id, those without
    an object too. The annotations and the headers of all images are read at once, so that faults come to
    light before a training begins and not in its third hour.

    Parameters
    ----------
    root : str or Path
    split : str
        Such as ``"train2017"``.
    class_names : sequence of str, optional
        Without the background; label = position + 1. If not given, the categories of the file by ascending
        id, whether they occur or not.
    strict : bool
        Refuse the data set, instead of leaving out what is faulty with a warning.
    keep_crowd : bool
        Keep the boxes around crowds, marked as difficult, as Caffe reads them. Its COCO models were trained
        without them: such a box fits no single object.

    Attributes
    ----------
    names : list of str
        File names of the images.
    image_ids : list of int
    image_sizes : list of (int, int)
        Width and height in pixels.
    category_ids : dict of int to int
        COCO's id of each label that the file has; for writing results.

    Raises
    ------
    InputError
        If a file or image is missing or cannot be read, an object's class is not in `class_names`; and with
        `strict` for everything below.

    Warns
    -----
    AnnotationWarning
        Once, at construction, if boxes are left out because they are empty, reversed or outside the image,
        or if images have another size than the file says.

    Examples
    --------
    >>> val = COCODetection("coco", split="val2017")  # doctest: +SKIP
    >>> val.class_names[:2], val.category_ids[80]  # doctest: +SKIP
    (('person', 'bicycle'), 90)
    >>> val.image_ids[0], val[0].image.shape  # doctest: +SKIP
    (139, (426, 640, 3))
    """

    def __init__(self, root, split="train2017", class_names=None, strict=False, keep_crowd=False):
        self.root, self.split, self.keep_crowd = Path(root), split, keep_crowd
        self.path = annotation_file(self.root, split)
        self._instances = instances = read_instances(self.path)
        known = tuple(instances.categories.values())
        self.class_names = tuple(class_names) if class_names is not None else known
        self._label_of = number_classes(
            self.class_names, self.path, "has no categories", "name the classes of the objects"
        )
        self.category_ids = {
            self._label_of[name]: category
            for category, name in instances.categories.items()
            if name in self._label_of
        }
        self.names = [image.file_name for image in instances.images]
        self.image_ids = [image.id for image in instances.images]
        self._new_label = np.array([0] + [self._label_of.get(name, 0) for name in known], np.int64)
        self._check_classes(known)
        faults = Faults(self.path, strict)
        self._folder = self._image_folder()
        self.annotations = [self._read(i, image, faults) for i, image in enumerate(instances.images)]
        faults.warn()

    def image_path(self, index):
        """Return the path of image `index`."""
        return self._folder / self.names[index]

    def ground_truth(self, index):
        """Return what COCO's evaluation counts in image `index`: every box of the file, crowds too.

        Returns
        -------
        GroundTruth
            Boxes as fractions of the image, not cut at its border.
        """
        rows, annotation = self._instances.rows(index), self.annotations[index]
        size = annotation.width, annotation.height
        return GroundTruth(
            gt_xyxy=corners_of(self._instances.boxes_xywh[rows]) / np.tile(size, 2),
            labels=self._new_label[self._instances.labels[rows]],
            difficult=self._instances.difficult[rows],
            crowd=self._instances.crowd[rows],
            area_px=self._instances.area_px[rows],
            image_size=size,
        )

    # -- reading ---------------------------------------------------------------------------------------

    def _check_classes(self, known):
        unknown = np.flatnonzero(self._new_label[self._instances.labels] == 0)
        if len(unknown):
            name = known[self._instances.labels[unknown[0]] - 1]
            raise input_error(
                self.path,
                f"annotations[{self._instances.entries[unknown[0]]}] has the unknown class {name!r}",
                f"known classes: {', '.join(self.class_names)}",
            )

    def _image_folder(self):
        """The first of the usual folders that has the first image."""
        folders = [self.root / folder.format(split=self.split) for folder in IMAGE_FOLDERS]
        for folder in folders:
            if os.path.isfile(folder / self.names[0]):
                return folder
        raise input_error(
            self.path,
            f"there is no image {self.names[0]}",
            f"looked for in {', '.join(str(folder) for folder in folders)}",
        )

    def _read(self, index, image, faults):
        path = self.image_path(index)
        if not os.path.isfile(path):  # unlike Path.is_file, no error if the name is too long
            raise input_error(
                self.path, f"there is no image {image.file_name} in {self._folder}", "add it to the folder"
            )
        width, height, upright = image_form((image.width, image.height), self.path, path, faults)
        rows = self._sound_rows(index, width, height, faults)
        return Annotation(
            gt_xyxy=fractions(corners_of(self._instances.boxes_xywh[rows]), width, height),
            labels=self._new_label[self._instances.labels[rows]],
            difficult=self._instances.difficult[rows] | self._instances.crowd[rows],
            width=width,
            height=height,
            upright=upright,
        )

    def _sound_rows(self, index, width, height, faults):
        rows = []
        instances, of_image = self._instances, self._instances.rows(index)
        corners_px = corners_of(instances.boxes_xywh[of_image]).tolist()
        for row, corners in zip(range(of_image.start, of_image.stop), corners_px):
            fault = fault_of_box(corners, width, height)
            if fault:
                name = self.class_names[self._new_label[instances.labels[row]] - 1]
                faults.add(self.path, f"box {fault}", f"annotations[{instances.entries[row]}] ({name})")
            elif self.keep_crowd or not instances.crowd[row]:
                rows.append(row)
        return rows


def annotation_file(root, split):
    """Find the annotation file of a split.

    Parameters
    ----------
    root : Path
    split : str

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If there is none; the message names the splits that there are.
    """
    if not root.is_dir():
        raise input_error(root, "there is no such folder", "name the folder that holds annotations")
    if found := annotation_files(root, split):
        return found[0]
    known = ", ".join(coco_splits(root)) or "none"
    raise input_error(
        root,
        f"there is no split {split!r}: no {ANNOTATION_FILES[0].format(split=split)}",
        f"splits in this folder: {known}",
    )


def annotation_files(root, split):
    """The annotation files of a split that there are, in the order of `ANNOTATION_FILES`."""
    files = [root / place.format(split=split) for place in ANNOTATION_FILES]
    return [file for file in files if file.is_file()]


def coco_splits(root):
    """Return the names of the splits of which a folder has annotations; none if it is not in COCO's format.

    Parameters
    ----------
    root : str or Path

    Returns
    -------
    tuple of str
    """
    for place in ANNOTATION_FILES[:-1]:  # not the last: any JSON file may lie in the folder itself
        before, after = place.split("{split}")
        files = [file.relative_to(root).as_posix() for file in Path(root).glob(place.format(split="*"))]
        if files:
            return tuple(sorted(file.removeprefix(before).removesuffix(after) for file in files))
    return ()
