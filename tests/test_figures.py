"""Figures are what their scripts draw, and the tool that says so notices when they are not."""

import importlib.util
import shutil
from pathlib import Path

import matplotlib
import pytest
from PIL import Image, ImageDraw

FOLDER = Path(__file__).parents[1] / "figures"

CHART = """
from minissd.viz.page import as_chart, new_page

def draw():
    figure, (ax,) = new_page(title="A line")
    as_chart(ax, "x", "y")
    ax.plot([0, 1, 2], [0, {value}, 1])
    return figure
"""
PICTURE = """
import numpy as np
from minissd.viz.boxes import draw_image_boxes

def draw():
    image = np.full((40, 40, 3), 200, np.uint8)
    return draw_image_boxes(image, np.array([[{value}, 0.2, 0.6, 0.8]]))
"""
NOT_A_FIGURE = "raise_no_error = 1\n"


def load_maker():
    spec = importlib.util.spec_from_file_location("make_figures", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


maker = load_maker()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder of two scripts with their pictures, and one that is none."""
    folder = tmp_path_factory.mktemp("drawn")
    write(folder, "chart", CHART)
    write(folder, "picture", PICTURE)
    (folder / "helper.py").write_text(NOT_A_FIGURE)
    assert maker.main([], folder) == 0
    return folder


@pytest.fixture
def folder(drawn, tmp_path):
    """A copy of it, for every test its own."""
    return shutil.copytree(drawn, tmp_path / "figures")


def write(folder, name, script, value=0.5):
    (folder / f"{name}.py").write_text(script.replace("{value}", str(value)))


# -- the project's own figures -----------------------------------------------------------------------------

FIGURES = maker.find()


@pytest.mark.parametrize("name", maker.choose(FIGURES))
def test_is_what_its_script_draws(name):
    assert maker.check(FIGURES[name], FOLDER) == ""


def test_every_figure_has_its_picture_and_every_picture_its_script():
    assert maker.stray_pictures(FOLDER, FIGURES) == []


def test_pictures_are_small():
    for path in FOLDER.iterdir():
        assert path.suffix not in (".svg", ".png") or path.stat().st_size < 400_000, path.name


# -- the tool ----------------------------------------------------------------------------------------------


def test_lines_become_an_svg_and_images_a_png_as_wide_as_readme(folder):
    files = {path.name for path in folder.iterdir() if path.is_file()}  # not __pycache__
    assert files == {"chart.py", "picture.py", "helper.py", "chart.svg", "picture.png"}
    with Image.open(folder / "picture.png") as picture:
        assert picture.width <= maker.WIDTH


def test_drawn_again_it_is_the_same_to_the_last_byte(folder):
    before = {path.name: path.read_bytes() for path in folder.glob("*.*g")}
    assert maker.main([], folder) == 0
    assert {path.name: path.read_bytes() for path in folder.glob("*.*g")} == before
    assert maker.main(["--check"], folder) == 0


@pytest.mark.parametrize(("name", "script", "kind"), [("chart", CHART, "svg"), ("picture", PICTURE, "png")])
def test_a_changed_script_is_noticed(folder, capsys, name, script, kind):
    write(folder, name, script, value=0.4)
    before = (folder / f"{name}.{kind}").read_bytes()
    assert maker.main(["--check"], folder) == 1
    assert f"{name}: {name}.{kind} is not what the script draws" in capsys.readouterr().out
    assert (folder / f"{name}.{kind}").read_bytes() == before  # a check writes nothing


@pytest.mark.parametrize(("name", "kind"), [("chart", "svg"), ("picture", "png")])
def test_a_missing_picture_is_noticed(folder, capsys, name, kind):
    (folder / f"{name}.{kind}").unlink()
    assert maker.main(["--check", name], folder) == 1
    assert f"{name}.{kind} is missing (python figures/make.py {name})" in capsys.readouterr().out


def test_a_picture_that_nobody_draws_is_noticed(folder, capsys):
    (folder / "old.png").write_bytes((folder / "picture.png").read_bytes())
    (folder / "chart.png").write_bytes((folder / "picture.png").read_bytes())
    assert maker.main(["--check"], folder) == 1
    output = capsys.readouterr().out
    assert "old.png: no script draws it" in output and "chart.svg: no script draws it, or there" in output


def test_an_unknown_name_is_refused(folder):
    for name in ("dragon", "helper", "make"):
        with pytest.raises(SystemExit, match=rf"no figure '{name}' \(there are: chart, picture\)"):
            maker.main([name], folder)


def test_only_what_is_named_is_drawn(folder):
    (folder / "chart.svg").unlink()
    (folder / "picture.png").unlink()
    assert maker.main(["chart"], folder) == 0
    assert (folder / "chart.svg").exists() and not (folder / "picture.png").exists()


def test_slow_ones_wait_until_they_are_asked_for(folder, capsys):
    write(folder, "slow", CHART + '\nSLOW = "it takes minutes"\nTRAINS = "long"\n')
    assert maker.main([], folder) == 0
    assert "slow: left out: it takes minutes" in capsys.readouterr().out
    assert not (folder / "slow.png").exists()
    assert maker.main(["--check"], folder) == 1  # but its picture has to be there
    assert "slow: its picture is missing" in capsys.readouterr().out
    assert maker.main(["--all"], folder) == 0
    assert (folder / "slow.png").exists()
    assert maker.main(["--all", "--check"], folder) == 0


def test_a_script_that_fails_leaves_the_older_picture(folder):
    before = (folder / "chart.svg").read_bytes()
    (folder / "chart.py").write_text("def draw():\n    raise RuntimeError('no')\n")
    with pytest.raises(RuntimeError):
        maker.main(["chart"], folder)
    assert (folder / "chart.svg").read_bytes() == before


# -- pictures of another matplotlib ------------------------------------------------------------------------


def as_by_another(path):
    """Let an SVG say that another version wrote it."""
    version = f"Matplotlib v{matplotlib.__version__}"
    text = path.read_text(encoding="utf-8")
    assert version in text
    path.write_text(text.replace(version, "Matplotlib v1.2.3"), encoding="utf-8")


def test_pictures_say_which_matplotlib_drew_them(folder):
    version = ".".join(matplotlib.__version__.split(".")[:2]).encode()
    assert maker.version_of(folder / "chart.svg") == maker.version_of(folder / "picture.png") == version


def test_of_another_version_shapes_and_words_count_and_letters_do_not(folder):
    chart = folder / "chart.svg"
    as_by_another(chart)
    text = chart.read_text(encoding="utf-8")
    moved = text.replace('<g id="text_1">', '<g id="text_0">')
    chart.write_text(moved, encoding="utf-8")
    assert maker.main(["chart", "--check"], folder) == 0
    chart.write_text(text.replace("<!-- A line -->", "<!-- A lion -->"), encoding="utf-8")
    assert maker.main(["chart", "--check"], folder) == 1


def test_of_another_version_a_moved_shape_counts(folder):
    as_by_another(folder / "chart.svg")
    write(folder, "chart", CHART, value=0.45)
    assert maker.main(["chart", "--check"], folder) == 1


def test_pixels_are_compared_strictly_or_leniently(tmp_path):
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    picture = Image.new("RGB", (160, 160), "white")
    ImageDraw.Draw(picture).rectangle((40, 40, 90, 90), outline="black")
    picture.save(first)
    ImageDraw.Draw(picture).text((100, 10), "a word", fill="black")
    picture.save(second)
    assert maker.same_pixels(first, first) and not maker.same_pixels(first, second)
    assert maker.same_pixels(first, second, strict=False)
    ImageDraw.Draw(picture).rectangle((40, 40, 90, 90), fill="black")
    picture.save(second)
    assert not maker.same_pixels(first, second, strict=False)
    picture.resize((80, 80)).save(second)
    assert not maker.same_pixels(first, second, strict=False)
