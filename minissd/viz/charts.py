"""Plain charts for what has no picture of its own: how numbers are spread, and numbers over steps."""

from __future__ import annotations

from itertools import cycle

import numpy as np
from matplotlib.lines import Line2D

from minissd.errors import InputError
from minissd.viz.page import as_chart, as_logarithmic, new_page
from minissd.viz.style import CHART_COLORS, DASHES

FILL = 0.12  # opacity


def draw_histograms(groups, edges, xlabel="", title=""):
    """Draw how numbers are spread, one outline per group, as shares of the group.

    Parameters
    ----------
    groups : dict of str to array_like
        By name.
    edges : array_like, (B + 1,)
        Limits of the bins, growing and over 0; the axis is logarithmic and marks them. Numbers outside count
        for the shares but are not drawn.
    xlabel, title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there are no groups, or one is empty.
    """
    _require_some(groups)
    edges = np.asarray(edges, dtype=float)
    ax = _new_chart(groups, xlabel, "share in %", title)
    for name, style in zip(groups, _styles()):
        values = np.asarray(groups[name], dtype=float)
        share = 100 * np.histogram(values, edges)[0] / len(values)
        ax.stairs(share, edges, fill=True, color=style["color"], alpha=FILL, linewidth=0)
        ax.stairs(share, edges, **style, gid=f"share-{name}")
    as_logarithmic(ax, (edges[0], edges[-1]), edges)
    ax.set_ylim(bottom=0)
    return ax.figure


def draw_lines(lines, xlabel="step", ylabel="", logarithmic=False, title=""):
    """Draw series of numbers, each a line over its positions 0, 1, 2...

    Parameters
    ----------
    lines : dict of str to array_like
        By name. What is not finite leaves a gap.
    xlabel, ylabel, title : str
    logarithmic : bool
        Whether the vertical axis is.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there are no lines, or one is empty.
    """
    _require_some(lines)
    ax = _new_chart(lines, xlabel, ylabel, title)
    for name, style in zip(lines, _styles()):
        values = np.asarray(lines[name], dtype=float)
        ax.plot(np.where(np.isfinite(values), values, np.nan), **style, gid=f"line-{name}")
    ax.set_yscale("log" if logarithmic else "linear")
    ax.set_xlim(0, max(2, *(len(values) for values in lines.values())) - 1)
    return ax.figure


def _require_some(groups):
    if not groups:
        raise InputError("nothing to draw (give at least one series of numbers by its name)")
    for name, values in groups.items():
        if len(values) == 0:
            raise InputError(f"{name!r}: holds no numbers (leave it out)")


def _styles():
    """Colour and dashes of the first line, of the second...: the first six differ in both, 42 in one."""
    for color, dashes in zip(cycle(CHART_COLORS), cycle(DASHES)):
        yield {"color": color, "linestyle": dashes, "linewidth": 2.2}


def _new_chart(groups, xlabel, ylabel, title):
    legend = [Line2D([], [], label=name, **style) for name, style in zip(groups, _styles())]
    _, (ax,) = new_page(aspect=0.46, title=title, legend=legend)
    as_chart(ax, xlabel, ylabel)
    return ax
