"""``minissd demo``: the page and its pictures, and how it stops."""

import re
from pathlib import Path

from command_line import SMALL, run, size_of

from minissd import demo, interrupt


def test_demo_writes_a_page_and_every_picture_on_it(minissd, monkeypatch):
    monkeypatch.setattr(demo, "TINY", SMALL)
    monkeypatch.setattr(demo, "NUM_UNSEEN", 3)
    lines = minissd("demo", "--output", "out", "--steps", 2, "--seed", 1, "--quiet")
    assert re.fullmatch(r"mAP 0\.\d{4} on 3 unseen scenes", lines[-2])
    assert lines[-1] == "every step as a picture: out/index.html"
    page = Path("out/index.html").read_text()
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert len(pictures) == 11
    assert sorted(pictures) == sorted(path.name for path in Path("out").glob("*.png"))
    for picture in pictures:
        assert size_of(f"out/{picture}")[0] > 300
    links = re.findall(r'href="#([^"]+)"', page)
    assert links == re.findall(r'<section id="([^"]+)"', page)


def test_an_interrupted_demo_does_not_offer_to_resume(capsys, monkeypatch):
    def stop(*arguments):
        raise interrupt.Interrupted("the same command with --resume")

    monkeypatch.setattr(demo, "run", stop)
    result = run(capsys, "demo", "--output", "out")
    assert (result.code, result.errors) == (130, ["minissd: stopped (minissd demo begins anew)"])
