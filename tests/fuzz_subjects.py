"""The readers that `fuzz_readers` spoils files for, and valid files for each.

A new reader is one more entry.
"""

from __future__ import annotations

import functools
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import container_mutations as c
import mutations as m
import numpy as np
from two_maps import TWO_MAPS

from minissd import weights
from minissd.data import COCODetection, VOCDetection, write_coco, write_voc
from minissd.data.coco_json import read_coco_results, read_instances
from minissd.data.sample import Sample
from minissd.models import SSD
from minissd.weights import caffe_file, checkpoint, npz_file, torch_file

REFERENCE = Path(__file__).parent / "reference"
CLASSES = ("cat", "dog")
SPLIT_JSON = "annotations/instances_train.json"


@dataclass(frozen=True)
class Reader:
    """One kind of file.

    Attributes
    ----------
    file : str
        Where the spoiled file is written, below a folder of its own.
    make : callable, () -> list of bytes
        Valid files.
    read : callable, path -> anything
    mutations : tuple of callable
    furnish : callable, folder -> None
        Puts in place what the reader needs beside the file.
    """

    file: str
    make: Callable
    read: Callable
    mutations: tuple
    furnish: Callable = lambda folder: None

    @functools.cached_property
    def valid_files(self):
        return self.make()

    def prepare(self, folder):
        (folder / self.file).parent.mkdir(parents=True, exist_ok=True)
        self.furnish(folder)


# -- data sets ---------------------------------------------------------------------------------------------


def samples():
    """Two pictures of 40 x 20 with two objects and one."""
    gt_xyxy = np.array([[0.25, 0.5, 0.75, 1.0], [0.125, 0.0, 0.2625, 0.33]])
    image, labels, difficult = np.zeros((20, 40, 3), np.uint8), np.array([2, 1]), np.array([False, True])
    return [Sample(image, gt_xyxy[:n], labels[:n], difficult[:n]) for n in (2, 1)]


def made_by(write, place):
    """The file at a place of a data set that the package writes."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), "train", samples(), CLASSES, image_format="png")
        return (Path(folder) / place).read_bytes()


def furnish_voc(folder):
    write_voc(folder, "train", samples(), CLASSES, image_format="png")


def furnish_coco(folder):
    write_coco(folder, "train", samples(), CLASSES, image_format="png")


def voc_files():
    hand_made = """<?xml version="1.0" encoding="utf-8"?>
    <annotation verified="no"><folder>x</folder><filename>b.jpg</filename>
    <size><width>40</width><height>20</height><depth>3</depth></size><segmented>0</segmented>
    <object><name>dog</name><pose>Unspecified</pose><truncated>1</truncated><difficult>Unspecified</difficult>
    <bndbox><xmin>1</xmin><ymin>2.5</ymin><xmax>30</xmax><ymax>19</ymax></bndbox>
    <part><name>head</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></part>
    </object></annotation>"""
    return [made_by(write_voc, "Annotations/train_000000.xml"), hand_made.encode()]


def coco_files():
    content = json.loads(made_by(write_coco, SPLIT_JSON))
    for annotation in content["annotations"]:
        annotation |= {"iscrowd": 0, "ignore": 0, "segmentation": [[1, 2, 3, 4, 5, 6]], "area": 12.5}
    return [made_by(write_coco, SPLIT_JSON), json.dumps(content, indent=1).encode()]


def read_voc(path):
    return list(VOCDetection(path.parents[1]))


def read_coco(path):
    data_set = COCODetection(path.parents[1], "train")
    return list(data_set), [data_set.ground_truth(i) for i in range(len(data_set))]


def results_files():
    entry = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3.5, 4], "score": 0.75}
    return [json.dumps([entry, entry | {"image_id": 2, "category_id": 2, "score": 1}]).encode()]


def read_results(path):
    return read_coco_results(path, read_instances(path.parent / SPLIT_JSON))


# -- weights -----------------------------------------------------------------------------------------------


def checkpoint_files():
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.random(shape, np.float32) for name, shape in (("conv1.weight", (2, 3, 3)), ("b", (4,)))
    }
    state, details = {"conv1.weight": np.ones((2, 3))}, {"step": 3, "rows": [{"loss": 1.5}]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        checkpoint.write(path, checkpoint.Checkpoint(arrays, TWO_MAPS, CLASSES, state, details))
        return [path.read_bytes()]


def model_files():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        weights.save(SSD(TWO_MAPS), path, CLASSES)
        return [path.read_bytes()]


def npz_files():
    arrays = {
        "conv1.weight": np.ones((2, 3, 3, 3), np.float32),
        "step": np.array(3),
        "half": np.ones(4, np.float16),
    }
    plain, packed = io.BytesIO(), io.BytesIO()
    np.savez(plain, **arrays)
    np.savez_compressed(packed, **arrays)
    return [plain.getvalue(), packed.getvalue()]


def reference_files(*names):
    return [(REFERENCE / name).read_bytes() for name in names]


IN_JSON = (*m.BYTES, *m.TEXT * 2, *m.JSON * 15)
IN_NPY = c.in_zip(*m.BYTES, *m.TEXT)
IN_PICKLE = c.in_zip(*m.BYTES, *c.PICKLE)
IN_MESSAGE = c.in_message(*m.BYTES, *c.PROTOBUF * 3)
IN_HEADER = c.in_safetensors_header(*IN_JSON)
IN_METADATA = c.in_safetensors_header(*m.JSON, m.replace_number)

READERS = {
    "voc": Reader(
        "Annotations/train_000000.xml", voc_files, read_voc, (*m.BYTES, *m.TEXT * 4, *m.XML * 6), furnish_voc
    ),
    "coco": Reader(SPLIT_JSON, coco_files, read_coco, IN_JSON, furnish_coco),
    "coco-results": Reader("results.json", results_files, read_results, IN_JSON, furnish_coco),
    "checkpoint": Reader(
        "weights.safetensors", checkpoint_files, weights.read, (*m.BYTES, *[IN_HEADER] * len(m.BYTES))
    ),
    "model": Reader("model.safetensors", model_files, weights.load_model, (IN_HEADER, *[IN_METADATA] * 9)),
    "npz": Reader("weights.npz", npz_files, npz_file.read, (*m.BYTES, *[IN_NPY] * len(m.BYTES))),
    "pth": Reader(
        "weights.pth",
        lambda: reference_files("torch_zip.pth", "torch_legacy.pth"),
        torch_file.read,
        (*m.BYTES, *c.PICKLE * 2, *[IN_PICKLE] * len(m.BYTES)),
    ),
    "caffemodel": Reader(
        "net.caffemodel",
        lambda: reference_files("caffe_v1.caffemodel", "caffe_v2.caffemodel"),
        caffe_file.read,
        (*m.BYTES, *c.PROTOBUF, *[IN_MESSAGE] * 3 * len(m.BYTES)),
    ),
}
