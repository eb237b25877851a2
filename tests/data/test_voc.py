"""VOC data sets: written and read back, strange ones, real ones."""

import itertools
import warnings

import numpy as np
import pytest
from animals import CLASSES, edit_xml, set_corners
from PIL import Image

from minissd.data.annotation import AnnotationWarning
from minissd.data.image import EXIF_ORIENTATION
from minissd.data.sample import Sample
from minissd.data.voc import VOCDetection
from minissd.data.voc_write import write_voc
from minissd.data.voc_xml import fractions
from minissd.errors import InputError


def test_what_is_written_is_read_back(voc_root):
    dataset = VOCDetection(voc_root)
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
    assert dataset.image_path(1) == voc_root / "JPEGImages" / "train_000001.png"
    assert (dataset.annotation(1).width, dataset.annotation(1).height) == (40, 20)
    assert len(list(dataset)) == 3
    with pytest.raises(IndexError):
        dataset[3]


def test_jpeg_is_the_default(voc_root):
    samples = list(VOCDetection(voc_root))
    write_voc(voc_root, "again", samples, CLASSES)
    again = VOCDetection(voc_root, "again")
    assert again.image_path(0).suffix == ".jpg"
    assert len(VOCDetection(voc_root, "train")) == 3
    np.testing.assert_allclose(again[0].gt_xyxy, samples[0].gt_xyxy, atol=1e-9)


def test_a_sample_may_be_changed_without_harm(voc_root):
    dataset = VOCDetection(voc_root)
    dataset[0].gt_xyxy[:] = 0
    dataset[0].labels[:] = 0
    assert dataset[0].labels.tolist() == [2, 1]
    assert dataset[0].gt_xyxy.max() == 1


def test_labels_are_the_same_in_every_split(voc_root):
    only_dog = [s for s in VOCDetection(voc_root) if s.labels.tolist() == [2]]
    write_voc(voc_root, "val", only_dog, CLASSES)
    assert VOCDetection(voc_root, "val").class_names == CLASSES
    assert VOCDetection(voc_root, "val")[0].labels.tolist() == [2]


def test_given_class_names_decide_the_labels(voc_root):
    dataset = VOCDetection(voc_root, class_names=["bird", "dog", "cat"])
    assert dataset.class_names == ("bird", "dog", "cat")
    assert dataset[0].labels.tolist() == [2, 3]


def test_difficult_objects_can_be_left_out(voc_root):
    assert VOCDetection(voc_root, keep_difficult=False)[0].labels.tolist() == [2]


def test_pixel_conventions():
    # Pixels 1...50 of 100, counted from 1: to the letter the left half, as Caffe reads it from 0.01.
    assert fractions([1, 1, 50, 100], 100, 100).tolist() == [0.01, 0.01, 0.5, 1.0]
    assert fractions([1, 1, 50, 100], 100, 100, "one_based").tolist() == [0.0, 0.0, 0.5, 1.0]


def test_pixel_convention_is_used(voc_root):
    boxes_xyxy = VOCDetection(voc_root, pixel_convention="one_based")[0].gt_xyxy
    np.testing.assert_allclose(boxes_xyxy[0], [9 / 40, 9 / 20, 30 / 40, 1.0])
    with pytest.raises(InputError, match=r"pixel_convention: 'zero' is not known"):
        VOCDetection(voc_root, pixel_convention="zero")


# -- strange but usable data -----------------------------------------------------------------------------


def test_decimals_unspecified_and_missing_fields(voc_root):
    edit_xml(voc_root, "<ymin>10</ymin>", "<ymin> 10.70000076293945 </ymin>")
    edit_xml(voc_root, "<difficult>0</difficult>", "<difficult>Unspecified</difficult>")
    edit_xml(voc_root, "<difficult>1</difficult>", "<truncated>0.0597</truncated>")
    sample = VOCDetection(voc_root, strict=True)[0]
    np.testing.assert_allclose(sample.gt_xyxy[0, 1], 10.70000076293945 / 20)
    assert sample.difficult.tolist() == [False, False]


@pytest.mark.parametrize("text", ["<width>0</width>", "<width/>", "", "<width>wide</width>"])
def test_without_a_size_the_image_tells_it(voc_root, text):
    edit_xml(voc_root, "<width>40</width>", text)
    sample = VOCDetection(voc_root, strict=True)[0]
    np.testing.assert_allclose(sample.gt_xyxy[0], [0.25, 0.5, 0.75, 1.0])


def test_boxes_partly_outside_are_cut(voc_root):
    set_corners(voc_root, (-8, -3, 44, 10))
    assert VOCDetection(voc_root, strict=True)[0].gt_xyxy[0].tolist() == [0.0, 0.0, 1.0, 0.5]


def test_images_under_other_extensions_and_names(voc_root):
    images = voc_root / "JPEGImages"
    (images / "train_000000.png").rename(images / "train_000000.PNG")  # <filename> says .png
    (images / "train_000001.png").rename(images / "holiday 1.png")
    edit_xml(voc_root, "train_000001.png", r"C:\pictures\holiday 1.png", number=1)
    dataset = VOCDetection(voc_root)
    assert [dataset.image_path(i).name for i in (0, 1)] == ["train_000000.PNG", "holiday 1.png"]


def test_lists_with_a_second_column_blank_lines_and_spaces_in_names(voc_root):
    for folder, ending in (("Annotations", "xml"), ("JPEGImages", "png")):
        (voc_root / folder / f"train_000001.{ending}").rename(voc_root / folder / f"my dog.{ending}")
    text = "\ufefftrain_000000  1\r\n\r\nmy dog\r\ntrain_000002 -1\r\n"
    (voc_root / "ImageSets" / "Main" / "dog_train.txt").write_text(text, "utf-8")
    assert VOCDetection(voc_root, "dog_train").names == ["train_000000", "my dog", "train_000002"]


def test_boxes_drawn_on_a_picture_before_its_turn(voc_root):
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[10:20, 10:30] = 255
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.fromarray(pixels).save(voc_root / "JPEGImages" / "train_000000.png", exif=exif)
    sample = VOCDetection(voc_root, strict=True)[0]  # annotated as 40 x 20, which is how it is stored
    np.testing.assert_array_equal(sample.image, pixels)
    edit_xml(voc_root, "<width>40</width>", "<width>20</width>")
    edit_xml(voc_root, "<height>20</height>", "<height>40</height>")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the second box is outside now
        assert VOCDetection(voc_root)[0].image.shape == (40, 20, 3)


# -- writing ---------------------------------------------------------------------------------------------


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


def test_interrupted_writing_leaves_no_split(tmp_path, voc_root):
    def samples():
        yield from itertools.islice(VOCDetection(voc_root), 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_voc(tmp_path, "train", samples(), CLASSES)
    with pytest.raises(InputError, match="splits in this folder: none"):
        VOCDetection(tmp_path)


# -- real photographs ------------------------------------------------------------------------------------


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
