"""A plain page of pictures: one file of HTML beside the pictures it shows."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from string import Template

from minissd.files import written_whole

PAGE = Template("""\
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
</style>
</head>
<body>
<h1>$title</h1>
<p>$intro</p>
<nav><ol>
$contents
</ol></nav>
$sections
</body>
</html>
""")

SECTION = Template("""\
<section id="$name">
<h2>$number. $title</h2>
<p>$sentence</p>
<img src="$picture" alt="$title">
</section>""")


@dataclass(frozen=True)
class Section:
    """One picture with its title and what it says.

    Attributes
    ----------
    picture : str
        File name of the picture, in the folder of the page.
    title, sentence : str
        Plain text.
    """

    picture: str
    title: str
    sentence: str


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
    parts = [
        SECTION.substitute(
            name=_name(section),
            number=number,
            title=html.escape(section.title),
            sentence=html.escape(section.sentence),
            picture=html.escape(section.picture),
        )
        for number, section in enumerate(sections, start=1)
    ]
    page = PAGE.substitute(
        title=html.escape(title),
        intro=html.escape(intro),
        contents="\n".join(contents),
        sections="\n".join(parts),
    )
    with written_whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _name(section):
    return html.escape(Path(section.picture).stem)
