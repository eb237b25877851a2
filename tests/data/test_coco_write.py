"""Writing annotations and detections so that COCO's and VOC's own programs read them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from coco_sets import drawn_set

from minissd.data import (
    read_coco_results,
    read_instances,
    write_coco,
    write_coco_annotations,
    write_coco_results,
    write_voc_results,
)
from minissd.data.sample import Sample
from minissd.detect import Detections
from minissd.errors import InputError
from minissd.evaluate import GroundTruth, evaluate_coco

SIZE = (40, 20)
CLASSES = ("cat", "dog")
FOUND = Detections(
    np.array([[0.25, 0.5, 0.75, 1.0], [0.1, 0.0, 0.3, 0.15]]),
    np.array([0.75, 1 / 3]),
    np.array([2, 1]),
    np.zeros(2, int),
)


def test_every_field_of_the_annotations(tmp_path):
    truth = GroundTruth(
        FOUND.boxes_xyxy,
        FOUND.labels,
        difficult=np.array([False, True]),
        crowd=np.array([True, False]),
        area_px=np.array([150.5, 20.0]),
        image_size=SIZE,
    )
    empty = GroundTruth(np.zeros((0, 4)), np.zeros(0, int), image_size=(7, 9))
    path = tmp_path / "new folder" / "a.json"
    write_coco_annotations(path, [truth, empty], ["a.jpg", "b.jpg"], CLASSES, [12, 3], {1: 90, 2: 5})
    assert json.loads(path.read_text()) == {
        "images": [
            {"id": 12, "file_name": "a.jpg", "width": 40, "height": 20},
            {"id": 3, "file_name": "b.jpg", "width": 7, "height": 9},
        ],
        "annotations": [
            {
                "id": 1,  # not 0, which COCO's program would take for "no match"
                "image_id": 12,
                "category_id": 5,
                "bbox": [10.0, 10.0, 20.0, 10.0],
                "area": 150.5,
                "iscrowd": 1,
            },
            {
                "id": 2,
                "image_id": 12,
                "category_id": 90,
                "bbox": [4.0, 0.0, 8.0, 3.0],  # and not 8.000000000000002
                "area": 20.0,
                "iscrowd": 0,
                "ignore": 1,
            },
        ],
        "categories": [{"id": 90, "name": "cat"}, {"id": 5, "name": "dog"}],
    }


def test_every_field_of_the_results(tmp_path):
    path = tmp_path / "results.json"
    nothing = (np.zeros((0, 4)), np.zeros(0), np.zeros(0, int))
    write_coco_results(path, [FOUND, nothing], [12, 3], [SIZE, (7, 9)], {1: 90, 2: 5})
    assert json.loads(path.read_text()) == [
        {"image_id": 12, "category_id": 5, "bbox": [10.0, 10.0, 20.0, 10.0], "score": 0.75},
        {"image_id": 12, "category_id": 90, "bbox": [4.0, 0.0, 8.0, 3.0], "score": 1 / 3},
    ]
    write_coco_results(path, [nothing], [1], [SIZE])
    assert json.loads(path.read_text()) == []


def test_what_is_written_evaluates_as_before(tmp_path):
    """Also the order of equal scores."""
    detections, truths = drawn_set(1, "ties")
    size = np.array([512.0] * 4)
    detections = [(boxes / size, scores, labels) for boxes, scores, labels in detections]
    truths = [replace(truth, gt_xyxy=truth.gt_xyxy / size, image_size=(512, 512)) for truth in truths]
    names = [f"{i}.jpg" for i in range(len(truths))]
    write_coco_annotations(tmp_path / "truth.json", truths, names, ["a", "b", "c", "d", "e", "f"])
    write_coco_results(
        tmp_path / "found.json", detections, range(1, len(truths) + 1), [(512, 512)] * len(truths)
    )
    instances = read_instances(tmp_path / "truth.json")
    found = read_coco_results(tmp_path / "found.json", instances)
    expected = evaluate_coco(detections, truths)
    assert evaluate_coco(found, instances.ground_truths()).numbers == expected.numbers


def test_what_cannot_be_written(tmp_path):
    truth = GroundTruth(FOUND.boxes_xyxy, np.array([2, 3]), image_size=SIZE)
    path = tmp_path / "a.json"
    with pytest.raises(InputError, match=r"a.jpg: label 3 has no class name \(labels go from 1 to 2"):
        write_coco_annotations(path, [truth], ["a.jpg"], CLASSES)
    with pytest.raises(InputError, match=r"a.jpg: the ground truth has no image_size"):
        write_coco_annotations(path, [replace(truth, image_size=None)], ["a.jpg"], CLASSES)
    with pytest.raises(InputError, match=r"category_ids: there is none for label 1"):
        write_coco_results(path, [FOUND], [1], [SIZE], {2: 5})
    assert list(tmp_path.iterdir()) == []


def test_bad_samples_and_an_interruption_leave_no_split(tmp_path):
    image, box = np.zeros((4, 4, 3), np.uint8), np.array([[0.0, 0.0, 1.0, 1.0]])
    with pytest.raises(InputError, match="label 3 has no class name"):
        write_coco(tmp_path, "train", [Sample(image, box, np.array([3]))], CLASSES)
    with pytest.raises(InputError, match="dtype float64"):
        write_coco(tmp_path, "train", [Sample(image / 2, box, np.array([1]))], CLASSES)
    with pytest.raises(InputError, match="image_format: 'bmp'"):
        write_coco(tmp_path, "train", [], CLASSES, image_format="bmp")

    def samples():
        yield Sample(image, box, np.array([1]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_coco(tmp_path, "train", samples(), CLASSES)
    assert list(tmp_path.glob("annotations/*")) == []


class TestComp4:
    def lines_of(self, folder, **settings):
        paths = write_voc_results(folder, "test", [FOUND], ["a"], [SIZE], ("cat", "dog", "cow"), **settings)
        assert [path.name for path in paths] == [
            "comp4_det_test_cat.txt",
            "comp4_det_test_dog.txt",
            "comp4_det_test_cow.txt",
        ]
        return [path.read_text() for path in paths]

    def test_a_file_per_class(self, tmp_path):
        assert self.lines_of(tmp_path / "new") == [
            "a 0.333333333 4.000000 0.000000 12.000000 3.000000\n",
            "a 0.75 10.000000 10.000000 30.000000 20.000000\n",
            "",
        ]

    def test_counted_from_one(self, tmp_path):
        _, dog, _ = self.lines_of(tmp_path, pixel_convention="one_based")
        assert dog == "a 0.75 11.000000 11.000000 30.000000 20.000000\n"

    def test_scores_keep_apart(self, tmp_path):
        """Two that differ in the last digit of float32."""
        scores = np.array([0.9, np.nextafter(np.float32(0.9), np.float32(1))], np.float32)
        found = FOUND.boxes_xyxy, scores, np.array([1, 1])
        (path,) = write_voc_results(tmp_path, "test", [found], ["a"], [SIZE], ("cat",))
        written = [float(line.split()[1]) for line in path.read_text().splitlines()]
        assert np.array(written, np.float32).tolist() == scores.tolist()

    def test_what_the_format_cannot_hold(self, tmp_path):
        with pytest.raises(InputError, match=r"my dog: a name with a space"):
            write_voc_results(tmp_path, "test", [FOUND], ["my dog"], [SIZE], CLASSES)
        with pytest.raises(InputError, match=r"cat/dog: a class with a slash"):
            write_voc_results(tmp_path, "test", [FOUND], ["a"], [SIZE], ("cat/dog",))
        with pytest.raises(InputError, match=r"a: label 2 has no class name"):
            write_voc_results(tmp_path, "test", [FOUND], ["a"], [SIZE], ("cat",))
        with pytest.raises(InputError, match=r"pixel_convention: 'zero' is not known"):
            self.lines_of(tmp_path, pixel_convention="zero")
        assert list(tmp_path.iterdir()) == []
