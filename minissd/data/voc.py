"""Data sets in the format of PASCAL VOC: one folder of images, one of XML annotations, lists of names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from minissd.data.annotation import AnnotatedImages, Annotation, Faults, image_form, number_classes
from minissd.data.voc_xml import FIRST_PIXEL, class_names_in, fault_of_box, fractions, read_annotation
from minissd.errors import input_error

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")


class VOCDetection(AnnotatedImages):
    """A data set in VOC's format; item i is a `Sample`.

    ::

        root/Annotations/NAME.xml
        root/JPEGImages/NAME.jpg        (or .png and others)
        root/ImageSets/Main/SPLIT.txt   (one NAME per line)

    All annotations and the headers of all images are read at once, so that faults come to light before a
    training begins and not in its third hour.

    Parameters
    ----------
    root : str or Path
    split : str
        Name of a list in ImageSets/Main.
    class_names : sequence of str, optional
        Without the background; label = position + 1. If not given, the names found in all annotations of the
        folder, sorted, so that every split of it has the same labels.
    strict : bool
        Refuse the data set, instead of leaving out what is faulty with a warning.
    keep_difficult : bool
        Keep objects marked as difficult, as Caffe does in training.
    pixel_convention : str
        ``"caffe"`` divides the coordinates as they are by width and height; ``"one_based"`` takes 1 off xmin
        and ymin first. See `minissd.data.voc_xml.fractions`.

    Raises
    ------
    InputError
        If a folder, the split's list, an annotation or an image is missing; an annotation is cut off, lacks
        a field, or names a class not in `class_names`; and with `strict` for everything below.

    Warns
    -----
    AnnotationWarning
        Once, at construction, if boxes are left out because they are reversed, empty, outside the image or
        not a number, or if images have another size than their annotation says.

    Examples
    --------
    >>> train = VOCDetection("bccd", split="train")  # doctest: +SKIP
    >>> train.class_names  # doctest: +SKIP
    ('Platelets', 'RBC', 'WBC')
    >>> train[0].image.shape  # doctest: +SKIP
    (480, 640, 3)
    """

    def __init__(
        self,
        root,
        split="train",
        class_names=None,
        strict=False,
        keep_difficult=True,
        pixel_convention="caffe",
    ):
        if pixel_convention not in FIRST_PIXEL:
            known = ", ".join(FIRST_PIXEL)
            raise input_error("pixel_convention", f"{pixel_convention!r} is not known", f"use one of {known}")
        self.root, self.split = Path(root), split
        self.keep_difficult, self.pixel_convention = keep_difficult, pixel_convention
        self._check_folders()
        self.names = self._read_split()
        annotations = self.root / "Annotations"
        self.class_names = tuple(class_names) if class_names is not None else class_names_in(annotations)
        self._label_of = number_classes(
            self.class_names, annotations, "no object in any annotation", "label some objects"
        )
        faults = Faults(f"{self.root} ({split})", strict)
        images = _ImageFinder(self.root / "JPEGImages")
        self._paths, self.annotations = [], []
        for name in self.names:
            self._read(annotations / f"{name}.xml", name, images, faults)
        faults.warn()

    def image_path(self, index):
        """Return the path of image `index`."""
        return self._paths[index]

    # -- reading ---------------------------------------------------------------------------------------

    def _check_folders(self):
        if not self.root.is_dir():
            raise input_error(self.root, "there is no such folder", "name the folder that holds Annotations")
        for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
            if not (self.root / name).is_dir():
                raise input_error(
                    self.root,
                    f"has no folder {name}",
                    "a VOC data set needs Annotations, JPEGImages and ImageSets/Main",
                )

    def _read_split(self):
        lists = self.root / "ImageSets" / "Main"
        path = lists / f"{self.split}.txt"
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in lists.glob("*.txt"))) or "none"
            raise input_error(path, f"there is no split {self.split!r}", f"splits in this folder: {known}")
        try:
            lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
        except UnicodeDecodeError:
            raise input_error(path, "is not a text file in UTF-8", "save the list as UTF-8") from None
        if not lines:
            raise input_error(path, "the list is empty", "write one image name per line")
        return [self._name_in(line) for line in lines]

    def _name_in(self, line):
        # VOC's lists per class, such as car_train.txt, have a second column, 1 or -1. Names may have spaces.
        if (self.root / "Annotations" / f"{line}.xml").is_file():
            return line
        head, _, last = line.rpartition(" ")
        return head.strip() if last in ("1", "0", "-1") and head else line

    def _read(self, path, name, images, faults):
        raw = read_annotation(path)
        image_path = images.find(name, raw.filename)
        if image_path is None:
            raise input_error(
                path,
                f"there is no image {name} in {images.folder}",
                f"add it, or take {name} out of the list of the split",
            )
        width, height, upright = image_form((raw.width, raw.height), path, image_path, faults)
        rows = []
        for number, obj in enumerate(raw.objects, start=1):
            if obj.name not in self._label_of:
                raise input_error(
                    path,
                    f"object {number} has the unknown class {obj.name!r}",
                    f"known classes: {', '.join(self.class_names)}",
                )
            fault = fault_of_box(obj.corners_px, width, height)
            if fault:
                faults.add(path, f"box {fault}", f"object {number} ({obj.name})")
            elif self.keep_difficult or not obj.difficult:
                rows.append(obj)
        self._paths.append(image_path)
        self.annotations.append(self._annotation(rows, width, height, upright))

    def _annotation(self, objects, width, height, upright):
        corners_px = np.array([obj.corners_px for obj in objects], np.float64).reshape(-1, 4)
        return Annotation(
            gt_xyxy=fractions(corners_px, width, height, self.pixel_convention),
            labels=np.array([self._label_of[obj.name] for obj in objects], np.int64),
            difficult=np.array([obj.difficult for obj in objects], bool),
            width=width,
            height=height,
            upright=upright,
        )


class _ImageFinder:
    """Finds the image of an annotation; lists the folder once instead of asking for every name."""

    def __init__(self, folder):
        self.folder = folder
        self._by_stem = {}
        for file in sorted(os.listdir(folder)):
            stem, extension = os.path.splitext(file)
            if extension.lower() in IMAGE_EXTENSIONS:
                self._by_stem.setdefault(stem, []).append(file)

    def find(self, name, filename):
        """The file called like the annotation; among several, or if there is none, the one it names."""
        filename = filename.replace("\\", "/").rpartition("/")[2]
        files = self._by_stem.get(name, [])
        if filename in files or (not files and filename and (self.folder / filename).is_file()):
            return self.folder / filename
        return self.folder / files[0] if files else None
