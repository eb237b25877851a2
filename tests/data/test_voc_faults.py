"""Faulty VOC data sets: boxes left out with one warning, or refused, and what cannot be used at all."""

import numpy as np
import pytest
from animals import CLASSES, annotation_file, edit_xml, set_corners

from minissd.data.annotation import AnnotationWarning
from minissd.data.voc import VOCDetection
from minissd.data.voc_write import write_voc
from minissd.data.voc_xml import fault_of_box
from minissd.errors import InputError


@pytest.mark.parametrize(
    ("corners_px", "fault"),
    [
        ((30, 10, 10, 20), "reversed"),
        ((10, 20, 30, 10), "reversed"),
        ((10, 10, 10, 20), "empty"),
        ((10, 10, 10, 10), "empty"),
        ((40, 10, 60, 20), "outside the image"),
        ((-9, 10, 0, 20), "outside the image"),
        (("nan", 10, 30, 20), "not a number"),
        ((10, 10, "inf", 20), "not a number"),
    ],
)
def test_faulty_box(voc_root, corners_px, fault):
    set_corners(voc_root, corners_px)
    assert fault_of_box(tuple(float(v) for v in corners_px), 40, 20) == fault
    with pytest.warns(AnnotationWarning) as caught:
        dataset = VOCDetection(voc_root)
    assert len(caught) == 1
    assert f"box {fault}: 1" in str(caught[0].message)
    assert "train_000000.xml, object 1 (dog)" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert dataset[0].labels.tolist() == [1]
    with pytest.raises(InputError, match=rf"train_000000.xml: box {fault}: object 1 \(dog\) \(mend it"):
        VOCDetection(voc_root, strict=True)


def test_faults_are_counted_in_one_warning(voc_root):
    set_corners(voc_root, (30, 10, 10, 20))
    edit_xml(voc_root, "<xmax>30</xmax>", "<xmax>10</xmax>", number=1)
    edit_xml(voc_root, "<width>40</width>", "<width>80</width>", number=2)
    with pytest.warns(AnnotationWarning) as caught:
        VOCDetection(voc_root)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "(box empty: 1, box reversed: 1, image size differs from its annotation: 1)" in text


def test_another_size_than_annotated(voc_root):
    edit_xml(voc_root, "<width>40</width>", "<width>80</width>")
    with pytest.warns(AnnotationWarning, match="80 x 20 annotated, train_000000.png has 40 x 20"):
        dataset = VOCDetection(voc_root)
    np.testing.assert_allclose(dataset[0].gt_xyxy[0], [0.125, 0.5, 0.375, 1.0])
    with pytest.raises(InputError, match="image size differs"):
        VOCDetection(voc_root, strict=True)


# -- what cannot be used ---------------------------------------------------------------------------------


def test_missing_folders_and_splits(voc_root, tmp_path):
    with pytest.raises(InputError, match=r"nowhere: there is no such folder"):
        VOCDetection(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"has no folder Annotations"):
        VOCDetection(tmp_path)
    write_voc(voc_root, "val", [], CLASSES)
    with pytest.raises(InputError, match=r"there is no split 'test' \(splits in this folder: train, val\)"):
        VOCDetection(voc_root, "test")
    with pytest.raises(InputError, match=r"val.txt: the list is empty"):
        VOCDetection(voc_root, "val")


def test_annotation_cut_off(voc_root):
    path = annotation_file(voc_root)
    path.write_text(path.read_text()[:200])
    with pytest.raises(InputError, match=r"train_000000.xml: is cut off or is not XML.*\(export"):
        VOCDetection(voc_root)


def test_annotation_missing(voc_root):
    annotation_file(voc_root, 1).unlink()
    with pytest.raises(InputError, match=r"train_000001.xml: there is no such annotation \(add it, or take"):
        VOCDetection(voc_root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<name>dog</name>", "", r"object 1 has no <name>"),
        ("<name>dog</name>", "<name> </name>", r"object 1 has no <name>"),
        ("bndbox>", "polygon>", r"is cut off|object 1 \(dog\) has no <bndbox>"),
        ("<xmax>30</xmax>", "", r"object 1 \(dog\) has no <xmax>"),
        ("<xmax>30</xmax>", "<xmax>wide</xmax>", r"object 1 \(dog\): <xmax> is 'wide'"),
    ],
)
def test_field_missing(voc_root, old, new, message):
    edit_xml(voc_root, old, new)
    with pytest.raises(InputError, match=rf"train_000000.xml: .*({message})"):
        VOCDetection(voc_root)


def test_object_without_bndbox(voc_root):
    path = annotation_file(voc_root)
    path.write_text(path.read_text().replace("bndbox>", "polygon>"))
    with pytest.raises(InputError, match=r"object 1 \(dog\) has no <bndbox> \(draw its box again\)"):
        VOCDetection(voc_root)


def test_unknown_class(voc_root):
    with pytest.raises(InputError, match=r"object 1 has the unknown class 'dog' \(known classes: cat, cow\)"):
        VOCDetection(voc_root, class_names=["cat", "cow"])


def test_class_twice_and_no_class_at_all(voc_root):
    with pytest.raises(InputError, match=r"class_names: 'cat' is there twice"):
        VOCDetection(voc_root, class_names=["cat", "cat"])
    for number in (0, 1):
        annotation_file(voc_root, number).write_text("<annotation/>")
    with pytest.raises(InputError, match="no object in any annotation"):
        VOCDetection(voc_root)


def test_image_missing_or_broken(voc_root):
    image = voc_root / "JPEGImages" / "train_000001.png"
    image.write_text("no image")
    with pytest.raises(InputError, match=r"train_000001.png: is not an image"):
        VOCDetection(voc_root)
    image.unlink()
    with pytest.raises(InputError, match=r"train_000001.xml: there is no image train_000001 in"):
        VOCDetection(voc_root)
