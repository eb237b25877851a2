r"""Formulas as pictures, by matplotlib's own typesetter: for pages that are read without a network."""

from __future__ import annotations

import io
import re

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser

from minissd.viz.style import INK

# What matplotlib does not know, in words that it does.
SYNONYMS = {
    r"\lVert": r"\Vert",
    r"\rVert": r"\Vert",
    r"\lvert": r"\vert",
    r"\rvert": r"\vert",
    r"\tfrac": r"\frac",
    r"\textstyle": "",
}
SYNONYMS |= {r"\bigl": "", r"\bigr": "", r"\big": "", r"\Big": "", r"\le ": r"\leq ", r"\ge ": r"\geq "}
BARE = re.compile(r"(\\sqrt|\\frac(?:\{[^{}]*\})?) *(\w)")  # what stands without braces, as in \sqrt2


def formula_svg(tex, size=12.0):
    r"""Typeset a formula.

    Parameters
    ----------
    tex : str
        LaTeX without the dollar signs, of the part that matplotlib knows: no ``\begin{...}``.
    size : float
        Of its letters, in points.

    Returns
    -------
    svg : str
    depth : float
        How far it reaches below the line of the text, in points.

    Raises
    ------
    ValueError
        If matplotlib cannot typeset it.

    Examples
    --------
    >>> svg, depth = formula_svg(r"\frac{1}{N}")
    >>> svg.lstrip().startswith("<svg"), depth > 0
    (True, True)
    """
    for word, known in SYNONYMS.items():
        tex = tex.replace(word, known)
    for _ in range(2):  # numerator, then denominator
        tex = BARE.sub(r"\1{\2}", tex)
    text, font = f"${' '.join(tex.split())}$", FontProperties(size=size, math_fontfamily="cm")
    width, height, depth, *_ = MathTextParser("path").parse(text, dpi=72, prop=font)
    figure = Figure(figsize=(max(width, 1) / 72, max(height, 1) / 72))
    FigureCanvasAgg(figure)
    figure.text(0, depth / max(height, 1), text, fontproperties=font, color=INK)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "minissd"}):
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :], float(depth)  # without the head of a file
