"""A plain page of pictures and tables: one file of HTML beside the pictures it shows."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from minissd.files import written_whole

DOCUMENT = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
  body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff;
         font: 1.05rem/1.55 system-ui, sans-serif; }
  h1 { line-height: 1.2; } h2 { margin: 3rem 0 .3rem; font-size: 1.25rem; }
  p { margin: .3rem 0 1rem; } img { max-width: 100%; height: auto; }
  nav ol { columns: 2; padding-left: 1.4rem; } a { color: #0062a3; } code { font-size: .95em; }
  .wide { overflow-x: auto; margin: 1rem 0; } table { border-collapse: collapse; font-size: .95rem; }
  th, td { padding: .25rem 1.2rem .25rem 0; border-bottom: 1px solid #ddd; text-align: left; }
  @media (max-width: 36rem) { nav ol { columns: 1; } }
$style</style>
</head>
<body>
$body
</body>
</html>
""")

BODY = Template("""\
<h1>$title</h1>
<p>$intro</p>
<nav><ol>
$contents
</ol></nav>
$sections""")

SECTION = Template("""\
<section id="$name">
<h2>$number. $title</h2>
$parts
</section>""")


@dataclass(frozen=True)
class Picture:
    """A picture with a sentence above it.

    Attributes
    ----------
    file : str
        Name of the file, in the folder of the page.
    sentence, alt : str
        Plain text; `alt` says what is to be seen to those who do not see it.
    """

    file: str
    sentence: str
    alt: str

    def as_html(self):
        """The picture as HTML."""
        image = f'<img src="{html.escape(self.file)}" alt="{html.escape(self.alt)}">'
        return f"<p>{html.escape(self.sentence)}</p>\n{image}"


@dataclass(frozen=True)
class Table:
    """A table with a sentence above it.

    Attributes
    ----------
    sentence : str
    columns : sequence of str
        Their titles.
    rows : sequence of sequence of str
        The first entry of a row is its title.
    """

    sentence: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def as_html(self):
        """The table as HTML; on a narrow screen it can be pushed sideways."""
        rows = [[_title("col", text) for text in self.columns]]
        rows += [[_title("row", first), *map(_entry, others)] for first, *others in self.rows]
        lines = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
        return f'<p>{html.escape(self.sentence)}</p>\n<div class="wide"><table>\n{lines}\n</table></div>'


def _title(scope, text):
    return f'<th scope="{scope}">{html.escape(text)}</th>'


def _entry(text):
    return f"<td>{html.escape(text)}</td>"


@dataclass(frozen=True)
class Section:
    """A picture with its title and what it says, and what follows from it.

    Attributes
    ----------
    picture : str
        File name of the picture, in the folder of the page.
    title, sentence : str
        Plain text.
    alt : str
        What the picture shows, for those who do not see it; by default the title.
    more : sequence of Picture and Table
        Shown below the picture.
    """

    picture: str
    title: str
    sentence: str
    alt: str = ""
    more: Sequence[Picture | Table] = ()

    def as_html(self, number):
        """The section as HTML."""
        first = Picture(self.picture, self.sentence, self.alt or self.title)
        parts = "\n".join(part.as_html() for part in (first, *self.more))
        return SECTION.substitute(name=_name(self), number=number, title=html.escape(self.title), parts=parts)


def write_page(path, title, intro, sections):
    """Write a page that shows pictures in order.

    Parameters
    ----------
    path : str or Path
        The HTML file; the pictures are beside it.
    title, intro : str
        Plain text.
    sections : sequence of Section
    """
    contents = [f'<li><a href="#{_name(s)}">{html.escape(s.title)}</a></li>' for s in sections]
    body = BODY.substitute(
        title=html.escape(title),
        intro=html.escape(intro),
        contents="\n".join(contents),
        sections="\n".join(section.as_html(number) for number, section in enumerate(sections, start=1)),
    )
    write_document(path, title, body)


def write_document(path, title, body, style=""):
    """Write a page in the plain style, with any content.

    Parameters
    ----------
    path : str or Path
        The HTML file, written whole or not at all.
    title : str
        Plain text, for the window.
    body : str
        HTML.
    style : str
        Lines of CSS beside those of all pages.
    """
    page = DOCUMENT.substitute(title=html.escape(title), body=body, style=style)
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _name(section):
    return html.escape(Path(section.picture).stem)
