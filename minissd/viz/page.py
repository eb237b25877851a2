"""The page a picture is drawn on: a figure with a grid of panels, a title above and a legend below.

Only `matplotlib.figure.Figure` is used, never pyplot: no window, no global list of figures, and two
threads can draw at the same time.
"""

from __future__ import annotations

import io
import textwrap

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import NullFormatter, ScalarFormatter

from minissd.viz.style import CAPTION_SIZE, FAINT_INK, INK, PAPER, TEXT_SIZE, TITLE_SIZE

WIDTH, MIN_WIDTH = 8.0, 4.5  # inches
DPI = 150
MARGIN, GAP = 0.12, 0.14
TITLE_HEIGHT, PANEL_TITLE_HEIGHT = 0.28, 0.27


class Page(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_png_(self):
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()


def new_page(rows=1, columns=1, aspect=1.0, title="", legend=(), panel_titles=False, max_panel_height=6.0):
    """Make a figure with a grid of equal panels.

    Parameters
    ----------
    rows, columns : int
    aspect : float
        Height of a panel over its width; taken into [1/4, 3].
    title : str
        One or two lines above the panels; wrapped.
    legend : sequence of matplotlib artists
        Handles with labels, set below the panels in as many columns as fit.
    panel_titles : bool
        Leave room for a title over every panel.
    max_panel_height : float
        In inches; higher panels make the page narrower.

    Returns
    -------
    figure : Page
    axes : list of Axes
        Row by row, ``rows * columns`` of them.
    """
    aspect = min(max(aspect, 1 / 4), 3.0)
    panel_width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    panel_width = min(panel_width, max_panel_height / aspect)
    panel_height = panel_width * aspect
    width = max(2 * MARGIN + columns * panel_width + (columns - 1) * GAP, MIN_WIDTH)
    figure = Page(figsize=(width, 1), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)

    title_lines = textwrap.wrap(title, int(width * 9.4))
    footer = _add_legend(figure, legend)
    header = MARGIN + TITLE_HEIGHT * len(title_lines)
    row_height = panel_height + (PANEL_TITLE_HEIGHT if panel_titles else 0)
    height = header + rows * row_height + (rows - 1) * GAP + footer + MARGIN
    figure.set_size_inches(width, height)
    if figure.legends:
        figure.legends[0].set_bbox_to_anchor((MARGIN / width, MARGIN / height))
    figure.text(MARGIN / width, 1 - MARGIN / height, "\n".join(title_lines), va="top", **title_font())

    axes = []
    for row in range(rows):
        bottom = height - header - (row + 1) * row_height - row * GAP
        for column in range(columns):
            left = MARGIN + column * (panel_width + GAP)
            position = (left / width, bottom / height, panel_width / width, panel_height / height)
            axes.append(figure.add_axes(position))
    return figure, axes


def _add_legend(figure, handles):
    """Add the legend in as many columns as fit; return the height it needs, in inches."""
    if not handles:
        return 0.0
    renderer = figure.canvas.get_renderer()
    for columns in range(min(len(handles), 6), 0, -1):
        legend = figure.legend(
            handles=list(handles),
            loc="lower left",
            ncols=columns,
            frameon=False,
            fontsize=TEXT_SIZE - 0.5,
            labelcolor=INK,
            handlelength=2.6,
            borderpad=0,
            borderaxespad=0,
            columnspacing=1.6,
        )
        box = legend.get_window_extent(renderer)
        if columns == 1 or box.width / figure.dpi <= figure.get_figwidth() - 2 * MARGIN:
            return box.height / figure.dpi + GAP
        legend.remove()
    return 0.0


def title_font():
    """Text properties of a page's title."""
    return {"fontsize": TITLE_SIZE, "fontweight": "bold", "color": INK, "parse_math": False}


def set_panel_title(ax, text, color=INK):
    """Write a line over a panel, at its left edge."""
    ax.set_title(text, loc="left", fontsize=TEXT_SIZE, color=color, pad=4, parse_math=False)


def as_chart(ax, xlabel="", ylabel="", left=0.62, bottom=0.5, right=0.12):
    """Turn a panel into a plain chart: leave room for its axes (in inches), draw two spines and a grid."""
    width, height = ax.figure.get_size_inches()
    box = ax.get_position()
    ax.set_position(
        (
            box.x0 + left / width,
            box.y0 + bottom / height,
            box.width - (left + right) / width,
            box.height - bottom / height,
        )
    )
    ax.set_facecolor(PAPER)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(FAINT_INK)
    ax.tick_params(labelsize=CAPTION_SIZE, colors=FAINT_INK, which="both")
    ax.grid(True, color="#E3E3E3", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_xlabel(xlabel, fontsize=TEXT_SIZE, color=INK)
    ax.set_ylabel(ylabel, fontsize=TEXT_SIZE, color=INK)


def as_logarithmic(ax, limits, ticks):
    """Make the horizontal axis of a chart logarithmic, with plain numbers at these ticks and no others."""
    ax.set(xscale="log", xlim=limits, xticks=ticks)
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(axis="x", which="minor", length=0)


def line_scale(ax):
    """Return the factor for the width of lines: 1 on a panel as wide as a page, less on small ones."""
    inches = ax.get_position().width * ax.figure.get_figwidth()
    return min(max((inches / 6) ** 0.5, 0.55), 1.0)


def text_font(size):
    """The font of captions: the one that comes with matplotlib, so pictures are the same everywhere."""
    return FontProperties(family="DejaVu Sans", size=size)
