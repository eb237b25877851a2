"""The classes of the pictures in conftest.py, and ways to change the annotations of their folders."""

import json

CLASSES = ("cat", "dog")


def annotation_file(root, number=0):
    return root / "Annotations" / f"train_{number:06d}.xml"


def edit_xml(root, old, new, number=0):
    path = annotation_file(root, number)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def set_corners(root, corners_px):
    """Give the first object of the first picture these corners instead of 10 10 30 20."""
    for corner, old, new in zip(("xmin", "ymin", "xmax", "ymax"), (10, 10, 30, 20), corners_px):
        edit_xml(root, f"<{corner}>{old}</{corner}>", f"<{corner}>{new}</{corner}>")


def edit_json(root, change, split="train"):
    """Change the annotations of a split in place by a function of them."""
    path = root / "annotations" / f"instances_{split}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def set_box(root, box, **fields):
    edit_json(root, lambda content: content["annotations"][0].update(bbox=box, **fields))


def put_in_a_folder(root):
    """Move the second picture to another folder, with another name."""
    (root / "train" / "more").mkdir()
    (root / "train" / "000001.png").rename(root / "train" / "more" / "x.png")
    edit_json(root, lambda content: content["images"][1].update(file_name="more\\x.png"))
