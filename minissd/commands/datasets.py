"""The data that commands work on: a folder in VOC's or COCO's format, or drawn scenes."""

from __future__ import annotations

from minissd.choice import chosen

SCENES = "scenes"  # --data scenes: drawn ones
SCENE_SPLITS = {"train": {"length": 4096, "seed": 1}, "val": {"length": 100, "seed": 2}}
DATA_HELP = "VOC- or COCO-format folder, or 'scenes' for drawn ones"


def open_data(data, split, class_names=None, strict=False):
    """Open a split of a folder, as `minissd.data.open_dataset` does, or of the drawn scenes."""
    from minissd.data import DrawnScenes, open_dataset

    if data == SCENES:
        classes = {} if class_names is None else {"class_names": class_names}
        return DrawnScenes(**chosen(SCENE_SPLITS, split, SCENES, "split"), **classes)
    return open_dataset(data, split, class_names, strict)
