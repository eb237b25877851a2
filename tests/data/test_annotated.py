"""One picture with its annotation, outside any data set."""

import warnings

import numpy as np
import pytest
from PIL import Image

from minissd.data import AnnotationWarning, VOCDetection, read_annotated, read_image, write_voc
from minissd.data.sample import Sample
from minissd.errors import InputError

PIXELS = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8)


def write(folder, objects, size=(60, 40), filename="photo.png", name="photo"):
    """Write photo.png and an annotation whose objects are (name, xmin, ymin, xmax, ymax[, difficult])."""
    Image.fromarray(PIXELS).save(folder / "photo.png")
    parts = [f"<filename>{filename}</filename>"] if filename else []
    parts += [f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"] if size else []
    for class_name, *corners in objects:
        tags = zip(("xmin", "ymin", "xmax", "ymax"), corners[:4])
        box = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
        difficult = f"<difficult>{corners[4]}</difficult>" if len(corners) > 4 else ""
        parts.append(f"<object><name>{class_name}</name>{difficult}<bndbox>{box}</bndbox></object>")
    (folder / f"{name}.xml").write_text(f"<annotation>{''.join(parts)}</annotation>")
    return folder / "photo.png", folder / f"{name}.xml"


def test_a_picture_and_its_objects(tmp_path):
    picture, xml = write(tmp_path, [("dog", 30, 10, 60, 20), ("cat", 0, 0, 15, 40, 1)])
    sample, class_names = read_annotated(picture, xml)
    assert class_names == ("cat", "dog")
    np.testing.assert_array_equal(sample.image, PIXELS)
    np.testing.assert_array_equal(sample.gt_xyxy, [[0.5, 0.25, 1, 0.5], [0, 0, 0.25, 1]])
    assert sample.labels.tolist() == [2, 1] and sample.difficult.tolist() == [False, True]
    assert sample.name == str(picture)


def test_paths_may_be_text(tmp_path):
    picture, xml = write(tmp_path, [("dog", 30, 10, 60, 20)])
    assert len(read_annotated(str(picture), str(xml))[0].labels) == 1


@pytest.mark.parametrize("names", [("zebra", "dog", "cat"), ["zebra", "dog", "cat"]])
def test_labels_follow_the_given_names(tmp_path, names):
    sample, class_names = read_annotated(*write(tmp_path, [("cat", 0, 0, 9, 9), ("dog", 0, 0, 9, 9)]), names)
    assert sample.labels.tolist() == [3, 2] and class_names == tuple(names)


def test_a_picture_without_objects(tmp_path):
    sample, class_names = read_annotated(*write(tmp_path, []))
    assert sample.gt_xyxy.shape == (0, 4) and sample.labels.shape == (0,) and class_names == ()
    assert sample.labels.dtype == np.int64 and sample.difficult.dtype == bool


def test_without_a_size_the_picture_tells_it(tmp_path):
    sample, _ = read_annotated(*write(tmp_path, [("dog", 30, 10, 60, 20)], size=None))
    np.testing.assert_array_equal(sample.gt_xyxy, [[0.5, 0.25, 1, 0.5]])
    sample, _ = read_annotated(*write(tmp_path, [("dog", 30, 10, 60, 20)], size=(60, 0)))
    np.testing.assert_array_equal(sample.gt_xyxy, [[0.5, 0.25, 1, 0.5]])


def test_boxes_are_cut_at_the_border(tmp_path):
    sample, _ = read_annotated(*write(tmp_path, [("dog", -30, 10, 90, 20)]))
    np.testing.assert_array_equal(sample.gt_xyxy, [[0, 0.25, 1, 0.5]])


def test_faulty_boxes_are_left_out_with_one_warning(tmp_path):
    objects = [("cat", 9, 9, 9, 20), ("dog", 30, 10, 60, 20), ("cow", 20, 0, 10, 9), ("dog", "nan", 0, 9, 9)]
    objects += [("dog", 70, 0, 90, 9)]
    with pytest.warns(AnnotationWarning) as caught:
        sample, class_names = read_annotated(*write(tmp_path, objects))
    assert len(caught) == 1
    text = str(caught[0].message)
    assert text.startswith(
        f"{tmp_path / 'photo.xml'}: skipped: object 1 (cat) is empty, object 3 (cow) is reversed"
    )
    assert text.endswith("object 4 (dog) is not a number, object 5 (dog) is outside the image")
    assert class_names == ("dog",) and sample.labels.tolist() == [1]


def test_an_annotation_of_another_size_is_refused(tmp_path):
    picture, xml = write(tmp_path, [("dog", 30, 10, 60, 20)], size=(61, 40))
    with pytest.raises(InputError, match=rf"photo.xml: <size> is 61 x 40, but {picture} is 60 x 40 pixels"):
        read_annotated(picture, xml)


@pytest.mark.parametrize(
    ("filename", "name", "warned"),
    [
        ("photo.png", "other", False),  # a renamed annotation that names the picture
        ("DSC_001.jpg", "photo", False),  # a renamed picture, renamed together with its annotation
        ("C:\\data\\photo.jpg", "other", False),
        ("", "other", False),
        ("DSC_001.jpg", "other", True),
        ("a/b/other.png", "other", True),
    ],
)
def test_an_annotation_that_names_another_picture_is_doubted(tmp_path, filename, name, warned):
    files = write(tmp_path, [("dog", 30, 10, 60, 20)], filename=filename, name=name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_annotated(*files)
    assert bool(caught) == warned
    if warned:
        assert "perhaps this is not the annotation of" in str(caught[0].message)


@pytest.mark.parametrize(
    ("size", "shape"), [((40, 60), (60, 40, 3)), ((60, 40), (40, 60, 3)), (None, (60, 40, 3))]
)
def test_a_turned_picture_is_turned_unless_it_was_annotated_unturned(tmp_path, size, shape):
    picture, xml = write(tmp_path, [("dog", 0, 0, 20, 10)], size=size)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(picture, exif=exif)  # stored 60 x 40, upright 40 x 60
    sample, _ = read_annotated(picture, xml)
    assert sample.image.shape == shape
    height, width = shape[:2]
    np.testing.assert_allclose(sample.gt_xyxy, [[0, 0, 20 / width, 10 / height]])


def test_a_class_that_is_not_among_the_given_is_refused(tmp_path):
    picture, xml = write(tmp_path, [("dog", 30, 10, 60, 20)])
    with pytest.raises(InputError, match=r"photo.xml: <name> is 'dog'.*\(its classes are cat, cow\)"):
        read_annotated(picture, xml, ("cat", "cow"))


def test_a_faulty_box_of_an_unknown_class_is_only_left_out(tmp_path):
    picture, xml = write(tmp_path, [("dog", 30, 10, 30, 20)])
    with pytest.warns(AnnotationWarning, match="object 1"):
        assert len(read_annotated(picture, xml, ("cat",))[0].labels) == 0


def test_missing_files_are_named(tmp_path):
    picture, xml = write(tmp_path, [])
    with pytest.raises(InputError, match=r"nowhere\.png: there is no such image file"):
        read_annotated(tmp_path / "nowhere.png", xml)
    with pytest.raises(InputError, match=r"nowhere\.xml: there is no such annotation"):
        read_annotated(picture, tmp_path / "nowhere.xml")


def test_it_reads_what_the_data_set_reads(tmp_path, rng):
    gt_xyxy = np.sort(rng.random((3, 2, 2)), axis=1).reshape(3, 4)
    sample = Sample(PIXELS, gt_xyxy, np.array([2, 1, 2]), np.array([False, True, False]))
    root = write_voc(tmp_path, "train", [sample], ("cat", "dog"), image_format="png")
    in_set = VOCDetection(root)[0]
    alone, _ = read_annotated(root / "JPEGImages/train_000000.png", root / "Annotations/train_000000.xml")
    for field in ("image", "gt_xyxy", "labels", "difficult"):
        np.testing.assert_array_equal(getattr(alone, field), getattr(in_set, field))
    np.testing.assert_array_equal(alone.image, read_image(root / "JPEGImages/train_000000.png"))
