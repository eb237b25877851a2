"""``minissd lessons``: the notebooks in JupyterLab, or as pages to read."""

from __future__ import annotations

import argparse
from pathlib import Path

from minissd.commands.arguments import add_command
from minissd.errors import InputError

DEFAULT_FOLDER = "minissd-lessons"
HINT = """\
JupyterLab opens in the browser, else at the address below. Ctrl-C in this terminal ends it.
Shift+Enter runs a cell. [*] beside it means that it is still running: the first time some cells take
up to a minute, because they compile the engine."""


def add(commands):
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "lessons",
        run,
        "open the lessons, which are notebooks, in JupyterLab, or write them as pages to read",
        "minissd lessons\n"
        "minissd lessons my-lessons --no-browser\n"
        "minissd lessons my-lessons --jupyter --port 9000\n"
        "minissd lessons --jupyter --allow-root\n"
        "minissd lessons --html pages\n"
        "minissd lessons --list",
        compiles=False,
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        metavar="DIR",
        help=f"folder for your copy of the notebooks (default: {DEFAULT_FOLDER}); what is there is kept, "
        "what you delete is copied anew",
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "--html", type=Path, metavar="OUT", help="write the lessons as pages into this folder"
    )
    parser.add_argument(
        "--jupyter",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="...",
        help="the rest is for JupyterLab, as --allow-root, which it wants from root, in a container",
    )
    parser.add_argument("--list", action="store_true", help="print the titles")


def run(options):
    """List the lessons, write them as pages, or open them."""
    from minissd.lessons import find_lessons

    ways = options.list, options.html, options.folder or options.no_browser or options.jupyter
    if sum(map(bool, ways)) > 1:
        raise InputError("--list, --html: give them alone (they open nothing)")
    if options.list:
        for lesson in find_lessons():
            print(f"{lesson.number}  {lesson.title}")
    elif options.html:
        from minissd.lesson_pages import write_lesson_pages

        print(f"-> {write_lesson_pages(options.html)}")
    else:
        own = ["--no-browser"] if options.no_browser else []
        _open(options.folder or Path(DEFAULT_FOLDER), [*own, *options.jupyter])


def _open(folder, arguments):
    """Copy what is missing, say so, and start JupyterLab there, the first time with the first lesson."""
    from importlib.util import find_spec

    from minissd.lesson_pages import missing
    from minissd.lessons import copy_lessons

    if find_spec("jupyterlab") is None:
        raise missing("jupyterlab")
    copied, kept = copy_lessons(folder)
    print(f"{folder}: lessons copied: {len(copied)}, kept as you left them: {len(kept)}")
    print(HINT, flush=True)
    first = [] if kept else [f"--LabApp.default_url=/lab/tree/{copied[0]}"]
    start_jupyter([str(folder), *first, *arguments])


def start_jupyter(arguments):
    """Run JupyterLab until it ends; Ctrl-C is its own, it asks back."""
    import subprocess
    import sys

    process = subprocess.Popen([sys.executable, "-m", "jupyterlab", *arguments])
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            continue
    if code:
        raise SystemExit(code)
