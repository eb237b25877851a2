"""The lessons as plain pages that need no network: no script, no font, no style from elsewhere."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path

from tqdm import tqdm

from minissd.errors import input_error
from minissd.lessons import PACKAGE, SOURCES, find_lessons, linked_sources, redirect
from minissd.page import write_document

MATH = re.compile(r"(?P<code>```.*?```|`[^`]*`)|\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$]+?)\$", re.DOTALL)
LESSON_LINK = re.compile(r"\]\((\d\d_\w+)\.ipynb")
BACK = '<p><a href="index.html">Lessons</a></p>\n'
NO_WORDS = 'alt="No description has been provided for this image"'  # what nbconvert says of every picture
SIZE = 12.5  # of formulas, in points
STYLE = """\
  pre { overflow-x: auto; padding: .6rem .8rem; line-height: 1.4; font-size: .88rem; }
  .input_area pre, .source pre { background: #f5f5f2; border-left: 3px solid #bbb; }
  .output_area pre { background: none; padding-left: 1.1rem; color: #333; }
  .prompt { display: none; } .display { display: block; margin: 1rem auto; }
"""
INTRO = (
    "Lessons on SSD, the Single Shot MultiBox Detector, in NumPy and Numba. These pages are for reading; "
    "to run and change the code, open the notebooks with <code>minissd lessons</code>."
)


def write_lesson_pages(folder):
    """Write all lessons as pages, the sources that they link to, and a page that lists them.

    Parameters
    ----------
    folder : str or Path
        Created if needed.

    Returns
    -------
    Path
        The list, ``index.html``, written last.

    Raises
    ------
    InputError
        If nbconvert is not installed, or the folder cannot be written.
    """
    exporter, folder, lessons = _exporter(), Path(folder), find_lessons()
    for lesson in tqdm(lessons, desc="lessons", disable=None, leave=False):
        write_lesson_page(exporter, lesson, folder / f"{lesson.path.stem}.html")
    contents = "\n".join(map(_entry, lessons))
    body = f"<h1>Lessons</h1>\n<p>{INTRO}</p>\n<ol>\n{contents}\n</ol>"
    write_document(folder / "index.html", "minissd: lessons", body)
    return folder / "index.html"


def _entry(lesson):
    """A line of the list, with the lesson's own number."""
    link = f'<a href="{lesson.path.stem}.html">{html.escape(lesson.title)}</a>'
    return f'<li value="{int(lesson.number)}">{link}</li>'


def write_lesson_page(exporter, lesson, path):
    """Write one lesson, and the sources that it links to."""
    import nbformat

    notebook = nbformat.read(lesson.path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for name in linked_sources(cell.source):
                write_source_page(name, path.parent / SOURCES / f"{name}.html")
            cell.source = offline(cell.source)
    body, _ = exporter.from_notebook_node(notebook)
    body = BACK + body.replace(NO_WORDS, 'alt="Output of the cell above"')
    write_document(path, f"{lesson.number} · {lesson.title}", body, _style())


def write_source_page(name, path):
    """Write a file of the package as a page with coloured code."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer, TextLexer

    lexer = PythonLexer() if name.endswith(".py") else TextLexer()
    code = highlight((PACKAGE / name).read_text(encoding="utf-8"), lexer, HtmlFormatter())
    write_document(
        path, name, f'<h1>minissd/{html.escape(name)}</h1>\n<div class="source">{code}</div>', _style()
    )


def offline(markdown):
    r"""Make the text of a lesson fit for a page: formulas become pictures, links lead to other pages.

    Examples
    --------
    >>> offline("next: [matching](03_matching.ipynb), see `$PATH`")
    'next: [matching](03_matching.html), see `$PATH`'
    """
    markdown = LESSON_LINK.sub(r"](\1.html", redirect(markdown, lambda name: f"{name}.html"))
    return MATH.sub(_as_picture, markdown)


def _as_picture(found):
    """A formula as an image; as its text, where matplotlib cannot typeset it. Code stays as it is."""
    from minissd.viz.formula import formula_svg

    if found["code"]:
        return found[0]
    tex = (found["display"] or found["inline"]).strip()
    try:
        svg, depth = formula_svg(tex, SIZE)
    except ValueError:
        return f"\n\n```\n{tex}\n```\n\n" if found["display"] else f"`{tex}`"
    place = ' class="display"' if found["display"] else f' style="vertical-align: {-depth:.1f}pt"'
    data = base64.b64encode(svg.encode()).decode()
    return f'<img{place} alt="{html.escape(tex)}" src="data:image/svg+xml;base64,{data}">'


def _exporter():
    """nbconvert's plainest exporter of HTML."""
    try:
        from nbconvert import HTMLExporter
    except ImportError as error:
        raise missing("nbconvert") from error
    exporter = HTMLExporter(template_name="basic", exclude_anchor_links=True)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    return exporter


def missing(package):
    """The `InputError` for a package that only the lessons need."""
    return input_error("lessons", f"{package} is not installed", "pip install 'minissd[notebooks]'")


def _style():
    from pygments.formatters import HtmlFormatter

    return STYLE + HtmlFormatter().get_style_defs(".highlight") + "\n"
