"""Ratios of a benchmark as bars: to the right of the line at 1 ours is better, to the left the other."""

from __future__ import annotations

import textwrap

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from minissd.errors import InputError
from minissd.viz.page import GAP, MARGIN, as_chart, new_page, set_panel_title
from minissd.viz.style import CAPTION_SIZE, FAINT_INK, INK, TEXT_SIZE, palette

BAR_HEIGHT, FOOTER = 0.24, 0.95  # inches
HEADING = 1.3  # bars of space that a heading takes
LABEL_WIDTH = {1: 3.65, 2: 2.0}  # inches; short labels where there are several panels
TICKS = tuple(step * 10**power for power in range(-2, 4) for step in (1, 2, 5))
TICK_WIDTH = 0.32  # inches that a number of the axis needs
WORSE = "///"  # hatch of a bar to the left of the line: colour is never the only sign
TITLE = "Best peer / minissd: time, or memory"


def draw_ratios(rows, machine="", title=TITLE):
    """Draw the ratio of every row that has one.

    Parameters
    ----------
    rows : sequence of minissd.bench.row.Row
        Anything with ``group``, ``name``, ``place``, ``ratio`` and ``peer_name``.
    machine : str
        Where the numbers are from, set below the chart.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        A bar per row on a logarithmic axis, in a panel for each ``place[0]``, with headings; bars of one
        heading have one colour, each has its number.

    Raises
    ------
    InputError
        If no row has a ratio.
    """
    rows = [row for row in rows if row.ratio]
    if not rows:
        raise InputError("rows: none has a ratio (are the peers installed?)")
    panels = list(dict.fromkeys(_place(row)[0] for row in rows))
    places, headings, end = _lines(rows)
    figure, axes = _new_axes(panels, end, title)
    room = 16 if len(panels) == 1 else 2.5  # for the texts behind the bars
    limits = min([*(row.ratio for row in rows), 1]) / 1.2, max([*(row.ratio for row in rows), 2]) * room
    colors = dict(zip(headings, palette(len(headings))))
    for panel, ax in zip(panels, axes):
        _set_scale(ax, limits, end)
        for row in rows:
            if _place(row)[0] == panel:
                _draw_bar(ax, places[_place(row)[1:]], row, colors[_place(row)[1]], len(panels) == 1)
    _label(axes[0], places, headings, LABEL_WIDTH[min(len(panels), 2)])
    _add_footer(figure, machine)
    return figure


def _place(row):
    """Panel, heading and label of a row."""
    return row.place or ("", row.group, row.name)


def _lines(rows):
    """Height of every label and heading, counted in bars from the top, and of the end."""
    places, headings, y = {}, {}, 0.0
    for heading in dict.fromkeys(_place(row)[1] for row in rows):
        headings[heading] = y + 0.35
        y += HEADING
        for label in dict.fromkeys(_place(row)[2] for row in rows if _place(row)[1] == heading):
            places[heading, label] = y
            y += 1
    return places, headings, y


def _new_axes(panels, end, title):
    """The page and a chart per panel, side by side to the right of the labels."""
    height = BAR_HEIGHT * (end + 0.5) + FOOTER
    figure, (whole,) = new_page(
        1, 1, height / 7.76, title, panel_titles=len(panels) > 1, max_panel_height=height
    )
    box, (page_width, page_height) = whole.get_position(), figure.get_size_inches()
    whole.remove()
    first = box.x0 + LABEL_WIDTH[min(len(panels), 2)] / page_width
    width = (box.x1 - first - GAP / page_width * (len(panels) - 1)) / len(panels)
    axes = []
    for number, panel in enumerate(panels):
        left = first + number * (width + GAP / page_width)
        bottom = box.y0 + FOOTER / page_height
        axes.append(figure.add_axes((left, bottom, width, box.y1 - bottom)))
        as_chart(axes[-1], left=0, bottom=0, right=0)
        set_panel_title(axes[-1], panel)
    return figure, axes


def _set_scale(ax, limits, end):
    low, high = limits
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    if len(ticks) * TICK_WIDTH > ax.get_position().width * ax.figure.get_figwidth():
        ticks = [tick for tick in ticks if tick in TICKS[::3]]  # powers of ten
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_yticks([])
    ax.set_ylim(end, -0.5)
    ax.axvline(1, color=INK, linewidth=1.6, gid="one")


def _draw_bar(ax, y, row, color, with_name):
    hatch = WORSE if row.ratio < 1 else None
    style = {"color": color, "hatch": hatch, "edgecolor": INK, "linewidth": 0.5, "gid": "ratio"}
    ax.barh(y, row.ratio - 1, left=1, height=0.74, **style)
    number = f"{row.ratio:.2f}" if row.ratio < 10 else f"{row.ratio:.0f}"
    style = {"textcoords": "offset points", "va": "center", "fontsize": CAPTION_SIZE}
    text = ax.annotate(number, (max(row.ratio, 1), y), xytext=(4, 0), color=INK, **style)
    if with_name:
        style |= {"fontsize": CAPTION_SIZE - 2, "xycoords": text, "va": "bottom"}
        ax.annotate(f" {row.peer_name}", (1, 0), xytext=(2, 0), color=FAINT_INK, **style)


def _label(ax, places, headings, width):
    style = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points", "va": "center"}
    style |= {"color": INK, "annotation_clip": False, "parse_math": False}
    for (_, label), y in places.items():
        ax.annotate(label, (0, y), xytext=(-6, 0), ha="right", fontsize=CAPTION_SIZE - 1, **style)
    for heading, y in headings.items():
        offset = (-72 * width, 0)
        ax.annotate(heading, (0, y), xytext=offset, fontsize=CAPTION_SIZE, fontweight="bold", **style)


def _add_footer(figure, machine):
    width, height = figure.get_size_inches()
    explanation = "right of 1: minissd is better; hatched, left of 1: the other is better"
    figure.text(MARGIN / width, 0.52 / height, explanation, fontsize=TEXT_SIZE - 1, color=INK)
    text = textwrap.fill(machine, 125)
    style = {"fontsize": CAPTION_SIZE - 2, "color": FAINT_INK, "parse_math": False}
    figure.text(MARGIN / width, MARGIN / height, text, **style)
