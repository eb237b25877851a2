"""Data sets as they should not be: one line that names the file, the fault and the mending.

Each case goes through the command that a user would type, and through the library, which must say the same.
"""

import os
import re
import shutil
from pathlib import Path

import pytest
from command_line import CLASSES, EVALUATE, PHOTO, TRAIN, done, files_in, refused, run
from faults import IMAGE, XML, cut, edit, library_says

from minissd.data import AnnotationWarning, VOCDetection, open_dataset, read_annotated

EVALUATE_TRAIN = (*EVALUATE, "--split", "train")
SHOW = ("show", "matches", IMAGE, "--annotation", XML)
BOX = re.compile(r"<bndbox>.*?</bndbox>", re.S)


def give_box(*corners):
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners)
    edit(XML, BOX.pattern, "<bndbox>" + "".join(f"<{t}>{c}</{t}>" for t, c in tags) + "</bndbox>")


DATA = {
    "no folder": (lambda: shutil.rmtree("voc"), "voc: there is no such folder (name a folder in VOC's or"),
    "no format": (
        lambda: shutil.rmtree("voc/ImageSets"),
        "voc: is neither VOC's format nor COCO's: no Image",
    ),
    "no part of it": (lambda: shutil.rmtree("voc/Annotations"), "voc: has no folder Annotations (a VOC data"),
    "no split": (
        lambda: os.remove("voc/ImageSets/Main/train.txt"),
        "voc/ImageSets/Main/train.txt: there is no split 'train' (splits in this folder: val)",
    ),
    "empty split": (
        lambda: Path("voc/ImageSets/Main/train.txt").write_text("\n"),
        "voc/ImageSets/Main/train.txt: the list is empty (write one image name per line)",
    ),
    "annotation missing": (XML.unlink, f"{XML}: there is no such annotation (add it, or take its name out"),
    "annotation cut off": (lambda: cut(XML), f"{XML}: is cut off or is not XML: "),
    "no name": (
        lambda: edit(XML, "<name>.*?</name>", ""),
        f"{XML}: object 1 has no <name> (give it the name",
    ),
    "no box": (lambda: edit(XML, BOX.pattern, ""), "has no <bndbox> (draw its box again)"),
    "no corner": (lambda: edit(XML, "<ymin>.*?</ymin>", ""), "has no <ymin> (draw its box again)"),
    "no number": (
        lambda: give_box(1, 2, "right", 9),
        ": <xmax> is 'right' (write a number of pixels)",
    ),
    "image missing": (IMAGE.unlink, f"{XML}: there is no image train_000001 in voc/JPEGImages (add it, or"),
    "image cut off": (lambda: cut(IMAGE), f"{IMAGE}: the image cannot be decoded: "),
    "no image": (
        lambda: IMAGE.write_text("hello"),
        f"{IMAGE}: is not an image that can be read (5 bytes) (use a JPEG or PNG file)",
    ),
}


@pytest.mark.parametrize("command", [(*TRAIN, "--val-split", ""), EVALUATE_TRAIN], ids=["train", "evaluate"])
@pytest.mark.parametrize("case", DATA)
def test_faulty_data_sets(case, command, refuse):
    spoil, words = DATA[case]
    spoil()
    line = refuse(*command)
    assert words in line
    assert line == library_says(lambda: [sample.image for sample in open_dataset("voc", "train")])
    assert set(os.listdir()) <= {"voc", "coco", "weights.safetensors", "run"}
    if "run" in os.listdir():  # a training that had begun leaves its settings, and nothing that is half done
        assert files_in(Path("run")) == ["settings.json"]


def test_class_that_the_weights_do_not_know(refuse):
    edit(XML, "<name>.*?</name>", "<name>teapot</name>")
    line = refuse(*EVALUATE_TRAIN)
    assert line == f"{XML}: object 1 has the unknown class 'teapot' (known classes: circle, square)"
    assert line == library_says(lambda: VOCDetection("voc", "train", CLASSES))


@pytest.mark.parametrize(
    ("corners", "fault"),
    [
        ((30, 10, 20, 40), "reversed"),
        ((30, 10, 30, 40), "empty"),
        ((90, 10, 99, 40), "outside the image"),
        (("nan", 10, 20, 40), "not a number"),
        ((10, 10, "inf", 40), "not a number"),
    ],
)
def test_faulty_boxes_are_counted_in_one_warning_or_refused(corners, fault, capsys):
    give_box(*corners)
    result = run(capsys, *TRAIN)
    assert result.code == 0 and len(result.errors) == 1
    words = f"minissd: warning: voc (train): faulty annotations (box {fault}: 1); the first is {XML.name}, "
    assert result.errors[0].startswith(words + "object 1 (")
    shutil.rmtree("run")
    line = refused(capsys, *TRAIN, "--strict")
    assert line.startswith(f"{XML}: box {fault}: object 1 (") and line.endswith(
        "(mend it, or do without strict)"
    )
    assert line == library_says(lambda: VOCDetection("voc", "train", strict=True))
    assert not Path("run").exists()


def test_evaluation_warns_and_is_strict_too(capsys):
    give_box(30, 10, 20, 40)
    result = run(capsys, *EVALUATE_TRAIN)
    assert (result.code, len(result.errors)) == (0, 1)
    assert "box reversed: 1" in result.errors[0]
    assert f"{XML}: box reversed: object 1" in refused(capsys, *EVALUATE_TRAIN, "--strict")


def test_images_without_objects_are_learned_from_and_evaluated_on(capsys):
    edit(XML, "<object>.*</object>", "")
    done(capsys, *TRAIN)
    assert done(capsys, *EVALUATE_TRAIN)[-1].endswith("4 images)")


def test_data_without_any_object(capsys):
    for path in Path("voc/Annotations").glob("val*.xml"):
        path.write_text(re.sub("<object>.*</object>", "", path.read_text(), flags=re.S))
    lines = done(capsys, *TRAIN)
    assert "mAP nan on 2 pictures of val" in lines
    lines = done(capsys, *EVALUATE, "--split", "val")
    assert all("(no object to find)" in line for line in lines[:-1])
    assert lines[-1].split()[:2] == ["mAP", "nan"]
    text = "".join(done(capsys, *EVALUATE, "--split", "val", "--json"))
    assert '"mAP": null' in text and "NaN" not in text


# -- one picture and its annotation ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (XML.unlink, f"{XML}: there is no such annotation"),
        (lambda: cut(XML), f"{XML}: is cut off or is not XML"),
        (
            lambda: edit(XML, "<width>80", "<width>90"),
            f"{XML}: <size> is 90 x 80, but {IMAGE} is 80 x 80 pixels",
        ),
        (IMAGE.unlink, f"{IMAGE}: there is no such image file"),
        (lambda: cut(IMAGE), f"{IMAGE}: the image cannot be decoded"),
    ],
)
def test_faulty_annotated_pictures(spoil, words, refuse):
    spoil()
    line = refuse(*SHOW)
    assert line.startswith(words)
    assert line == library_says(lambda: read_annotated(IMAGE, XML))
    assert not Path("matches.png").exists()


def test_class_of_a_picture_that_the_weights_do_not_know(refuse):
    edit(XML, "<name>.*?</name>", "<name>teapot</name>")
    line = refuse("show", "mining", IMAGE, "--annotation", XML, "--weights", "weights.safetensors")
    assert line == (
        f"{XML}: <name> is 'teapot', which is not a class of the model (its classes are circle, square)"
    )
    assert line == library_says(lambda: read_annotated(IMAGE, XML, CLASSES))


def test_annotation_of_another_picture_of_the_same_size(capsys):
    result = run(capsys, *SHOW[:2], PHOTO, *SHOW[3:])
    assert (result.code, len(result.errors)) == (0, 1)
    assert f"perhaps this is not the annotation of {PHOTO}" in result.errors[0]
    with pytest.warns(AnnotationWarning, match="<filename> is train_000001.png"):
        read_annotated(PHOTO, XML)
