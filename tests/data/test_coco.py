"""COCO data sets: read from any of the usual layouts, faulty ones, and converted to VOC's and back."""

import json

import numpy as np
import pytest
from PIL import Image

from minissd.config import TINY
from minissd.data import (
    AnnotationWarning,
    BatchLoader,
    COCODetection,
    Sample,
    VOCDetection,
    convert_to_coco,
    convert_to_voc,
    has_split,
    open_dataset,
    splits_in,
    write_coco,
    write_voc,
)
from minissd.data.coco import ANNOTATION_FILES
from minissd.data.image import EXIF_ORIENTATION
from minissd.errors import InputError
from minissd.evaluate import evaluate_coco

CLASSES = ("cat", "dog")


@pytest.fixture
def samples(rng):
    """Three pictures of 40 x 20 with 2, 1 and 0 objects."""
    return [
        Sample(
            rng.integers(0, 256, (20, 40, 3), dtype=np.uint8),
            np.array([[0.25, 0.5, 0.75, 1.0], [0.125, 0.0, 0.2625, 0.33]])[:count],
            np.array([2, 1])[:count],
            np.array([False, True])[:count],
        )
        for count in (2, 1, 0)
    ]


@pytest.fixture
def root(tmp_path, samples):
    return write_coco(tmp_path / "pets", "train", samples, CLASSES, image_format="png")


def edit(root, change, split="train"):
    """Change the annotations of a split in place by a function of them."""
    path = root / "annotations" / f"instances_{split}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def set_box(root, box, **fields):
    edit(root, lambda content: content["annotations"][0].update(bbox=box, **fields))


# -- good data --------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(root, samples):
    dataset = COCODetection(root, "train")
    assert len(dataset) == 3
    assert dataset.class_names == CLASSES
    assert dataset.names == ["000000.png", "000001.png", "000002.png"]
    assert dataset.image_ids == [1, 2, 3]
    assert dataset.image_sizes == [(40, 20)] * 3
    assert dataset.category_ids == {1: 1, 2: 2}
    for ours, original in zip(dataset, samples):
        np.testing.assert_array_equal(ours.image, original.image)
        np.testing.assert_allclose(ours.gt_xyxy, original.gt_xyxy, atol=1e-9)
        assert ours.labels.tolist() == original.labels.tolist()
        assert ours.difficult.tolist() == original.difficult.tolist()
        assert (ours.gt_xyxy.dtype, ours.labels.dtype) == (np.float64, np.int64)
    assert dataset[2].gt_xyxy.shape == (0, 4)
    assert dataset.image_path(1) == root / "train" / "000001.png"
    assert (dataset.annotation(1).width, dataset.annotation(1).height) == (40, 20)
    with pytest.raises(IndexError):
        dataset[3]


def test_a_network_can_learn_from_it(root):
    with BatchLoader(COCODetection(root, "train"), TINY, batch_size=3, shuffle=False) as loader:
        batch = next(iter(loader))
    assert batch.images.shape == (3, 3, TINY.image_size, TINY.image_size)
    assert [len(labels) for labels in batch.labels] == [2, 1, 0]


def test_a_sample_may_be_changed_without_harm(root):
    dataset = COCODetection(root, "train")
    dataset[0].gt_xyxy[:] = 0
    dataset[0].labels[:] = 0
    assert dataset[0].labels.tolist() == [2, 1]
    assert dataset[0].gt_xyxy.max() == 1


def renumber(content):
    """Ids with gaps, images and categories backwards."""
    for image in content["images"]:
        image["id"] = 1000 - 10 * image["id"]
    for annotation in content["annotations"]:
        annotation["image_id"] = 1000 - 10 * annotation["image_id"]
        annotation["category_id"] = {1: 90, 2: 44}[annotation["category_id"]]
    content["categories"] = [{"id": 90, "name": "cat"}, {"id": 44, "name": "dog"}, {"id": 13, "name": "hog"}]


def test_ids_with_gaps_in_any_order(root):
    edit(root, renumber)
    dataset = COCODetection(root, "train")
    assert dataset.image_ids == [970, 980, 990]
    assert dataset.names == ["000002.png", "000001.png", "000000.png"]
    assert dataset.class_names == ("hog", "dog", "cat")  # also the one that never occurs
    assert dataset.category_ids == {1: 13, 2: 44, 3: 90}
    assert [sample.labels.tolist() for sample in dataset] == [[], [2], [2, 3]]


def test_given_class_names_decide_the_labels(root):
    edit(root, renumber)
    dataset = COCODetection(root, "train", class_names=["bird", "cat", "dog"])
    assert dataset.class_names == ("bird", "cat", "dog")
    assert dataset[2].labels.tolist() == [3, 2]
    assert dataset.ground_truth(2).labels.tolist() == [3, 2]
    assert dataset.category_ids == {2: 90, 3: 44}


def test_crowds_are_left_out_unless_asked_for(root):
    set_box(root, [10, 10, 20, 10], iscrowd=1)
    assert COCODetection(root, "train")[0].labels.tolist() == [1]
    kept = COCODetection(root, "train", keep_crowd=True)[0]
    assert (kept.labels.tolist(), kept.difficult.tolist()) == ([2, 1], [True, True])


def test_ground_truth_has_everything_that_the_evaluation_counts(root):
    """Crowds, boxes that reach out of the image, the area of the outline."""
    set_box(root, [30, 10, 20, 10], iscrowd=1, area=123.5)
    dataset = COCODetection(root, "train")
    truth = dataset.ground_truth(0)
    np.testing.assert_allclose(truth.gt_xyxy[0], [0.75, 0.5, 1.25, 1.0])
    assert truth.crowd.tolist() == [True, False]
    assert truth.area_px[0] == 123.5
    assert truth.image_size == (40, 20)
    found = [(t.gt_xyxy, np.ones(len(t.labels)), t.labels) for t in map(dataset.ground_truth, range(3))]
    result = evaluate_coco(found, [dataset.ground_truth(i) for i in range(3)])
    assert result.ap == 1
    assert set(np.flatnonzero(~np.isnan(list(result.class_ap.values())))) == {0, 1}


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("annotations/instances_val.json", "val"),
        ("annotations/instances_val.json", "images/val"),
        ("annotations/instances_val.json", "images"),
        ("annotations/val.json", "images/val"),
        ("val/_annotations.coco.json", "val"),
    ],
)
def test_the_usual_layouts(tmp_path, root, annotations, images):
    folder = tmp_path / "other"
    for name in (annotations, f"{images}/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (root / "annotations" / "instances_train.json").rename(folder / annotations)
    for image in (root / "train").iterdir():
        image.rename(folder / images / image.name)
    dataset = COCODetection(folder, "val")
    assert len(dataset) == 3 and dataset[0].labels.tolist() == [2, 1]
    assert splits_in(folder) == ("val",)
    assert isinstance(open_dataset(folder, "val"), COCODetection)


def test_images_in_folders_of_their_own(root):
    (root / "train" / "more").mkdir()
    (root / "train" / "000001.png").rename(root / "train" / "more" / "x.png")
    edit(root, lambda content: content["images"][1].update(file_name="more\\x.png"))
    assert COCODetection(root, "train").image_path(1) == root / "train" / "more" / "x.png"


def test_without_a_size_the_image_tells_it(root):
    edit(root, lambda content: content["images"][0].pop("width"))
    sample = COCODetection(root, "train", strict=True)[0]
    np.testing.assert_allclose(sample.gt_xyxy[0], [0.25, 0.5, 0.75, 1.0])


def test_boxes_drawn_on_a_picture_before_its_turn(root):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.new("RGB", (40, 20)).save(root / "train" / "000000.png", exif=exif)
    assert COCODetection(root, "train", strict=True)[0].image.shape == (20, 40, 3)


def test_boxes_partly_outside_are_cut(root):
    set_box(root, [-8, -3, 52, 13])
    assert COCODetection(root, "train", strict=True)[0].gt_xyxy[0].tolist() == [0.0, 0.0, 1.0, 0.5]


# -- faulty data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "fault"),
    [
        ([10, 10, 0, 5], "empty"),
        ([10, 10, 20, 0], "empty"),
        ([10, 10, -5, 5], "reversed"),
        ([40, 10, 5, 5], "outside the image"),
    ],
)
def test_faulty_box(root, box, fault):
    set_box(root, box)
    with pytest.warns(AnnotationWarning) as caught:
        dataset = COCODetection(root, "train")
    assert len(caught) == 1
    assert f"box {fault}: 1" in str(caught[0].message)
    assert "instances_train.json, annotations[0] (dog)" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert dataset[0].labels.tolist() == [1]
    assert dataset.ground_truth(0).labels.tolist() == [2, 1]  # COCO's program counts it as missed
    with pytest.raises(InputError, match=rf"instances_train.json: box {fault}: annotations\[0\] \(dog\)"):
        COCODetection(root, "train", strict=True)


def test_another_size_than_annotated(root):
    edit(root, lambda content: content["images"][0].update(width=80))
    with pytest.warns(AnnotationWarning, match="80 x 20 annotated, 000000.png has 40 x 20"):
        COCODetection(root, "train")


def test_missing_folders_splits_and_images(root, tmp_path):
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        COCODetection(tmp_path / "nowhere", "train")
    with pytest.raises(InputError, match=r"no split 'val'.*\(splits in this folder: train\)"):
        COCODetection(root, "val")
    (root / "train" / "000001.png").unlink()
    with pytest.raises(InputError, match=r"there is no image 000001.png in .*train"):
        COCODetection(root, "train")
    (root / "train" / "000000.png").unlink()
    with pytest.raises(InputError, match=r"there is no image 000000.png \(looked for in .*train, .*images"):
        COCODetection(root, "train")


def test_a_name_longer_than_any_file_can_have(root):
    edit(root, lambda content: content["images"][1].update(file_name="a" * 5000))
    with pytest.raises(InputError, match="there is no image aaa"):
        COCODetection(root, "train")


def test_a_broken_image(root):
    (root / "train" / "000001.png").write_text("no image")
    with pytest.raises(InputError, match=r"000001.png: is not an image"):
        COCODetection(root, "train")


def test_unknown_class_class_twice_and_none(root):
    with pytest.raises(InputError, match=r"annotations\[0\] has the unknown class 'dog' \(known classes"):
        COCODetection(root, "train", class_names=["cat"])
    with pytest.raises(InputError, match=r"class_names: 'cat' is there twice"):
        COCODetection(root, "train", class_names=["cat", "cat", "dog"])
    edit(root, lambda content: content.update(categories=[], annotations=[]))
    with pytest.raises(InputError, match="has no categories"):
        COCODetection(root, "train")


# -- either format ----------------------------------------------------------------------------------------


def test_a_folder_in_either_format(root, tmp_path, samples):
    voc = write_voc(tmp_path / "voc", "train", samples, CLASSES)
    assert isinstance(open_dataset(voc, "train"), VOCDetection)
    assert isinstance(open_dataset(root, "train"), COCODetection)
    assert splits_in(voc) == splits_in(root) == ("train",)
    assert splits_in(tmp_path) == ()
    assert open_dataset(root, "train", class_names=["dog", "cat"])[0].labels.tolist() == [1, 2]
    with pytest.raises(InputError, match="there is no such folder"):
        open_dataset(tmp_path / "nowhere", "train")
    with pytest.raises(InputError, match="neither"):
        open_dataset(tmp_path, "train")


@pytest.mark.parametrize("place", ANNOTATION_FILES)
def test_a_folder_with_annotations_in_any_place(root, place):
    """In each of the places where `COCODetection` looks."""
    path = root / place.format(split="train")
    path.parent.mkdir(exist_ok=True)
    (root / "annotations" / "instances_train.json").rename(path)
    assert len(open_dataset(root, "train")) == len(COCODetection(root, "train"))
    assert has_split(root, "train") and not has_split(root, "val")


def test_splits_in_two_places(root):
    (root / "annotations" / "val.json").write_text("{}")
    assert has_split(root, "train") and has_split(root, "val")


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


def test_coco_with_folders_and_crowds_to_voc(root, tmp_path):
    test_images_in_folders_of_their_own(root)
    set_box(root, [10, 10, 20, 10], iscrowd=1)
    convert_to_voc(COCODetection(root, "train", keep_crowd=True), tmp_path / "voc", "val")
    voc = VOCDetection(tmp_path / "voc", "val")
    assert voc.names == ["000000", "more_x", "000002"]
    assert voc[0].difficult.tolist() == [True, True]


def test_two_images_of_one_name_cannot_go_to_voc(root, tmp_path):
    (root / "train" / "000000.jpg").write_bytes((root / "train" / "000001.png").read_bytes())
    edit(root, lambda content: content["images"][1].update(file_name="000000.jpg"))
    with pytest.raises(InputError, match="two images would be called '000000'"):
        convert_to_voc(COCODetection(root, "train"), tmp_path / "voc", "val")
    assert not (tmp_path / "voc").exists()
