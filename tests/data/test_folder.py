"""A folder in either format is opened alike, and converted into the other."""

import numpy as np
import pytest
from animals import CLASSES, edit_json, put_in_a_folder, set_box

from minissd.data import (
    COCODetection,
    VOCDetection,
    convert_to_coco,
    convert_to_voc,
    has_split,
    open_dataset,
    splits_in,
    write_voc,
)
from minissd.data.coco import ANNOTATION_FILES
from minissd.errors import InputError


def test_a_folder_in_either_format(coco_root, tmp_path, samples):
    voc = write_voc(tmp_path / "voc", "train", samples, CLASSES)
    assert isinstance(open_dataset(voc, "train"), VOCDetection)
    assert isinstance(open_dataset(coco_root, "train"), COCODetection)
    assert splits_in(voc) == splits_in(coco_root) == ("train",)
    assert splits_in(tmp_path) == ()
    assert open_dataset(coco_root, "train", class_names=["dog", "cat"])[0].labels.tolist() == [1, 2]
    with pytest.raises(InputError, match="there is no such folder"):
        open_dataset(tmp_path / "nowhere", "train")
    with pytest.raises(InputError, match="neither"):
        open_dataset(tmp_path, "train")


@pytest.mark.parametrize("place", ANNOTATION_FILES)
def test_a_folder_with_annotations_in_any_place(coco_root, place):
    """In each of the places where `COCODetection` looks."""
    path = coco_root / place.format(split="train")
    path.parent.mkdir(exist_ok=True)
    (coco_root / "annotations" / "instances_train.json").rename(path)
    assert len(open_dataset(coco_root, "train")) == len(COCODetection(coco_root, "train"))
    assert has_split(coco_root, "train") and not has_split(coco_root, "val")


def test_splits_in_two_places(coco_root):
    (coco_root / "annotations" / "val.json").write_text("{}")
    assert has_split(coco_root, "train") and has_split(coco_root, "val")


def test_a_list_of_names_in_a_folder_of_its_own(tmp_path, samples):
    voc = write_voc(tmp_path / "voc", "train", samples, CLASSES)
    lists = voc / "ImageSets" / "Main"
    (lists / "fold1").mkdir()
    (lists / "train.txt").rename(lists / "fold1" / "val.txt")
    assert len(open_dataset(voc, "fold1/val")) == len(samples)
    assert has_split(voc, "fold1/val") and not has_split(voc, "val")


def assert_same(ours, theirs):
    """Same pictures, byte for byte, and the same objects."""
    assert len(ours) == len(theirs) and ours.class_names == theirs.class_names
    for i, (a, b) in enumerate(zip(ours, theirs)):
        assert ours.image_path(i).read_bytes() == theirs.image_path(i).read_bytes()
        np.testing.assert_allclose(a.gt_xyxy, b.gt_xyxy, atol=1e-9)
        assert a.labels.tolist() == b.labels.tolist()
        assert a.difficult.tolist() == b.difficult.tolist()


def test_voc_to_coco_and_back(tmp_path, samples):
    voc = VOCDetection(write_voc(tmp_path / "voc", "train", samples, CLASSES))
    path = convert_to_coco(voc, tmp_path / "coco", "train")
    assert path == tmp_path / "coco" / "annotations" / "instances_train.json"
    coco = COCODetection(tmp_path / "coco", "train")
    assert_same(coco, voc)
    listed = convert_to_voc(coco, tmp_path / "again", "train")
    assert listed.read_text().split() == voc.names
    assert_same(VOCDetection(tmp_path / "again"), voc)
    xml = "Annotations/train_000000.xml"
    assert (tmp_path / "again" / xml).read_bytes() == (tmp_path / "voc" / xml).read_bytes()


def test_coco_with_folders_and_crowds_to_voc(coco_root, tmp_path):
    put_in_a_folder(coco_root)
    set_box(coco_root, [10, 10, 20, 10], iscrowd=1)
    convert_to_voc(COCODetection(coco_root, "train", keep_crowd=True), tmp_path / "voc", "val")
    voc = VOCDetection(tmp_path / "voc", "val")
    assert voc.names == ["000000", "more_x", "000002"]
    assert voc[0].difficult.tolist() == [True, True]


def test_two_images_of_one_name_cannot_go_to_voc(coco_root, tmp_path):
    (coco_root / "train" / "000000.jpg").write_bytes((coco_root / "train" / "000001.png").read_bytes())
    edit_json(coco_root, lambda content: content["images"][1].update(file_name="000000.jpg"))
    with pytest.raises(InputError, match="two images would be called '000000'"):
        convert_to_voc(COCODetection(coco_root, "train"), tmp_path / "voc", "val")
    assert not (tmp_path / "voc").exists()
