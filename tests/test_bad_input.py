"""Data, weights and disks as they should not be: one line that names the file, the fault and the mending.

Each case goes through the command that a user would type, and through the library, which must say the same.
"""

import errno
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from command_line import (
    CLASSES,
    SMALL,
    TRAIN,
    done,
    files_in,
    make_weights,
    make_workplace,
    refused,
    run,
)
from PIL import Image

from minissd import config, weights
from minissd.cli import main
from minissd.data import AnnotationWarning, VOCDetection, image_size, open_dataset, read_annotated, read_image
from minissd.errors import InputError
from minissd.files import writable_folder
from minissd.models import SSD

EVALUATE = ("evaluate", "--data", "voc", "--split", "train", "--weights", "weights.safetensors")
DETECT = ("detect", "--weights", "weights.safetensors")
XML = Path("voc/Annotations/train_000001.xml")
IMAGE = Path("voc/JPEGImages/train_000001.png")
BOX = re.compile(r"<bndbox>.*?</bndbox>", re.S)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return make_workplace(tmp_path_factory.mktemp("bad-input"))


@pytest.fixture(autouse=True)
def small_and_apart(workplace, tmp_path, monkeypatch):
    """Every test has its own copy of the data, and `--model tiny` is small."""
    monkeypatch.setitem(config.CONFIGS, "tiny", SMALL)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(workplace / "voc", "voc")
    shutil.copy(workplace / "weights.safetensors", "weights.safetensors")


@pytest.fixture
def refuse(capsys):
    return lambda *arguments: refused(capsys, *arguments)


def edit(path, pattern, new):
    """Replace the first place in a file that fits the pattern."""
    text, count = re.subn(pattern, new, path.read_text(), count=1, flags=re.S)
    assert count == 1
    path.write_text(text)


def cut(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def give_box(*corners):
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners)
    edit(XML, BOX.pattern, "<bndbox>" + "".join(f"<{t}>{c}</{t}>" for t, c in tags) + "</bndbox>")


def library_says(make):
    with pytest.raises(InputError) as error:
        make()
    return str(error.value)


# -- data sets ---------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize("command", [(*TRAIN, "--val-split", ""), EVALUATE], ids=["train", "evaluate"])
@pytest.mark.parametrize("case", DATA)
def test_faulty_data_sets(case, command, refuse):
    spoil, words = DATA[case]
    spoil()
    line = refuse(*command)
    assert words in line
    assert line == library_says(lambda: [sample.image for sample in open_dataset("voc", "train")])
    assert set(os.listdir()) <= {"voc", "weights.safetensors", "run"}
    if "run" in os.listdir():  # a training that had begun leaves its settings, and nothing that is half done
        assert files_in(Path("run")) == ["settings.json"]


def test_class_that_the_weights_do_not_know(refuse):
    edit(XML, "<name>.*?</name>", "<name>teapot</name>")
    line = refuse(*EVALUATE)
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
    result = run(capsys, *EVALUATE)
    assert (result.code, len(result.errors)) == (0, 1)
    assert "box reversed: 1" in result.errors[0]
    assert f"{XML}: box reversed: object 1" in refused(capsys, *EVALUATE, "--strict")


def test_images_without_objects_are_learned_from_and_evaluated_on(capsys):
    edit(XML, "<object>.*</object>", "")
    done(capsys, *TRAIN)
    assert done(capsys, *EVALUATE)[-1].endswith("4 images)")


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


# -- one picture and its annotation ------------------------------------------------------------------------

SHOW = ("show", "matches", IMAGE, "--annotation", XML)


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
    result = run(capsys, *SHOW[:2], "voc/JPEGImages/val_000000.png", *SHOW[3:])
    assert (result.code, len(result.errors)) == (0, 1)
    assert "perhaps this is not the annotation of voc/JPEGImages/val_000000.png" in result.errors[0]
    with pytest.warns(AnnotationWarning, match="<filename> is train_000001.png"):
        read_annotated("voc/JPEGImages/val_000000.png", XML)


# -- weights -----------------------------------------------------------------------------------------------


def keep_arrays_only():
    safetensors.numpy.save_file({"conv1.weight": np.zeros(3)}, "weights.safetensors")


FILES = {
    "missing": (lambda: os.remove("weights.safetensors"), ": no such file (train a model first"),
    "folder": (
        lambda: (os.remove("weights.safetensors"), os.mkdir("weights.safetensors")),
        ": is a folder, not a weight file (name the file in it)",
    ),
    "cut off": (lambda: cut(Path("weights.safetensors"), 0.9), ": not a complete safetensors file: "),
    "empty": (lambda: cut(Path("weights.safetensors"), 0), ": is empty (copy it again)"),
    "an image": (lambda: shutil.copy(IMAGE, "weights.safetensors"), ": is no weight file of a known kind ("),
    "of others": (
        keep_arrays_only,
        ": its arrays (1: conv1.weight) are not those of an SSD that is known here (",
    ),
}


@pytest.mark.parametrize(
    "command", [(*TRAIN, "--weights", "weights.safetensors"), EVALUATE, (*DETECT, IMAGE)]
)
@pytest.mark.parametrize("case", FILES)
def test_faulty_weight_files(case, command, refuse):
    spoil, words = FILES[case]
    spoil()
    line = refuse(*command)
    assert line.startswith("weights.safetensors" + words)
    assert line == library_says(lambda: weights.load_model("weights.safetensors"))
    assert not Path("detections").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"class_names": ("circle", "square", "star")},
            "was trained with 4 classes (with the background), the model has 3 (use the model and classes of",
        ),
        (
            {"class_names": ("cat", "dog")},
            "was trained for the classes cat, dog, not circle, square (use data",
        ),
        (
            {"image_size": 128, "steps": (16, 32, 64)},
            "was trained with 128 pixels of input, the model has 64 (use the model and classes of",
        ),
        (
            {"clip": True},
            "is of another configuration, with other values of clip (use the model of",
        ),
    ],
    ids=["number of classes", "names of classes", "image size", "boxes"],
)
@pytest.mark.parametrize("option", ["weights", "resume"])
def test_weights_of_another_model(options, words, option, refuse, capsys):
    if option == "weights":
        path, arguments = make_weights("other.safetensors", **options), ("--weights", "other.safetensors")
    else:
        done(capsys, *TRAIN)
        path, arguments = make_weights("run/checkpoint.safetensors", **options), ("--resume",)
    line = refuse(*TRAIN, *arguments)
    assert line.startswith(f"{path}: {words}")
    model = SSD(weights.load_model("weights.safetensors")[0].config)
    assert line == library_says(lambda: weights.load(model, path, CLASSES))


def test_a_long_list_of_what_does_not_fit_is_cut_in_its_middle(refuse):
    with safetensors.safe_open("weights.safetensors", framework="numpy") as file:
        metadata = file.metadata()
        arrays = {f"old_{name}": file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    safetensors.numpy.save_file(arrays, "weights.safetensors", metadata)
    line = refuse(*DETECT, IMAGE)
    assert line.startswith(f"weights.safetensors: does not fit the model in {2 * len(arrays)} arrays: ")
    assert " ... " in line and len(line) < 1000
    assert line.endswith("(use the network that it was trained with; --base takes all but the heads)")
    whole = library_says(lambda: weights.load_model("weights.safetensors"))
    assert all(f"{name} is unknown" in whole for name in arrays)


def test_a_checkpoint_that_is_cut_off_cannot_be_resumed(refuse, capsys):
    done(capsys, *TRAIN)
    cut(Path("run/checkpoint.safetensors"))
    assert refuse(*TRAIN, "--resume").startswith(
        "run/checkpoint.safetensors: not a complete safetensors file"
    )


# -- images ------------------------------------------------------------------------------------------------

SMOOTH = np.add.outer(np.arange(40), 2 * np.arange(60)).astype(np.uint8)  # (40, 60)


def save(picture, name="photo.png", **options):
    picture.save(name, **options)
    return Path(name)


IMAGES = {
    "grey": lambda: save(Image.fromarray(SMOOTH)),
    "palette": lambda: save(Image.fromarray(SMOOTH).convert("P", palette=Image.Palette.ADAPTIVE)),
    "black and white": lambda: save(Image.fromarray(SMOOTH).convert("1")),
    "RGBA": lambda: save(Image.fromarray(np.dstack([SMOOTH] * 4), "RGBA")),
    "grey with alpha": lambda: save(Image.fromarray(np.dstack([SMOOTH] * 2), "LA")),
    "CMYK": lambda: save(Image.fromarray(np.dstack([SMOOTH] * 4), "CMYK"), "photo.jpg"),
    "16 bits": lambda: save(Image.fromarray(SMOOTH.astype(np.uint16) * 257)),
    "1 x 1": lambda: save(Image.new("RGB", (1, 1), "red")),
    "1 x 500": lambda: save(Image.new("RGB", (1, 500), "red")),
    "gif": lambda: save(Image.fromarray(SMOOTH), "photo.gif"),
    "wrong suffix": lambda: save(Image.fromarray(SMOOTH), "photo.jpg", format="PNG"),
}


def boxes_in(output):
    return json.loads(output)[0]


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("case", IMAGES)
def test_images_of_every_kind_are_looked_at_and_drawn(case, capsys):
    path = IMAGES[case]()
    done(capsys, *DETECT, path, "--score", "0.3")
    with Image.open(path) as original, Image.open("detections/photo.png") as drawn:
        assert drawn.size == original.size and drawn.mode == "RGB"
    same = save(Image.fromarray(read_image(path)), "same.png")
    found = boxes_in(run(capsys, *DETECT, path, "--json", "--score", "0.3").output)
    expected = boxes_in(run(capsys, *DETECT, same, "--json", "--score", "0.3").output)
    assert found | {"image": ""} == expected | {"image": ""}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_its_camera_turned_has_boxes_of_the_upright_picture(orientation, capsys):
    upright = np.dstack([SMOOTH, SMOOTH[::-1], np.zeros_like(SMOOTH)])
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = save(Image.fromarray(np.ascontiguousarray(stored)), "turned.png", exif=exif)
    plain = save(Image.fromarray(upright), "plain.png")
    found = boxes_in(run(capsys, *DETECT, turned, "--json", "--score", "0.3").output)
    assert (found["width"], found["height"]) == (60, 40)
    expected = boxes_in(run(capsys, *DETECT, plain, "--json", "--score", "0.3").output)
    assert found["detections"] == expected["detections"] and found["detections"]
    done(capsys, *DETECT, turned)
    assert read_image("detections/turned.png").shape == (40, 60, 3)


def test_fifty_megapixels(capsys):
    path = save(Image.fromarray(SMOOTH).resize((8000, 6250)), "photo.jpg", quality=60)
    line = done(capsys, *DETECT, path)[0]
    assert line.startswith("photo.jpg: ")
    assert image_size("detections/photo.png") == (8000, 6250)


@pytest.mark.parametrize("command", [DETECT, ("show", "priors"), ("show", "nms", *DETECT[1:])])
@pytest.mark.parametrize("fault", ["cut off", "no image", "missing", "folder"])
def test_faulty_images(fault, command, refuse):
    path = IMAGE
    if fault == "cut off":
        cut(IMAGE)
    elif fault == "no image":
        IMAGE.write_text("hello")
    else:
        path = Path("nowhere.png" if fault == "missing" else "voc")
    line = refuse(*command, path)
    assert line == library_says(lambda: read_image(path))
    assert line.startswith(f"{path}: ") and line.endswith(")")
    assert not list(Path().glob("*.png")) and not list(Path().glob("detections/*"))


def test_a_wrong_name_comes_to_light_before_the_first_picture_is_written(refuse):
    assert refuse(*DETECT, "voc/JPEGImages/val_000000.png", "nowhere.png").startswith("nowhere.png: ")
    assert not Path("detections").exists()


# -- places that cannot be written to ----------------------------------------------------------------------

WRITING = {
    "train": (*TRAIN, "--output", "place"),
    "detect": (*DETECT, IMAGE, "--output", "place"),
    "demo": ("demo", "--steps", 1, "--quiet", "--output", "place"),
    "show": ("show", "priors", IMAGE, "--output", "place/priors.png"),
    "curves": (*EVALUATE, "--curves", "place/curves.png"),
}


@pytest.mark.parametrize("command", WRITING)
def test_a_file_where_the_folder_should_be(command, refuse):
    Path("place").write_text("I was here first")
    line = refuse(*WRITING[command])
    assert re.fullmatch(
        r"place(/priors\.png)?: cannot be written: .+ \(free some space or choose another folder\)", line
    )
    assert Path("place").read_text() == "I was here first"


@pytest.mark.parametrize("command", WRITING)
def test_a_folder_without_permission(command, refuse):
    Path("place").mkdir(mode=0o500)
    if os.access("place", os.W_OK):
        pytest.skip("this user may write everywhere")
    assert "cannot be written: Permission denied" in refuse(*WRITING[command])
    assert os.listdir("place") == []


def test_permission_denied_by_the_system(refuse, monkeypatch):
    def refuse_to_make(path, *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse_to_make)
    line = refuse(*TRAIN)
    assert line == "run: cannot be written: Permission denied (free some space or choose another folder)"
    assert line == library_says(lambda: writable_folder("run"))


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (TRAIN, "run/settings.json"),
        ((*DETECT, IMAGE), "detections/train_000001.png"),
        (("show", "priors", IMAGE), "priors.png"),
        ((*EVALUATE, "--curves", "curves.png"), "curves.png"),
    ],
)
def test_a_disk_that_is_full_at_the_last_moment(command, file, refuse, monkeypatch, tmp_path):
    def replace(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("minissd.files.os.replace", replace)
    before = files_in(tmp_path)
    line = refuse(*command)
    assert (
        line
        == f"{file}: cannot be written: No space left on device (free some space or choose another folder)"
    )
    assert files_in(tmp_path) == before


def test_a_disk_that_fills_up_in_training_leaves_the_last_checkpoint_whole(refuse, capsys, monkeypatch):
    done(capsys, *TRAIN, "--val-split", "")
    before = {name: (Path("run") / name).read_bytes() for name in files_in(Path("run"))}
    write = Path.write_bytes

    def write_half(path, content):
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    line = refuse(*TRAIN, "--val-split", "")
    assert line.startswith("run/weights.safetensors: cannot be written: No space left on device")
    assert {name: (Path("run") / name).read_bytes() for name in files_in(Path("run"))} == before


def test_a_file_that_the_system_really_cannot_write(tmp_path, capsys):
    """A limit on the size of files stands in for the full disk: bytes are written, then there is no room."""
    resource = pytest.importorskip("resource", reason="needs limits of the operating system")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = files_in(tmp_path)
    capsys.readouterr()
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        code = main(["show", "priors", str(IMAGE)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2
    assert capsys.readouterr().err.startswith("minissd: priors.png: cannot be written: File too large")
    assert files_in(tmp_path) == before
