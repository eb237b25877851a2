"""VOC data sets: written and read back, strange ones, faulty ones."""

import itertools
import warnings

import numpy as np
import pytest
from PIL import Image

from minissd.data.annotation import AnnotationWarning
from minissd.data.image import EXIF_ORIENTATION
from minissd.data.sample import Sample
from minissd.data.voc import VOCDetection
from minissd.data.voc_write import write_voc
from minissd.data.voc_xml import fault_of_box, fractions
from minissd.errors import InputError

CLASSES = ("cat", "dog")


@pytest.fixture
def root(tmp_path, rng):
    """Three pictures of 40 x 20 with 2, 1 and 0 objects, as split train."""
    samples = [
        Sample(
            rng.integers(0, 256, (20, 40, 3), dtype=np.uint8),
            np.array([[0.25, 0.5, 0.75, 1.0], [0.125, 0.0, 0.2625, 0.33]])[:count],
            np.array([2, 1])[:count],
            np.array([False, True])[:count],
        )
        for count in (2, 1, 0)
    ]
    return write_voc(tmp_path / "pets", "train", samples, CLASSES, image_format="png")


def annotation_file(root, number=0):
    return root / "Annotations" / f"train_{number:06d}.xml"


def edit(root, old, new, number=0):
    path = annotation_file(root, number)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def corner_edit(root, corners_px):
    """Give the first object of the first picture these corners instead of 10 10 30 20."""
    for corner, old, new in zip(("xmin", "ymin", "xmax", "ymax"), (10, 10, 30, 20), corners_px):
        edit(root, f"<{corner}>{old}</{corner}>", f"<{corner}>{new}</{corner}>")


# -- good data ---------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(root):
    dataset = VOCDetection(root)
    assert len(dataset) == 3
    assert dataset.class_names == CLASSES
    assert dataset.names == ["train_000000", "train_000001", "train_000002"]
    first = dataset[0]
    expected = np.random.default_rng(0).integers(0, 256, (20, 40, 3), dtype=np.uint8)  # as `rng` gave it
    np.testing.assert_array_equal(first.image, expected)
    np.testing.assert_allclose(first.gt_xyxy, [[0.25, 0.5, 0.75, 1.0], [0.125, 0.0, 0.2625, 0.33]], atol=1e-9)
    assert first.labels.tolist() == [2, 1]
    assert first.difficult.tolist() == [False, True]
    assert (first.gt_xyxy.dtype, first.labels.dtype) == (np.float64, np.int64)
    assert dataset[2].gt_xyxy.shape == (0, 4)
    assert dataset.image_path(1) == root / "JPEGImages" / "train_000001.png"
    assert (dataset.annotation(1).width, dataset.annotation(1).height) == (40, 20)
    assert len(list(dataset)) == 3
    with pytest.raises(IndexError):
        dataset[3]


def test_jpeg_is_the_default(root):
    samples = list(VOCDetection(root))
    write_voc(root, "again", samples, CLASSES)
    again = VOCDetection(root, "again")
    assert again.image_path(0).suffix == ".jpg"
    assert len(VOCDetection(root, "train")) == 3
    np.testing.assert_allclose(again[0].gt_xyxy, samples[0].gt_xyxy, atol=1e-9)


def test_a_sample_may_be_changed_without_harm(root):
    dataset = VOCDetection(root)
    dataset[0].gt_xyxy[:] = 0
    dataset[0].labels[:] = 0
    assert dataset[0].labels.tolist() == [2, 1]
    assert dataset[0].gt_xyxy.max() == 1


def test_labels_are_the_same_in_every_split(root):
    only_dog = [s for s in VOCDetection(root) if s.labels.tolist() == [2]]
    write_voc(root, "val", only_dog, CLASSES)
    assert VOCDetection(root, "val").class_names == CLASSES
    assert VOCDetection(root, "val")[0].labels.tolist() == [2]


def test_given_class_names_decide_the_labels(root):
    dataset = VOCDetection(root, class_names=["bird", "dog", "cat"])
    assert dataset.class_names == ("bird", "dog", "cat")
    assert dataset[0].labels.tolist() == [2, 3]


def test_difficult_objects_can_be_left_out(root):
    assert VOCDetection(root, keep_difficult=False)[0].labels.tolist() == [2]


def test_pixel_conventions():
    # Pixels 1...50 of 100, counted from 1: to the letter the left half, as Caffe reads it from 0.01.
    assert fractions([1, 1, 50, 100], 100, 100).tolist() == [0.01, 0.01, 0.5, 1.0]
    assert fractions([1, 1, 50, 100], 100, 100, "one_based").tolist() == [0.0, 0.0, 0.5, 1.0]


def test_pixel_convention_is_used(root):
    boxes_xyxy = VOCDetection(root, pixel_convention="one_based")[0].gt_xyxy
    np.testing.assert_allclose(boxes_xyxy[0], [9 / 40, 9 / 20, 30 / 40, 1.0])
    with pytest.raises(InputError, match=r"pixel_convention: 'zero' is not known"):
        VOCDetection(root, pixel_convention="zero")


# -- strange but usable data -------------------------------------------------------------------------------


def test_decimals_unspecified_and_missing_fields(root):
    edit(root, "<ymin>10</ymin>", "<ymin> 10.70000076293945 </ymin>")
    edit(root, "<difficult>0</difficult>", "<difficult>Unspecified</difficult>")
    edit(root, "<difficult>1</difficult>", "<truncated>0.0597</truncated>")
    sample = VOCDetection(root, strict=True)[0]
    np.testing.assert_allclose(sample.gt_xyxy[0, 1], 10.70000076293945 / 20)
    assert sample.difficult.tolist() == [False, False]


@pytest.mark.parametrize("text", ["<width>0</width>", "<width/>", "", "<width>wide</width>"])
def test_without_a_size_the_image_tells_it(root, text):
    edit(root, "<width>40</width>", text)
    sample = VOCDetection(root, strict=True)[0]
    np.testing.assert_allclose(sample.gt_xyxy[0], [0.25, 0.5, 0.75, 1.0])


def test_boxes_partly_outside_are_cut(root):
    corner_edit(root, (-8, -3, 44, 10))
    assert VOCDetection(root, strict=True)[0].gt_xyxy[0].tolist() == [0.0, 0.0, 1.0, 0.5]


def test_images_under_other_extensions_and_names(root):
    images = root / "JPEGImages"
    (images / "train_000000.png").rename(images / "train_000000.PNG")  # <filename> says .png
    (images / "train_000001.png").rename(images / "holiday 1.png")
    edit(root, "train_000001.png", r"C:\pictures\holiday 1.png", number=1)
    dataset = VOCDetection(root)
    assert [dataset.image_path(i).name for i in (0, 1)] == ["train_000000.PNG", "holiday 1.png"]


def test_lists_with_a_second_column_blank_lines_and_spaces_in_names(root):
    for folder, ending in (("Annotations", "xml"), ("JPEGImages", "png")):
        (root / folder / f"train_000001.{ending}").rename(root / folder / f"my dog.{ending}")
    text = "\ufefftrain_000000  1\r\n\r\nmy dog\r\ntrain_000002 -1\r\n"
    (root / "ImageSets" / "Main" / "dog_train.txt").write_text(text, "utf-8")
    assert VOCDetection(root, "dog_train").names == ["train_000000", "my dog", "train_000002"]


def test_boxes_drawn_on_a_picture_before_its_turn(root):
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[10:20, 10:30] = 255
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.fromarray(pixels).save(root / "JPEGImages" / "train_000000.png", exif=exif)
    sample = VOCDetection(root, strict=True)[0]  # annotated as 40 x 20, which is how it is stored
    np.testing.assert_array_equal(sample.image, pixels)
    edit(root, "<width>40</width>", "<width>20</width>")
    edit(root, "<height>20</height>", "<height>40</height>")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the second box is outside now
        assert VOCDetection(root)[0].image.shape == (40, 20, 3)


# -- faulty boxes: left out with one warning, or refused ---------------------------------------------------


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
def test_faulty_box(root, corners_px, fault):
    corner_edit(root, corners_px)
    assert fault_of_box(tuple(float(v) for v in corners_px), 40, 20) == fault
    with pytest.warns(AnnotationWarning) as caught:
        dataset = VOCDetection(root)
    assert len(caught) == 1
    assert f"box {fault}: 1" in str(caught[0].message)
    assert "train_000000.xml, object 1 (dog)" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert dataset[0].labels.tolist() == [1]
    with pytest.raises(InputError, match=rf"train_000000.xml: box {fault}: object 1 \(dog\) \(mend it"):
        VOCDetection(root, strict=True)


def test_faults_are_counted_in_one_warning(root):
    corner_edit(root, (30, 10, 10, 20))
    edit(root, "<xmax>30</xmax>", "<xmax>10</xmax>", number=1)
    edit(root, "<width>40</width>", "<width>80</width>", number=2)
    with pytest.warns(AnnotationWarning) as caught:
        VOCDetection(root)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "(box empty: 1, box reversed: 1, image size differs from its annotation: 1)" in text


def test_another_size_than_annotated(root):
    edit(root, "<width>40</width>", "<width>80</width>")
    with pytest.warns(AnnotationWarning, match="80 x 20 annotated, train_000000.png has 40 x 20"):
        dataset = VOCDetection(root)
    np.testing.assert_allclose(dataset[0].gt_xyxy[0], [0.125, 0.5, 0.375, 1.0])
    with pytest.raises(InputError, match="image size differs"):
        VOCDetection(root, strict=True)


# -- what cannot be used -----------------------------------------------------------------------------------


def test_missing_folders_and_splits(root, tmp_path):
    with pytest.raises(InputError, match=r"nowhere: there is no such folder"):
        VOCDetection(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"has no folder Annotations"):
        VOCDetection(tmp_path)
    write_voc(root, "val", [], CLASSES)
    with pytest.raises(InputError, match=r"there is no split 'test' \(splits in this folder: train, val\)"):
        VOCDetection(root, "test")
    with pytest.raises(InputError, match=r"val.txt: the list is empty"):
        VOCDetection(root, "val")


def test_annotation_cut_off(root):
    path = annotation_file(root)
    path.write_text(path.read_text()[:200])
    with pytest.raises(InputError, match=r"train_000000.xml: is cut off or is not XML.*\(export"):
        VOCDetection(root)


def test_annotation_missing(root):
    annotation_file(root, 1).unlink()
    with pytest.raises(InputError, match=r"train_000001.xml: there is no such annotation \(add it, or take"):
        VOCDetection(root)


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
def test_field_missing(root, old, new, message):
    edit(root, old, new)
    with pytest.raises(InputError, match=rf"train_000000.xml: .*({message})"):
        VOCDetection(root)


def test_object_without_bndbox(root):
    path = annotation_file(root)
    path.write_text(path.read_text().replace("bndbox>", "polygon>"))
    with pytest.raises(InputError, match=r"object 1 \(dog\) has no <bndbox> \(draw its box again\)"):
        VOCDetection(root)


def test_unknown_class(root):
    with pytest.raises(InputError, match=r"object 1 has the unknown class 'dog' \(known classes: cat, cow\)"):
        VOCDetection(root, class_names=["cat", "cow"])


def test_class_twice_and_no_class_at_all(root):
    with pytest.raises(InputError, match=r"class_names: 'cat' is there twice"):
        VOCDetection(root, class_names=["cat", "cat"])
    for number in (0, 1):
        annotation_file(root, number).write_text("<annotation/>")
    with pytest.raises(InputError, match="no object in any annotation"):
        VOCDetection(root)


def test_image_missing_or_broken(root):
    image = root / "JPEGImages" / "train_000001.png"
    image.write_text("no image")
    with pytest.raises(InputError, match=r"train_000001.png: is not an image"):
        VOCDetection(root)
    image.unlink()
    with pytest.raises(InputError, match=r"train_000001.xml: there is no image train_000001 in"):
        VOCDetection(root)


# -- writing -----------------------------------------------------------------------------------------------


def test_writing_bad_samples(tmp_path):
    image = np.zeros((4, 4, 3), np.uint8)
    box_xyxy = np.array([[0.0, 0.0, 1.0, 1.0]])
    with pytest.raises(InputError, match=r"label 3 has no class name \(labels go from 1 to 2"):
        write_voc(tmp_path, "train", [Sample(image, box_xyxy, np.array([3]))], CLASSES)
    with pytest.raises(InputError, match="dtype float64"):
        write_voc(tmp_path, "train", [Sample(image / 2, box_xyxy, np.array([1]))], CLASSES)
    with pytest.raises(InputError, match="image_format: 'bmp'"):
        write_voc(tmp_path, "train", [], CLASSES, image_format="bmp")
    assert list((tmp_path / "ImageSets" / "Main").iterdir()) == []


def test_interrupted_writing_leaves_no_split(tmp_path, root):
    def samples():
        yield from itertools.islice(VOCDetection(root), 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_voc(tmp_path, "train", samples(), CLASSES)
    with pytest.raises(InputError, match="splits in this folder: none"):
        VOCDetection(tmp_path)


# -- real photographs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "images", "objects", "fault"),
    [
        ("train", 205, 2804, "BloodImage_00343.xml, object 4"),
        ("val", 87, 1137, "BloodImage_00338.xml, object 13"),
    ],
)
def test_blood_cells(bccd, split, images, objects, fault):
    with pytest.warns(AnnotationWarning, match=rf"box empty: 1\); the first is {fault} \(RBC\)") as caught:
        dataset = VOCDetection(bccd, split)
    assert len(caught) == 1
    assert dataset.class_names == ("Platelets", "RBC", "WBC")
    assert len(dataset) == images
    assert sum(len(dataset.annotation(i).labels) for i in range(images)) == objects
    assert dataset[0].image.shape == (480, 640, 3)
