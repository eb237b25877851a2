"""Notebooks run from top to bottom, print what they are kept with, and are kept in the form agreed on."""

import ast
import base64
import copy
import importlib.util
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

REPOSITORY = Path(__file__).parents[1]
FOLDER = REPOSITORY / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
MOST_BYTES, MOST_LINES = 300_000, 10
NEEDS = "needs the extra 'test': pip install -e '.[test]'"
MACHINE = re.compile(r"/(home|root|tmp|Users|usr|opt)/|[A-Z]:\\\\|site-packages|ipykernel_\d")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def maker():
    """The tool that makes the notebooks."""
    for module in ("nbformat", "nbclient", "ipykernel"):
        pytest.importorskip(module, reason=NEEDS)
    spec = importlib.util.spec_from_file_location("make_notebooks", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@each_notebook
def test_lesson_runs_and_prints_what_is_kept(path, maker):
    kept = maker.nbformat.read(path, as_version=4)
    assert maker.differences(kept, maker.make(kept, FOLDER)) == []


# --- the form of a notebook: needs nothing but the files ------------------------------------------------


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(path):
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def source(cell):
    return "".join(cell["source"])


def test_there_are_notebooks():
    assert NOTEBOOKS


@each_notebook
def test_is_small(path):
    assert path.stat().st_size < MOST_BYTES
    for cell in code_cells(path):
        assert len(source(cell).splitlines()) <= MOST_LINES, source(cell)


@each_notebook
def test_holds_nothing_that_changes_from_run_to_run(path):
    notebook = read(path)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert notebook["metadata"]["language_info"] == {"name": "python"}  # no version
    assert [cell["id"] for cell in notebook["cells"]] == [f"c{i:02d}" for i in range(len(notebook["cells"]))]
    assert all(set(cell["metadata"]) <= {"tags"} for cell in notebook["cells"])
    for cell in code_cells(path):
        for output in cell["outputs"]:
            assert not output.get("metadata")
            assert not any("widget" in kind for kind in output.get("data", {}))
            words = {kind: data for kind, data in output.get("data", {}).items() if "image" not in kind}
            assert not MACHINE.search(json.dumps([output.get("text"), words])), cell["id"]


@each_notebook
def test_was_run_from_top_to_bottom_without_a_complaint(path):
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert all(o["output_type"] != "error" and o.get("name") != "stderr" for o in cell["outputs"])
        shows = re.search(r"\bprint\(|^draw_", source(cell), re.MULTILINE) and "def " not in source(cell)
        assert cell["outputs"] or not shows, cell["id"]
        assert cell["outputs"] or "measured" not in cell["metadata"].get("tags", []), cell["id"]


@each_notebook
def test_says_what_it_is_about_and_ends_with_exercises_and_references(path):
    texts = [source(cell) for cell in read(path)["cells"] if cell["cell_type"] == "markdown"]
    for promise in ("# ", "What you will do", "What you will learn", "What you need"):
        assert promise in texts[0]
    assert "## Exercises" in texts[-1] and "## References" in texts[-1]


@pytest.fixture(scope="module")
def library():
    """The names of all functions of the library."""
    files = (REPOSITORY / "minissd").rglob("*.py")
    return set().union(*(functions(file.read_text(encoding="utf-8")) for file in files))


@each_notebook
def test_defines_no_function_of_the_library_again(path, library):
    again = library & functions("\n".join(source(cell) for cell in code_cells(path)))
    assert not again, f"already in minissd: {again}"


def functions(text):
    return {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}


# --- the tool -------------------------------------------------------------------------------------------


@pytest.fixture
def small(maker):
    """A notebook of three cells, as if executed: words, an ordinary cell, a measured one."""
    v4 = maker.nbformat.v4
    cells = [v4.new_markdown_cell("# A"), v4.new_code_cell("print(1 + 1)"), v4.new_code_cell("print(time())")]
    cells[1].outputs = [v4.new_output("stream", text="2\n")]
    cells[2].outputs = [v4.new_output("stream", text="17.3 s\n")]
    cells[2].metadata["tags"] = ["measured"]
    return maker.normalise(v4.new_notebook(cells=cells))


def test_other_measured_numbers_are_no_difference_but_other_results_are(maker, small):
    again = copy.deepcopy(small)
    again.cells[2].outputs[0].text = "18.1 s\n"
    assert maker.differences(small, again) == []
    again.cells[1].outputs[0].text = "3\n"
    assert maker.differences(small, again) == ["cell c01 printed ['3\\n'] and not ['2\\n']"]


def test_a_missing_picture_is_a_difference_and_another_one_is_not(maker, small):
    drawn, drawn_again = copy.deepcopy(small), copy.deepcopy(small)
    for notebook, png in ((drawn, "AAAA"), (drawn_again, "BBBB")):
        data = {"image/png": png, "text/plain": f"<Page {png}>"}
        notebook.cells[1].outputs = [maker.nbformat.v4.new_output("display_data", data)]
    assert maker.differences(drawn, drawn_again) == []
    assert maker.differences(drawn, small) != []


def test_a_new_cell_or_name_is_a_difference(maker, small):
    longer = copy.deepcopy(small)
    longer.cells.append(maker.nbformat.v4.new_markdown_cell("more"))
    assert maker.differences(small, longer) == ["the number of cells"]
    renamed = copy.deepcopy(small)
    renamed.cells[0].id = "random"
    assert maker.differences(renamed, small) == ["cell c00: its name was random"]


def test_measured_numbers_are_kept_until_the_code_changes(maker, small):
    again = copy.deepcopy(small)
    again.cells[2].outputs[0].text = "18.1 s\n"
    again.cells[0].source = "# Another title"
    maker.keep_measured(small, again)
    assert again.cells[2].outputs[0].text == "17.3 s\n"
    changed = copy.deepcopy(small)
    changed.cells[1].source, changed.cells[2].outputs[0].text = "print(2)", "18.1 s\n"
    maker.keep_measured(small, changed)
    assert changed.cells[2].outputs[0].text == "18.1 s\n"


def test_normalising_leaves_tags_and_outputs_and_takes_the_rest(maker, small):
    before = maker.nbformat.writes(small)
    messy = copy.deepcopy(small)
    messy.metadata["widgets"] = {"state": {}}
    messy.cells[1].metadata["execution"] = {"iopub.execute_input": "2026-01-01"}
    messy.cells[1].id = "d0c5b2"
    assert maker.nbformat.writes(maker.normalise(messy)) == before
    assert messy.cells[2].metadata == {"tags": ["measured"]}


def test_pictures_become_small(maker):
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((1600, 1000)).convert("RGB").save(buffer, "png")
    png = base64.b64encode(buffer.getvalue()).decode()
    picture = Image.open(io.BytesIO(base64.b64decode(maker.smaller(png))))
    assert picture.size == (maker.PICTURE_WIDTH, 500)
    assert len(picture.getcolors()) <= maker.PICTURE_COLORS
    assert maker.smaller(png) == maker.smaller(png)


def test_an_unknown_notebook_is_named(maker):
    with pytest.raises(SystemExit, match="no notebook '99_dragons'"):
        maker.find(["99_dragons"])


def test_written_whole_and_read_again(maker, small, tmp_path):
    maker.write(small, tmp_path / "a.ipynb")
    assert maker.nbformat.read(tmp_path / "a.ipynb", as_version=4) == small
    assert [path.name for path in tmp_path.iterdir()] == ["a.ipynb"]
