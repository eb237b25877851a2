"""Picture files given to the commands: of every kind, turned by the camera, huge, and broken."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import DETECT, PHOTO, done, run
from faults import IMAGE, cut, library_says
from PIL import Image

from minissd.data import image_size, read_image

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
    assert refuse(*DETECT, PHOTO, "nowhere.png").startswith("nowhere.png: ")
    assert not Path("detections").exists()
