"""COCO data sets: read from any of the usual layouts, and faulty ones."""

import numpy as np
import pytest
from animals import CLASSES, edit_json, put_in_a_folder, set_box
from PIL import Image

from minissd.config import TINY
from minissd.data import AnnotationWarning, BatchLoader, COCODetection, open_dataset, splits_in
from minissd.data.image import EXIF_ORIENTATION
from minissd.errors import InputError
from minissd.evaluate import evaluate_coco


def test_what_is_written_is_read_back(coco_root, samples):
    dataset = COCODetection(coco_root, "train")
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
    assert dataset.image_path(1) == coco_root / "train" / "000001.png"
    assert (dataset.annotation(1).width, dataset.annotation(1).height) == (40, 20)
    with pytest.raises(IndexError):
        dataset[3]


def test_a_network_can_learn_from_it(coco_root):
    with BatchLoader(COCODetection(coco_root, "train"), TINY, batch_size=3, shuffle=False) as loader:
        batch = next(iter(loader))
    assert batch.images.shape == (3, 3, TINY.image_size, TINY.image_size)
    assert [len(labels) for labels in batch.labels] == [2, 1, 0]


def test_a_sample_may_be_changed_without_harm(coco_root):
    dataset = COCODetection(coco_root, "train")
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


def test_ids_with_gaps_in_any_order(coco_root):
    edit_json(coco_root, renumber)
    dataset = COCODetection(coco_root, "train")
    assert dataset.image_ids == [970, 980, 990]
    assert dataset.names == ["000002.png", "000001.png", "000000.png"]
    assert dataset.class_names == ("hog", "dog", "cat")  # also the one that never occurs
    assert dataset.category_ids == {1: 13, 2: 44, 3: 90}
    assert [sample.labels.tolist() for sample in dataset] == [[], [2], [2, 3]]


def test_given_class_names_decide_the_labels(coco_root):
    edit_json(coco_root, renumber)
    dataset = COCODetection(coco_root, "train", class_names=["bird", "cat", "dog"])
    assert dataset.class_names == ("bird", "cat", "dog")
    assert dataset[2].labels.tolist() == [3, 2]
    assert dataset.ground_truth(2).labels.tolist() == [3, 2]
    assert dataset.category_ids == {2: 90, 3: 44}


def test_crowds_are_left_out_unless_asked_for(coco_root):
    set_box(coco_root, [10, 10, 20, 10], iscrowd=1)
    assert COCODetection(coco_root, "train")[0].labels.tolist() == [1]
    kept = COCODetection(coco_root, "train", keep_crowd=True)[0]
    assert (kept.labels.tolist(), kept.difficult.tolist()) == ([2, 1], [True, True])


def test_ground_truth_has_everything_that_the_evaluation_counts(coco_root):
    """Crowds, boxes that reach out of the image, the area of the outline."""
    set_box(coco_root, [30, 10, 20, 10], iscrowd=1, area=123.5)
    dataset = COCODetection(coco_root, "train")
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
def test_the_usual_layouts(tmp_path, coco_root, annotations, images):
    folder = tmp_path / "other"
    for name in (annotations, f"{images}/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (coco_root / "annotations" / "instances_train.json").rename(folder / annotations)
    for image in (coco_root / "train").iterdir():
        image.rename(folder / images / image.name)
    dataset = COCODetection(folder, "val")
    assert len(dataset) == 3 and dataset[0].labels.tolist() == [2, 1]
    assert splits_in(folder) == ("val",)
    assert isinstance(open_dataset(folder, "val"), COCODetection)


def test_images_in_folders_of_their_own(coco_root):
    put_in_a_folder(coco_root)
    assert COCODetection(coco_root, "train").image_path(1) == coco_root / "train" / "more" / "x.png"


def test_without_a_size_the_image_tells_it(coco_root):
    edit_json(coco_root, lambda content: content["images"][0].pop("width"))
    sample = COCODetection(coco_root, "train", strict=True)[0]
    np.testing.assert_allclose(sample.gt_xyxy[0], [0.25, 0.5, 0.75, 1.0])


def test_boxes_drawn_on_a_picture_before_its_turn(coco_root):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.new("RGB", (40, 20)).save(coco_root / "train" / "000000.png", exif=exif)
    assert COCODetection(coco_root, "train", strict=True)[0].image.shape == (20, 40, 3)


def test_boxes_partly_outside_are_cut(coco_root):
    set_box(coco_root, [-8, -3, 52, 13])
    assert COCODetection(coco_root, "train", strict=True)[0].gt_xyxy[0].tolist() == [0.0, 0.0, 1.0, 0.5]


# -- faulty data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "fault"),
    [
        ([10, 10, 0, 5], "empty"),
        ([10, 10, 20, 0], "empty"),
        ([10, 10, -5, 5], "reversed"),
        ([40, 10, 5, 5], "outside the image"),
    ],
)
def test_faulty_box(coco_root, box, fault):
    set_box(coco_root, box)
    with pytest.warns(AnnotationWarning) as caught:
        dataset = COCODetection(coco_root, "train")
    assert len(caught) == 1
    assert f"box {fault}: 1" in str(caught[0].message)
    assert "instances_train.json, annotations[0] (dog)" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert dataset[0].labels.tolist() == [1]
    assert dataset.ground_truth(0).labels.tolist() == [2, 1]  # COCO's program counts it as missed
    with pytest.raises(InputError, match=rf"instances_train.json: box {fault}: annotations\[0\] \(dog\)"):
        COCODetection(coco_root, "train", strict=True)


def test_another_size_than_annotated(coco_root):
    edit_json(coco_root, lambda content: content["images"][0].update(width=80))
    with pytest.warns(AnnotationWarning, match="80 x 20 annotated, 000000.png has 40 x 20"):
        COCODetection(coco_root, "train")


def test_missing_folders_splits_and_images(coco_root, tmp_path):
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        COCODetection(tmp_path / "nowhere", "train")
    with pytest.raises(InputError, match=r"no split 'val'.*\(splits in this folder: train\)"):
        COCODetection(coco_root, "val")
    (coco_root / "train" / "000001.png").unlink()
    with pytest.raises(InputError, match=r"there is no image 000001.png in .*train"):
        COCODetection(coco_root, "train")
    (coco_root / "train" / "000000.png").unlink()
    with pytest.raises(InputError, match=r"there is no image 000000.png \(looked for in .*train, .*images"):
        COCODetection(coco_root, "train")


def test_a_name_longer_than_any_file_can_have(coco_root):
    edit_json(coco_root, lambda content: content["images"][1].update(file_name="a" * 5000))
    with pytest.raises(InputError, match="there is no image aaa"):
        COCODetection(coco_root, "train")


def test_a_broken_image(coco_root):
    (coco_root / "train" / "000001.png").write_text("no image")
    with pytest.raises(InputError, match=r"000001.png: is not an image"):
        COCODetection(coco_root, "train")


def test_unknown_class_class_twice_and_none(coco_root):
    with pytest.raises(InputError, match=r"annotations\[0\] has the unknown class 'dog' \(known classes"):
        COCODetection(coco_root, "train", class_names=["cat"])
    with pytest.raises(InputError, match=r"class_names: 'cat' is there twice"):
        COCODetection(coco_root, "train", class_names=["cat", "cat", "dog"])
    edit_json(coco_root, lambda content: content.update(categories=[], annotations=[]))
    with pytest.raises(InputError, match="has no categories"):
        COCODetection(coco_root, "train")
