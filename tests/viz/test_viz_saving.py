"""Figures as files, without pyplot."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import pytest

from minissd import viz
from minissd.errors import InputError


@pytest.mark.parametrize("suffix, start", [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_the_same_figure_gives_the_same_bytes(suffix, start, scene, tmp_path):
    image, gt_xyxy, labels = scene
    written = []
    for name in ("a", "b"):
        figure = viz.draw_image_boxes(image, gt_xyxy, labels)
        written.append(viz.save(figure, tmp_path / f"{name}{suffix}").read_bytes())
    assert written[0] == written[1] and written[0].startswith(start)
    assert b"Date" not in written[0]


def test_saving_leaves_the_settings_of_matplotlib_alone(scene, tmp_path):
    before = dict(matplotlib.rcParams)
    viz.save(viz.draw_image_boxes(scene[0], scene[1]), tmp_path / "a.svg")
    assert dict(matplotlib.rcParams) == before


def test_another_suffix_is_refused(scene, tmp_path):
    with pytest.raises(InputError, match=r"\.png, \.svg or \.pdf"):
        viz.save(viz.draw_image_boxes(scene[0], scene[1]), tmp_path / "a.bmp")


def test_a_failure_leaves_the_older_file(scene, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"older")
    figure = viz.draw_image_boxes(scene[0], scene[1])

    def fail(*args, **kwargs):
        raise RuntimeError("interrupted")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(RuntimeError):
        viz.save(figure, path)
    assert path.read_bytes() == b"older" and [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_page_is_eight_inches_wide_and_a_notebook_shows_it(scene):
    figure = viz.draw_image_boxes(scene[0], scene[1])
    assert figure.get_figwidth() == 8
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_threads_draw_the_same_as_one_alone(scene, tmp_path):
    image, gt_xyxy, labels = scene

    def draw(number):
        figure = viz.draw_image_boxes(image, gt_xyxy, labels, np.linspace(0.9, 0.1, 4))
        return viz.save(figure, tmp_path / f"{number}.svg").read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(draw, range(6)))) == 1


def test_neither_pyplot_nor_matplotlib_is_imported_without_need():
    program = (
        "import sys, minissd.show, minissd.detect, minissd.priors; assert 'matplotlib' not in sys.modules;"
        "import minissd.viz; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
