"""``minissd detect IMAGE --explain DIR``: the page, what is printed, and what is refused."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from command_line import CLASSES, SCENES, SMALL, done, files_in, make_weights, refused
from PIL import Image

from minissd import config, explain, viz, weights
from minissd.predict import predict

EXPLAIN = ("detect", "photo.png", "--weights", "weights.safetensors", "--explain", "page")


@pytest.fixture(autouse=True)
def small_and_apart(tmp_path, monkeypatch):
    """Every test works in its own folder, with a picture and random weights, and explains two detections."""
    monkeypatch.setattr(explain, "MOST_EXPLAINED", 2)
    monkeypatch.setitem(config.CONFIGS, "tiny", SMALL)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(SCENES[0].image).save("photo.png")
    make_weights("weights.safetensors")


class Reader(HTMLParser):
    """Collects the pictures of a page, its addresses and its headings."""

    def __init__(self, page):
        super().__init__()
        self.pictures, self.addresses, self.headings, self._tag = {}, [], [], ""
        self.feed(Path(page).read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values, self._tag = dict(attributes), tag
        if tag == "img":
            self.pictures[values["src"]] = values["alt"]
        self.addresses += [values[name] for name in ("src", "href") if name in values]

    def handle_data(self, data):
        if self._tag in ("h1", "h2") and data.strip():
            self.headings.append(data)


def test_the_page_explains_the_detections_of_predict(capsys):
    (line,) = done(capsys, *EXPLAIN, "--score", "0.5")
    model, _ = weights.load_model("weights.safetensors")
    (found,) = predict(model, [SCENES[0].image], score_threshold=0.5)
    names = [CLASSES[label - 1] for label in found.labels]
    counts = ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))
    assert line == f"photo.png: {counts} -> page/index.html"
    title, *headings = Reader("page/index.html").headings
    assert title == "photo.png, step by step"
    explained = [heading.partition(". ")[2] for heading in headings if "Detection" in heading]
    scores = [f"{score:.2f}" for score in found.scores]
    expected = [f"Detection {n}: {name} {score}" for n, (name, score) in enumerate(zip(names, scores), 1)]
    assert explained == expected[:2] and explained


def test_the_page_needs_nothing_but_its_folder(capsys):
    done(capsys, *EXPLAIN)
    page = Reader("page/index.html")
    assert sorted([*page.pictures, "index.html"]) == files_in(Path("page"))
    assert all(alt.strip() for alt in page.pictures.values())
    assert all(re.fullmatch(r"#?\w+(\.png)?", address) for address in page.addresses)


def test_a_second_page_leaves_nothing_of_the_first(capsys):
    done(capsys, *EXPLAIN)
    assert "detection_02.png" in files_in(Path("page"))
    done(capsys, *EXPLAIN, "--score", "1")
    assert sorted([*Reader("page/index.html").pictures, "index.html"]) == files_in(Path("page"))
    assert "detection_01.png" not in files_in(Path("page"))


def test_the_same_picture_gives_the_same_page(capsys):
    contents = []
    for folder in ("page", "again"):
        done(capsys, *EXPLAIN[:-1], folder)
        contents.append({name: (Path(folder) / name).read_bytes() for name in files_in(Path(folder))})
    assert contents[0] == contents[1]


def test_an_untrained_network_and_weights_without_names(capsys):
    make_weights("nameless.safetensors", class_names=())
    done(capsys, "detect", "photo.png", "--weights", "nameless.safetensors", "--explain", "nameless")
    assert re.search(
        r"Detection 1: class [12] [01]\.\d\d", Path("nameless/index.html").read_text(encoding="utf-8")
    )
    (line,) = done(capsys, "detect", "photo.png", "--model", "tiny", "--explain", "page", "--score", "1")
    assert line == "photo.png: nothing found -> page/index.html"


def test_pictures_of_any_shape(capsys, monkeypatch):
    monkeypatch.setattr(explain, "MOST_EXPLAINED", 1)
    for size in ((1, 1), (300, 4), (5, 200)):
        Image.fromarray(np.zeros((*size, 3), np.uint8)).save("odd.png")
        done(capsys, "detect", "odd.png", "--weights", "weights.safetensors", "--explain", "page")


def test_one_picture_only(capsys):
    Image.new("RGB", (20, 20)).save("second.png")
    line = refused(capsys, "detect", "second.png", *EXPLAIN[1:])
    assert line == "--explain: 2 pictures, the second is photo.png (give one IMAGE)"
    assert not Path("page").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*EXPLAIN, "--json"), "--json: not allowed with argument --explain"),
        ((*EXPLAIN, "--output", "found"), "--output: not allowed with argument --explain"),
        (
            (*EXPLAIN[:-2], "--output", "detections", *EXPLAIN[-2:]),
            "--explain: not allowed with argument --output",
        ),
        ((*EXPLAIN[:-2], "--output", "found", "--json"), "--json: not allowed with argument --output"),
        (("detect", "none.png", *EXPLAIN[2:]), "none.png: there is no such image file (check the name)"),
        ((*EXPLAIN[:-1], "photo.png"), "photo.png: cannot be written: "),
        (("detect", "photo.png", "--explain", "page"), "--weights: missing"),
        ((*EXPLAIN[:-1], "."), "--explain: . is the folder of photo.png itself (choose one of its own)"),
    ],
    ids=str,
)
def test_what_is_refused(arguments, words, capsys):
    assert refused(capsys, *arguments).startswith(words)
    assert not Path("page").exists() and files_in(Path(".")) == ["photo.png", "weights.safetensors"]


def test_a_failure_leaves_whole_files_and_the_older_page(capsys, monkeypatch):
    done(capsys, *EXPLAIN)
    before = Path("page/index.html").read_bytes()

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(viz.page.Page, "savefig", fail)
    line = refused(capsys, *EXPLAIN, "--score", "0.5")
    assert "cannot be written: No space left on device" in line
    assert Path("page/index.html").read_bytes() == before
    assert not [name for name in files_in(Path("page")) if name.startswith(".")]
    for name in files_in(Path("page")):
        if name.endswith(".png"):
            with Image.open(Path("page") / name) as picture:
                picture.load()
