"""Execute the notebooks and bring them into the form in which they are kept.

::

    python notebooks/make.py                          # all of them, in place
    python notebooks/make.py 12_fast_convolution      # some
    python notebooks/make.py --check                  # write nothing; fail where an output has changed
    python notebooks/make.py --measure                # also take the measured numbers anew

A kept notebook holds nothing that differs from one run to the next: no times, no random names of cells, no
state of widgets. Pictures are made small. Cells with the tag ``measured`` print what depends on the machine
and on the moment. What they printed is kept as long as no code of the notebook changes, so that all measured
numbers of a notebook come from one run; `--check` runs these cells and does not compare them.

Needs the extra ``notebooks``: ``pip install -e '.[notebooks]'``.
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

from minissd.files import written_whole

FOLDER = Path(__file__).parent
TIMEOUT = 120  # seconds for a cell; without one a lost message would stop everything for good
MEASURED = "measured"
PICTURE_WIDTH, PICTURE_COLORS = 800, 128
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"


def main(arguments=None):
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="notebooks without .ipynb; all by default")
    parser.add_argument("--check", action="store_true", help="execute and compare, write nothing")
    parser.add_argument("--measure", action="store_true", help="keep no measured number")
    options = parser.parse_args(arguments)
    failed = False
    for path in find(options.names):
        kept = nbformat.read(path, as_version=4)
        made = make(kept, path.parent)
        if options.check:
            changes = differences(kept, made)
            print(f"{path.stem}: {'; '.join(changes) or 'as it is kept'}")
            failed = failed or bool(changes)
            continue
        if not options.measure:
            keep_measured(kept, made)
        write(made, path)
        print(f"{path.stem}: {path.stat().st_size / 1000:.0f} kB")
    return int(failed)


def find(names=()):
    """Return the paths of some notebooks, or of all."""
    paths = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
    unknown = [name for name in names if name not in paths]
    if unknown:
        sys.exit(f"no notebook {unknown[0]!r} (there are: {', '.join(paths)})")
    return [paths[name] for name in names or paths]


def make(notebook, folder):
    """Execute a copy of a notebook in a folder and normalise it."""
    made = nbformat.from_dict(notebook)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        made,
        timeout=TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # what a cell prints is one text, however the kernel sent it
        resources=resources,
    )
    client.execute()
    return normalise(made)


def normalise(notebook):
    """Take away all that changes from run to run; returns the notebook, which is changed in place."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat_minor = 5  # the first with names of cells
    for number, cell in enumerate(notebook.cells):
        cell.id = f"c{number:02d}"
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": list(tags)} if tags else {})
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = smaller(output.data["image/png"])
    return notebook


def smaller(png):
    """Make a picture, base64 text, at most `PICTURE_WIDTH` wide and reduce its colours."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    if picture.width > PICTURE_WIDTH:
        size = PICTURE_WIDTH, round(picture.height * PICTURE_WIDTH / picture.width)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    few = picture.quantize(PICTURE_COLORS, dither=Image.Dither.NONE, kmeans=1)  # else rare colours are lost
    few.save(buffer, "png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii") + "\n"


def is_measured(cell):
    """Whether the outputs of a cell depend on the machine or on the moment."""
    return MEASURED in cell.metadata.get("tags", [])


def keep_measured(kept, made):
    """Put the measured outputs of the kept notebook into the new one, if both have the same code."""
    if _code(kept) != _code(made):
        return
    for old, new in zip(_code_cells(kept), _code_cells(made)):
        if is_measured(new) and old.outputs:
            new.outputs = old.outputs


def differences(kept, made):
    """Say in which cells a new run differs from what is kept; an empty list where nothing does.

    The text of outputs is compared, except that of measured cells. Of pictures it is only compared that they
    are there: their bytes change with the version of matplotlib.
    """
    if len(kept.cells) != len(made.cells):
        return ["the number of cells"]
    found = []
    for old, new in zip(kept.cells, made.cells):
        if old.id != new.id:
            found.append(f"cell {new.id}: its name was {old.id}")
        elif old.source != new.source:
            found.append(f"cell {new.id}: its source")
        elif new.cell_type == "code" and not is_measured(new) and _texts(old) != _texts(new):
            found.append(f"cell {new.id} printed {_texts(new)} and not {_texts(old)}")
    return found


def write(notebook, path):
    """Write a notebook, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def _code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _code(notebook):
    return [cell.source for cell in _code_cells(notebook)]


def _texts(cell):
    """What a cell printed and returned; a picture counts by its kind."""
    texts = []
    for output in cell.outputs:
        data = output.get("data", {})
        pictures = [kind for kind in sorted(data) if kind.startswith("image/")]
        texts += pictures or [output.get("text") or data.get("text/plain") or output.output_type]
    return texts


if __name__ == "__main__":
    sys.exit(main())
