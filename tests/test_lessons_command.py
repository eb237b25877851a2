"""``minissd lessons``: what is listed, copied, kept and opened, the pages, and the notebooks in a wheel."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from command_line import done, refused

from minissd import lessons
from minissd.commands import lessons as command
from minissd.errors import InputError

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
FIRST = "--LabApp.default_url=/lab/tree/01_a.ipynb"
NEEDS = "needs the extra 'notebooks': pip install -e '.[notebooks]'"


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """Every test works in its own folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def opened(monkeypatch):
    """JupyterLab seems to be installed; the list of what it was started with."""
    calls, find_spec = [], importlib.util.find_spec
    known = lambda name, *more: name if name == "jupyterlab" else find_spec(name, *more)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", known)
    monkeypatch.setattr(command, "start_jupyter", calls.append)
    return calls


def notebook(*sources):
    """A notebook of text cells, as text."""
    cells = [
        {"cell_type": "markdown", "id": f"c{i}", "metadata": {}, "source": s} for i, s in enumerate(sources)
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def two_lessons(tmp_path, monkeypatch):
    """Two small lessons in place of the real ones."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    links = "see [`nms.py`](../minissd/nms.py), [nn](../minissd/nn/fast), [x](../minissd/none.py)"
    links += ", [next](02_b.ipynb)"
    (folder / "01_a.ipynb").write_text(notebook("# 1 · Boxes & <IoU>\n\nFirst.", links))
    (folder / "02_b.ipynb").write_text(
        notebook("# 2 · Default boxes", r"With $s_k$ and `$x$`: $$\frac{1}{N}$$")
    )
    monkeypatch.setattr(lessons, "notebooks_folder", lambda: folder)
    return folder


# -- list and copies ---------------------------------------------------------------------------------------


def test_list_names_every_notebook_by_its_title(capsys):
    lines = done(capsys, "lessons", "--list")
    assert [line[:2] for line in lines] == [path.name[:2] for path in NOTEBOOKS]
    assert "12  From seven loops to a fast convolution" in lines


def test_a_new_folder_gets_all_notebooks_and_the_sources_that_they_link_to(two_lessons, opened, capsys):
    lines = done(capsys, "lessons")
    assert lines[0] == "minissd-lessons: lessons copied: 2, kept as you left them: 0"
    assert lines[1:] == command.HINT.splitlines()
    assert opened == [["minissd-lessons", FIRST]]
    folder = Path("minissd-lessons")
    text = (folder / "01_a.ipynb").read_text()
    assert "](source/nms.py)" in text and "](source/nn/fast/__init__.py)" in text
    assert "](../minissd/none.py)" in text and "](02_b.ipynb)" in text  # no such file; a lesson
    assert (folder / "source" / "nms.py").read_text() == (lessons.PACKAGE / "nms.py").read_text()
    assert not (folder / "minissd").exists()  # it would be imported in place of the package


def test_the_work_of_a_student_is_kept_and_only_what_is_missing_is_copied(two_lessons, opened, capsys):
    Path("mine").mkdir()
    Path("mine/01_a.ipynb").write_text("my own work")
    lines = done(capsys, "lessons", "mine", "--no-browser")
    assert lines[0] == "mine: lessons copied: 1, kept as you left them: 1"
    assert Path("mine/01_a.ipynb").read_text() == "my own work"
    assert opened == [["mine", "--no-browser"]]  # JupyterLab itself opens what was open
    Path("mine/02_b.ipynb").write_text("changed")
    assert done(capsys, "lessons", "mine")[0] == "mine: lessons copied: 0, kept as you left them: 2"
    assert Path("mine/02_b.ipynb").read_text() == "changed"


def test_other_arguments_go_to_jupyterlab(two_lessons, opened, capsys):
    done(capsys, "lessons", "mine", "--jupyter", "--port", "9000")
    done(capsys, "lessons", "--no-browser", "mine", "--jupyter", "--port=9000", "-h")
    assert opened[0] == ["mine", FIRST, "--port", "9000"]
    assert opened[1] == ["mine", "--no-browser", "--port=9000", "-h"]


def test_what_makes_no_sense_is_refused(two_lessons, opened, capsys):
    assert "unrecognized arguments: b" in refused(capsys, "lessons", "a", "b")
    assert refused(capsys, "lessons", "a", "--list").startswith("--list, --html: give them alone")
    assert refused(capsys, "lessons", "--html", "x", "--list").startswith("--list, --html: give them")
    assert refused(capsys, "lessons", "--html", "x", "--no-browser").startswith("--list, --html: give them")
    Path("file").write_text("")
    assert "cannot be written" in refused(capsys, "lessons", "file")
    assert opened == []


def test_without_jupyterlab_the_extra_is_named_and_nothing_is_copied(two_lessons, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = refused(capsys, "lessons")
    assert message == "lessons: jupyterlab is not installed (pip install 'minissd[notebooks]')"
    assert not Path("minissd-lessons").exists()


def test_without_nbconvert_the_extra_is_named(two_lessons, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nbconvert", None)
    message = refused(capsys, "lessons", "--html", "pages")
    assert message == "lessons: nbconvert is not installed (pip install 'minissd[notebooks]')"


def test_jupyterlab_is_run_and_its_exit_code_passed_on(monkeypatch):
    started = []

    class Process:
        def __init__(self, line):
            started.append(line)
            self.waits = iter([KeyboardInterrupt, 3])

        def wait(self):
            result = next(self.waits)
            if result is KeyboardInterrupt:
                raise result
            return result

    monkeypatch.setattr(subprocess, "Popen", Process)
    with pytest.raises(SystemExit) as end:
        command.start_jupyter(["mine"])
    assert started == [[sys.executable, "-m", "jupyterlab", "mine"]]  # once, Ctrl-C or not
    assert end.value.code == 3


def test_a_notebook_without_a_heading_is_named(two_lessons, capsys):
    (two_lessons / "03_c.ipynb").write_text("{}")
    assert "03_c.ipynb: is no notebook with a heading" in refused(capsys, "lessons", "--list")


# -- pages -------------------------------------------------------------------------------------------------


class Addresses(HTMLParser):
    """Collects what a page fetches by itself, and where its links lead."""

    def __init__(self, path):
        super().__init__()
        self.fetched, self.links, self.tags = [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        if tag == "a":
            self.links.append(values.get("href", ""))
        else:
            self.fetched += [values[name] for name in ("src", "href", "srcset", "data") if name in values]


@pytest.fixture
def pages(two_lessons, capsys):
    """The folder of the pages of two small lessons."""
    for module in ("nbconvert", "nbformat"):
        pytest.importorskip(module, reason=NEEDS)
    assert done(capsys, "lessons", "--html", "pages") == [f"-> {Path('pages', 'index.html')}"]
    return Path("pages")


def test_pages_fetch_nothing_and_their_links_lead_to_files(pages):
    for path in pages.rglob("*.html"):
        page = Addresses(path)
        assert not {"script", "link", "iframe"} & set(page.tags), path
        assert all(address.startswith("data:") for address in page.fetched), path
        assert not re.search(r"@import|url\(", path.read_text(encoding="utf-8")), path
        for link in page.links:
            inside = not link.startswith(("http", "#", "../minissd/none.py"))
            assert not inside or (path.parent / link).is_file(), link


def test_the_list_has_the_titles_and_numbers(pages):
    text = (pages / "index.html").read_text(encoding="utf-8")
    assert '<li value="1"><a href="01_a.html">Boxes &amp; &lt;IoU&gt;</a></li>' in text
    assert '<li value="2"><a href="02_b.html">Default boxes</a></li>' in text


def test_formulas_are_pictures_and_code_is_code(pages):
    text = (pages / "02_b.html").read_text(encoding="utf-8")
    assert text.count("data:image/svg+xml;base64,") == 2
    assert 'alt="s_k"' in text and r'alt="\frac{1}{N}"' in text and "<code>$x$</code>" in text


def test_links_lead_to_pages(pages):
    assert Addresses(pages / "01_a.html").links == [
        "index.html",
        "source/nms.py.html",
        "source/nn/fast/__init__.py.html",
        "../minissd/none.py",
        "02_b.html",
    ]
    assert "def" in (pages / "source" / "nms.py.html").read_text(encoding="utf-8")


def test_a_formula_that_cannot_be_typeset_stays_text():
    from minissd.lesson_pages import offline

    assert offline(r"so $\begin{cases}1\end{cases}$") == r"so `\begin{cases}1\end{cases}`"
    assert offline("$$\n\\begin{cases}\n1\n\\end{cases}$$").strip().startswith("```\n\\begin{cases}")
    assert offline("```\n$a$\n``` and costs") == "```\n$a$\n``` and costs"


# -- where the notebooks are -------------------------------------------------------------------------------


def test_an_installed_package_finds_them_above_itself_and_a_missing_folder_is_said(tmp_path):
    package = tmp_path / "env" / "lib" / "python3.12" / "site-packages" / "minissd"
    with pytest.raises(InputError, match="no notebooks beside"):
        lessons.notebooks_folder(package)
    shared = tmp_path / "env" / "share" / "minissd" / "notebooks"
    shared.mkdir(parents=True)
    (shared / "01_a.ipynb").write_text(notebook("# 1 · A"))
    assert lessons.notebooks_folder(package) == shared
    clone = package.parent / "notebooks"
    clone.mkdir(parents=True)
    (clone / "01_a.ipynb").write_text("")
    assert lessons.notebooks_folder(package) == clone


def test_the_notebooks_are_listed_for_the_wheel():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert tool["data-files"] == {
        lessons.SHARED.as_posix(): ["notebooks/*.ipynb"],
        (lessons.SHARED / "assignments").as_posix(): ["notebooks/assignments/*.ipynb"],
    }


def test_a_built_wheel_has_all_notebooks_and_finds_them(tmp_path):
    clone, wheels, prefix = tmp_path / "clone", tmp_path / "wheels", tmp_path / "prefix"
    clone.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    for name in ("minissd", "notebooks"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    built = subprocess.run(
        [*pip, "wheel", "-q", "--no-deps", "-w", wheels, clone], capture_output=True, text=True
    )
    if built.returncode and re.search(
        r"No module named pip|matching distribution|[Cc]onnection", built.stderr
    ):
        pytest.skip("needs pip, and a network to fetch setuptools")
    assert built.returncode == 0, built.stderr
    (wheel,) = wheels.glob("*.whl")
    install = [
        *pip,
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--ignore-installed",
        "--prefix",
        prefix,
        wheel,
    ]
    subprocess.run(install, check=True, capture_output=True)
    (package,) = prefix.rglob("minissd/lessons.py")
    answer = subprocess.run(
        [sys.executable, "-m", "minissd", "lessons", "--list"],
        env=os.environ | {"PYTHONPATH": str(package.parents[1])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line[:2] for line in answer.stdout.splitlines()] == [path.name[:2] for path in NOTEBOOKS]
    found = sorted(path.name for path in prefix.rglob("*.ipynb"))
    assignments = sorted(path.name for path in (ROOT / "notebooks" / "assignments").glob("*.ipynb"))
    assert found == [path.name for path in NOTEBOOKS] + assignments
    for pattern in ("*.py", "*.toml", "*.md", "*.cu", "*.cuh"):
        files = {path.relative_to(ROOT) for path in (ROOT / "minissd").rglob(pattern)}
        assert {path for path in files if not (package.parents[1] / path).is_file()} == set()
