"""Draw the figures anew, or prove that the kept ones are what their scripts draw.

::

    python figures/make.py                       # all, except those that take minutes
    python figures/make.py architecture loss     # some
    python figures/make.py --all                 # the slow ones too
    python figures/make.py --check               # write nothing; fail where a picture would change

A figure is a script in this folder with a function ``draw()``, which takes nothing and returns a matplotlib
figure; its picture has the same name. A picture of lines and text is an SVG, one that holds images a PNG.
A script that trains says so in a constant ``TRAINS``: the last digits of its numbers depend on the processor,
so its picture is a PNG too. One that works for minutes says so in a constant ``SLOW``; it runs when it is
named or with ``--all``.

A check is strict where the same version of matplotlib drew the kept picture: an SVG must be the same text, a
PNG the same pixels up to rounding. Another version sets letters and softens edges in another way; then the
words and shapes of an SVG must agree, and nearly all of a PNG made small. So it is where a script trains.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import re
import sys
import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from minissd import viz
from minissd.files import written_whole

FOLDER = Path(__file__).parent
WIDTH = 800  # pixels of a PNG, as wide as README is shown
PIXEL_TOLERANCE = 8  # of 255: rounding may differ between processors
BLOCK, BLOCK_TOLERANCE, MOST_DIFFERENT = 8, 40, 0.02  # lenient: blocks of pixels, of 255, share of blocks
SHIFT, MOST_PIXELS = 2.0, 8  # another matplotlib may shift a shape (points), change a size (pixels)
VERSION = re.compile(rb"Matplotlib v(\d+\.\d+)[\w.]*")
NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")


def main(arguments=None, folder=FOLDER):
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="figures without suffix; all quick ones by default")
    parser.add_argument("--all", action="store_true", help="the slow ones too")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    scripts = find(folder)
    chosen = choose(scripts, options.names, options.all)
    faults = stray_pictures(folder, scripts) if options.check and not options.names else []
    for name, script in chosen.items():
        if not options.check:
            path = make(script, folder)
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
        elif fault := check(script, folder):
            faults.append(f"{name}: {fault}")
        else:
            print(f"{name}: as it is kept")
    for name in scripts.keys() - chosen.keys() if not options.names else ():
        print(f"{name}: left out: {scripts[name].SLOW} (name it, or --all)")
    print("".join(f"{fault}\n" for fault in faults), end="")
    return int(bool(faults))


def find(folder=FOLDER):
    """Return all modules of a folder that have a ``draw()``, by name."""
    scripts = {path.stem: load(path) for path in sorted(Path(folder).glob("*.py")) if path.stem != "make"}
    return {name: script for name, script in scripts.items() if hasattr(script, "draw")}


def load(path):
    """Import a script from its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def choose(scripts, names=(), slow=False):
    """Return the scripts that are asked for; end the program at an unknown name."""
    unknown = [name for name in names if name not in scripts]
    if unknown:
        sys.exit(f"no figure {unknown[0]!r} (there are: {', '.join(scripts)})")
    if names:
        return {name: scripts[name] for name in names}
    return {name: script for name, script in scripts.items() if slow or not hasattr(script, "SLOW")}


def make(script, folder):
    """Draw the figure of a script and write its picture, whole or not at all; returns the path."""
    figure = script.draw()
    path = Path(folder) / f"{script.__name__}{suffix_of(script, figure)}"
    if path.suffix == ".png":
        write_png(figure, path)
    else:
        viz.save(figure, path)
    return path


def suffix_of(script, figure):
    """The kind of picture: PNG for what holds images or was trained, SVG for the rest."""
    holds_images = any(ax.images for ax in figure.axes)
    return ".png" if holds_images or hasattr(script, "TRAINS") else ".svg"


def write_png(figure, path):
    """Write a figure, `WIDTH` pixels for a whole page; the file says which matplotlib drew it."""
    buffer, notes = io.BytesIO(), PngInfo()
    figure.savefig(buffer, format="png")
    notes.add_text("Software", f"Matplotlib v{matplotlib.__version__}")
    picture = Image.open(buffer).convert("RGB")
    scale = WIDTH / 8 / figure.dpi  # a page is 8 inches wide
    size = round(picture.width * scale), round(picture.height * scale)
    with written_whole(path) as temporary:
        picture.resize(size, Image.Resampling.LANCZOS).save(temporary, optimize=True, pnginfo=notes)


def check(script, folder):
    """Say what is wrong with the kept picture of a script; nothing where it is what the script draws."""
    with tempfile.TemporaryDirectory() as temporary:
        made = make(script, temporary)
        kept = Path(folder) / made.name
        if not kept.is_file():
            return f"{kept.name} is missing (python figures/make.py {script.__name__})"
        strict = version_of(kept) == version_of(made) and not hasattr(script, "TRAINS")
        same = same_pixels if made.suffix == ".png" else same_svg
        if not same(kept, made, strict):
            return f"{kept.name} is not what the script draws (python figures/make.py {script.__name__})"
    return ""


def stray_pictures(folder, scripts):
    """Name the pictures that no script draws, and those that lie beside one of another kind."""
    pictures = [path for path in sorted(Path(folder).iterdir()) if path.suffix in (".svg", ".png")]
    stems = [path.stem for path in pictures]
    stray = [path.name for path in pictures if path.stem not in scripts or stems.count(path.stem) > 1]
    lost = [f"{name}: its picture is missing" for name in scripts if name not in stems]
    return [f"{name}: no script draws it, or there are two of it" for name in stray] + lost


def version_of(path):
    """The version of matplotlib that wrote a picture, without the last number; None if it does not say."""
    found = VERSION.search(path.read_bytes()[:4000])
    return found and found[1]


def same_pixels(kept, made, strict=True):
    """Whether two PNG files show the same."""
    with Image.open(kept) as first, Image.open(made) as second:
        most = 0 if strict else MOST_PIXELS
        if max(abs(np.subtract(first.size, second.size))) > most:
            return False
        pictures = [first.convert("RGB"), second.convert("RGB").resize(first.size)]
    if not strict:
        pictures = [picture.reduce(BLOCK) for picture in pictures]
    first, second = (np.asarray(picture, dtype=int) for picture in pictures)
    difference = abs(first - second).max(axis=-1)  # (H, W)
    if strict:
        return bool(difference.max() <= PIXEL_TOLERANCE)
    return bool((difference > BLOCK_TOLERANCE).mean() <= MOST_DIFFERENT)


def same_svg(kept, made, strict=True):
    """Whether two SVG files show the same."""
    texts = [path.read_text(encoding="utf-8") for path in (kept, made)]
    if strict:
        first, second = (VERSION.sub(b"", text.encode()) for text in texts)
        return first == second
    (words, shapes), (other_words, other_shapes) = map(words_and_shapes, texts)
    return words == other_words and len(shapes) == len(other_shapes) and all(map(alike, shapes, other_shapes))


def words_and_shapes(svg):
    """The texts of an SVG file, which matplotlib notes in comments, and its paths without the letters."""
    words = re.findall(r"<!-- (.*?) -->", svg, re.DOTALL)
    drawn = re.sub(r"<defs>.*?</defs>", "", svg, flags=re.DOTALL)
    return words, re.findall(r'<path d="([^"]*)"', drawn)


def alike(path, other):
    """Whether two paths have the same commands, and numbers that are nearly the same."""
    numbers, others = (np.array(NUMBER.findall(text), dtype=float) for text in (path, other))
    same_commands = NUMBER.sub("", path).split() == NUMBER.sub("", other).split()
    return same_commands and bool((abs(numbers - others) <= SHIFT).all())


if __name__ == "__main__":
    sys.exit(main())
