"""COCO's files: what is read, what is refused and how, and that no file does anything else."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minissd.data.coco_json import read_coco_results, read_instances
from minissd.errors import InputError
from minissd.evaluate import evaluate_coco

INSTANCES = {
    "info": {"year": 2017},
    "images": [
        {"id": 900, "file_name": "b.png", "width": 40, "height": 20},
        {"id": 7, "file_name": "a.png", "width": 40, "height": 20},
        {"id": 42, "file_name": "sub/empty.png", "width": 30, "height": 30},
    ],
    "categories": [{"id": 90, "name": "dog"}, {"id": 3, "name": "cat"}, {"id": 17, "name": "cow"}],
    "annotations": [
        {"id": 5, "image_id": 900, "category_id": 90, "bbox": [10, 10, 20.5, 10], "area": 99.5, "iscrowd": 0},
        {"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 40, 20], "area": 800, "iscrowd": 1},
        {"id": 2, "image_id": 900, "category_id": 3, "bbox": [-2, 0, 12, 6], "segmentation": [[1, 2, 3, 4]]},
    ],
}
RESULTS = [
    {"image_id": 900, "category_id": 3, "bbox": [0, 0, 10, 6], "score": 0.5},
    {"image_id": 7, "category_id": 90, "bbox": [1, 2, 3, 4.5], "score": 1},
    {"image_id": 900, "category_id": 90, "bbox": [10, 10, 20.5, 10], "score": 0.25},
]


def written(folder, content):
    path = folder / "file.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def changed(content, place, value):
    """A copy with another value at a place, such as ("images", 0, "id"); None takes the entry out."""
    content = copy.deepcopy(content)
    *path, last = place
    inner = content
    for step in path:
        inner = inner[step]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return content


# -- good files -------------------------------------------------------------------------------------------


def test_images_and_categories_come_by_ascending_id(tmp_path):
    instances = read_instances(written(tmp_path, INSTANCES))
    assert [image.id for image in instances.images] == [7, 42, 900]
    assert instances.images[1].file_name == "sub/empty.png"
    assert (instances.images[2].width, instances.images[2].height) == (40, 20)
    assert instances.categories == {3: "cat", 17: "cow", 90: "dog"}
    assert list(instances.categories) == [3, 17, 90]


def test_annotations_come_image_by_image_in_the_order_of_the_file(tmp_path):
    instances = read_instances(written(tmp_path, INSTANCES))
    assert instances.entries.tolist() == [1, 0, 2]
    assert instances.first.tolist() == [0, 1, 1, 3]
    assert instances.labels.tolist() == [1, 3, 1]
    assert instances.boxes_xywh.tolist() == [[0, 0, 40, 20], [10, 10, 20.5, 10], [-2, 0, 12, 6]]
    assert instances.area_px.tolist() == [800, 99.5, 72]  # the last from its box
    assert instances.crowd.tolist() == [True, False, False]
    truths = instances.ground_truths()
    assert [len(truth.labels) for truth in truths] == [1, 0, 2]
    assert truths[2].gt_xyxy.tolist() == [[10, 10, 30.5, 20], [-2, 0, 10, 6]]
    assert truths[0].crowd.tolist() == [True]


def test_many_annotations_keep_their_order(tmp_path):
    """It decides which of two equal boxes is found."""
    of_images = [dict(INSTANCES["annotations"][0], image_id=(900, 7)[i % 2]) for i in range(100)]
    instances = read_instances(written(tmp_path, changed(INSTANCES, ["annotations"], of_images)))
    assert instances.entries.tolist() == [*range(1, 100, 2), *range(0, 100, 2)]


def test_no_annotations(tmp_path):
    """As in the files of a test set, whose images have no truth to show."""
    instances = read_instances(written(tmp_path, changed(INSTANCES, ["annotations"], [])))
    assert instances.boxes_xywh.shape == (0, 4)
    assert instances.first.tolist() == [0, 0, 0, 0]
    assert instances.ground_truths()[0].gt_xyxy.shape == (0, 4)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["annotations", 0, "iscrowd"], None),
        (["annotations", 0, "iscrowd"], False),
        (["annotations", 0, "id"], None),
        (["annotations", 0, "image_id"], 900.0),
        (["images", 0, "width"], 40.0),
        (["info"], None),
    ],
)
def test_other_spellings_of_the_same(tmp_path, place, value):
    ours = read_instances(written(tmp_path, changed(INSTANCES, place, value)))
    original = read_instances(written(tmp_path, INSTANCES))
    assert ours.images == original.images
    for name in ("boxes_xywh", "labels", "area_px", "crowd", "first"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(original, name))


def test_a_byte_order_mark_and_a_name_in_another_alphabet(tmp_path):
    path = written(tmp_path, "\ufeff" + json.dumps(changed(INSTANCES, ["categories", 1, "name"], "кошка")))
    assert read_instances(path).categories[3] == "кошка"


def test_results_are_those_of_each_image_in_the_order_of_the_file(tmp_path):
    instances = read_instances(written(tmp_path, INSTANCES))
    found = read_coco_results(written(tmp_path, RESULTS), instances)
    assert [len(scores) for _, scores, _ in found] == [1, 0, 2]
    boxes, scores, labels = found[2]
    assert boxes.tolist() == [[0, 0, 10, 6], [10, 10, 30.5, 20]]
    assert (scores.tolist(), labels.tolist()) == ([0.5, 0.25], [1, 3])
    result = evaluate_coco(found, instances.ground_truths())
    assert result.class_ap[3] == 0.5  # found exactly, but after a wrong one
    assert result.ap50 == (1 + 0.5) / 2  # IoU 60/72 of the cat; the crowd does not count


# -- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["images"], None, r"has no list 'images'"),
        (["categories"], {}, r"has no list 'categories'"),
        (["images"], [], r"has no images"),
        (["images", 1], "a.png", r"images\[1\] is a str"),
        (["images", 1, "id"], None, r"images\[1\] has no 'id'"),
        (["images", 1, "id"], "7", r"images\[1\] has id '7' \(give a whole number"),
        (["images", 1, "id"], True, r"images\[1\] has id True"),
        (["images", 1, "id"], 42, r"image ids: 42 is there twice"),
        (["images", 1, "width"], -3, r"images\[1\] is -3 x 20 pixels"),
        (["images", 1, "height"], 1e300, r"images\[1\] is 40 x 1000"),
        (["images", 1, "file_name"], "../../etc/passwd", r"file_name '../../etc/passwd' \(give a name below"),
        (["images", 1, "file_name"], "/etc/passwd", r"images\[1\] has file_name"),
        (["images", 1, "file_name"], "C:\\a.png", r"images\[1\] has file_name"),
        (["images", 1, "file_name"], "a\0.png", r"images\[1\] has file_name"),
        (["images", 1, "file_name"], "\ud800.png", r"images\[1\] has file_name"),
        (["images", 1, "file_name"], ".", r"images\[1\] has file_name"),
        (["categories", 0, "name"], " ", r"categories\[0\] has name ' '"),
        (["categories", 0, "name"], "cat", r"category names: 'cat' is there twice"),
        (["categories", 0, "id"], 3, r"category ids: 3 is there twice"),
        (["annotations", 2, "image_id"], 8, r"annotations\[2\] names the image 8 \(no image of the data set"),
        (["annotations", 2, "category_id"], 1, r"annotations\[2\] names the category 1"),
        (["annotations", 2, "bbox"], None, r"annotations\[2\] has no 'bbox'"),
        (["annotations", 2, "bbox"], [1, 2, 3], r"annotations\[2\] has bbox \[1, 2, 3\] \(give four numbers"),
        (["annotations", 2, "bbox", 3], "6", r"annotations\[2\] has bbox '6' \(give a finite number"),
        (["annotations", 2, "bbox", 3], float("nan"), r"annotations\[2\] has bbox nan"),
        (["annotations", 2, "bbox", 3], 10**400, r"annotations\[2\] has bbox 1000"),
        (["annotations", 0, "area"], float("inf"), r"annotations\[0\] has area inf"),
        (["annotations", 0, "iscrowd"], 2, r"annotations\[0\] has iscrowd 2 \(give 0 or 1"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, place, value, message):
    with pytest.raises(InputError, match=r"file.json: .*" + message):
        read_instances(written(tmp_path, changed(INSTANCES, place, value)))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ([0, "image_id"], 8, r"entry\[0\] names the image 8"),
        ([0, "category_id"], 4, r"entry\[0\] names the category 4"),
        ([1, "score"], None, r"entry\[1\] has no 'score'"),
        ([1, "score"], "high", r"entry\[1\] has score 'high'"),
        ([1, "bbox"], 5, r"entry\[1\] has bbox 5"),
        ([1], [], r"entry\[1\] is a list"),
    ],
)
def test_what_is_wrong_with_results_is_named(tmp_path, place, value, message):
    instances = read_instances(written(tmp_path, INSTANCES))
    with pytest.raises(InputError, match=r"file.json: " + message):
        read_coco_results(written(tmp_path, changed(RESULTS, place, value)), instances)


def test_the_one_file_in_place_of_the_other(tmp_path):
    instances = read_instances(written(tmp_path, INSTANCES))
    with pytest.raises(InputError, match="is not a list of detections"):
        read_coco_results(written(tmp_path, INSTANCES), instances)
    with pytest.raises(InputError, match="is not an annotation file of COCO"):
        read_instances(written(tmp_path, RESULTS))


@pytest.mark.parametrize(
    "text", ["", "{", json.dumps(INSTANCES)[:200], "[" * 100_000, "9" * 5000, "\\", '{"images": NaNN}']
)
def test_no_json(tmp_path, text):
    with pytest.raises(InputError, match=r"file.json: is cut off or is not JSON: .*\(export or download"):
        read_instances(written(tmp_path, text))


def test_no_text_no_file_and_a_folder(tmp_path):
    path = tmp_path / "file.json"
    with pytest.raises(InputError, match="there is no such file"):
        read_instances(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is cut off or is not JSON"):
        read_instances(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_instances(tmp_path)


# -- any file ---------------------------------------------------------------------------------------------

WHOLE = json.dumps(INSTANCES).encode()
PLACES = [
    *(["images", i, field] for i in range(3) for field in ("id", "file_name", "width", "height")),
    *(["categories", i, field] for i in range(3) for field in ("id", "name")),
    *(["annotations", i, field] for i in (0, 1) for field in ("image_id", "category_id", "bbox", "area")),
    *(["annotations", 0, "bbox", i] for i in range(4)),
    *([place] for place in ("images", "categories", "annotations")),
    *(["annotations", i] for i in range(3)),
    ["annotations", 0, "iscrowd"],
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([3, 7, 90, 900]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
any_file = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_or_refuse(path):
    """Whatever is read can be evaluated; whatever is not is refused with a message."""
    try:
        instances = read_instances(path)
    except InputError as error:
        assert str(path) in str(error)
        str(error).encode()  # can be printed
        return
    truths = instances.ground_truths()
    assert len(truths) == len(instances.images)
    try:
        evaluate_coco([(t.gt_xyxy, np.ones(len(t.labels)), t.labels) for t in truths], truths)
    except InputError as error:
        assert "image_size" in str(error)


@given(st.sampled_from(PLACES), ANYTHING)
@any_file
def test_any_value_at_any_place(tmp_path, place, value):
    read_or_refuse(written(tmp_path, changed(INSTANCES, place, value)))


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(max_size=3)), max_size=4), st.booleans())
@any_file
def test_any_bytes_at_any_place(tmp_path, edits, cut):
    content = bytearray(WHOLE)
    for position, replacement in edits:
        content[position : position + len(replacement)] = replacement
    path = tmp_path / "file.json"
    path.write_bytes(bytes(content[: edits[0][0]] if cut and edits else content))
    read_or_refuse(path)


@given(st.sampled_from([[i] for i in range(3)] + [[0, key] for key in RESULTS[0]]), ANYTHING)
@any_file
def test_any_results(tmp_path, place, value):
    instances = read_instances(written(tmp_path, INSTANCES))
    try:
        found = read_coco_results(written(tmp_path, changed(RESULTS, place, value)), instances)
    except InputError as error:
        assert "file.json" in str(error)
    else:
        evaluate_coco(found, instances.ground_truths())
