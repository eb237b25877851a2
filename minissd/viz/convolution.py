"""What makes a convolution fast: the order of numbers in memory, a tile in registers, and what each gains."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from minissd.errors import InputError
from minissd.viz.page import as_chart, new_page, set_panel_title
from minissd.viz.style import CAPTION_SIZE, INK, PAPER, TEXT_SIZE, contrast_color, palette

GRID = "#8A8A8A"
LEFT, RIGHT = "#E69F00", "#56B4E9"  # the two factors of a product
BAR, ROOF = "#0072B2", "#D55E00"
BOX, LINE = 0.42, 0.4  # inches: height of a number in memory, of a bar with its distance


def draw_layouts(channels=4, height=2, width=3, place=1):
    """Draw a small map in memory twice: one channel after the other, and with the channels last.

    Parameters
    ----------
    channels, height, width : int
        Of the map. Places are numbered row by row.
    place : int
        The place whose channels are framed.

    Returns
    -------
    matplotlib.figure.Figure
        Two strips of memory. A box is a number: its text is the place, its colour the channel.

    Raises
    ------
    InputError
        If the map has no such place.
    """
    places = height * width
    if not 0 <= place < places:
        raise InputError(f"place: {place} (the map has the places 0 to {places - 1})")
    colors = palette(channels)
    legend = [Patch(facecolor=colors[c], edgecolor=GRID, label=f"channel {c}") for c in range(channels)]
    legend.append(Patch(facecolor=PAPER, edgecolor=INK, linewidth=3, label=f"all of place {place}"))
    title = f"One map of {channels} channels and {height}×{width} places in memory, from left to right"
    figure, (whole,) = new_page(1, 1, 1 / 4, title, legend)
    axes = _strips(figure, whole, 2)
    numbers = np.arange(channels * places).reshape(channels, places)  # channel by channel
    orders = {"(C, H, W), channel after channel": numbers, "channels last": numbers.T}
    for (name, order), ax in zip(orders.items(), axes):
        set_panel_title(ax, name)
        _draw_strip(ax, order.reshape(-1), places, colors, place)
    return figure


def _strips(figure, whole, count):
    """Panels below one another, each as high as a box, in place of one large panel."""
    box, height = whole.get_position(), figure.get_figheight()
    whole.remove()
    step = box.height / count
    tops = [box.y1 - number * step - 0.35 / height for number in range(count)]
    return [figure.add_axes((box.x0, top - BOX / height, box.width, BOX / height)) for top in tops]


def _draw_strip(ax, order, places, colors, place):
    """Boxes in the order of memory, and a frame around every run of them that belongs to the place."""
    for x, number in enumerate(order):
        color = colors[number // places]
        box = Rectangle((x, 0), 1, 1, facecolor=color, edgecolor=GRID, linewidth=0.7)
        ax.add_patch(box).set_gid("number")
        style = {"ha": "center", "va": "center", "fontsize": TEXT_SIZE, "color": contrast_color(color)}
        ax.text(x + 0.5, 0.53, str(number % places), **style)
    here = np.flatnonzero(order % places == place)
    for run in np.split(here, np.flatnonzero(np.diff(here) > 1) + 1):
        frame = Rectangle((run[0], 0), len(run), 1, fill=False, edgecolor=INK, linewidth=3, zorder=3)
        ax.add_patch(frame).set_gid("place")
    ax.set_xlim(-0.06, len(order) + 0.06)
    ax.set_ylim(1.06, -0.06)
    ax.set_axis_off()


def draw_register_tile(rows=14, vectors=2, lanes=16):
    """Draw one step of a matrix product whose result stays in registers.

    Parameters
    ----------
    rows, vectors : int
        Of the tile: `vectors` registers in each row.
    lanes : int
        Numbers in a register.

    Returns
    -------
    matplotlib.figure.Figure
        The tile; at its left the numbers of the left matrix that one step reads, above it those of the right.
    """
    columns = vectors * lanes
    legend = [
        Patch(facecolor=LEFT, edgecolor=GRID, label=f"{rows} numbers of a column of the left matrix"),
        Patch(
            facecolor=RIGHT, edgecolor=GRID, label=f"{vectors} vectors of {lanes}, a row of the right matrix"
        ),
        Patch(facecolor=PAPER, edgecolor=INK, label=f"{rows * vectors} sums that stay in registers"),
    ]
    title = (
        f"One step reads {rows} + {columns} numbers and adds {rows} × {columns} = {rows * columns} products"
    )
    aspect = (rows + 2.4) / (columns + 2.4)
    figure, (ax,) = new_page(1, 1, aspect, title, legend)
    for row in range(rows):
        _box(ax, 0, row + 2, 1.4, LEFT, f"$a_{{{row}}}$", "left")
        for vector in range(vectors):
            text = f"sum {row * vectors + vector}  +=  $a_{{{row}}}\\, b_{{{vector}}}$"
            _box(ax, 2 + vector * lanes, row + 2, lanes, PAPER, text, "sum")
    for vector in range(vectors):
        _box(ax, 2 + vector * lanes, 0, lanes, RIGHT, f"$b_{{{vector}}}$", "right")
    for lane in range(columns):  # the numbers of the vectors
        if lane % lanes:
            ax.plot([lane + 2] * 2, (0, 0.2), color=INK, linewidth=0.6, zorder=2)
    ax.set_xlim(-0.2, columns + 2.2)
    ax.set_ylim(rows + 2.2, -0.2)
    ax.set_axis_off()
    return figure


def _box(ax, x, y, width, color, text, gid):
    ax.add_patch(Rectangle((x, y), width, 1, facecolor=color, edgecolor=GRID, linewidth=0.8)).set_gid(gid)
    style = {"ha": "center", "va": "center", "fontsize": CAPTION_SIZE + 1, "zorder": 3}
    ax.text(x + width / 2, y + 0.52, text, color=contrast_color(color), **style)


def draw_rates(rates, peak, title="Each step, and what it gains"):
    """Draw how fast each step of a development is, on a logarithmic axis.

    Parameters
    ----------
    rates : dict of str to float
        GFLOP/s by name, in order. The gain of a step is how many times it is as fast as the step above it.
    peak : float
        GFLOP/s of the machine's matrix product, drawn as a line.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is no rate, or one is not above 0.
    """
    if not rates or min(*rates.values(), peak) <= 0:
        raise InputError("rates, peak: GFLOP/s must be above 0, and one step there must be")
    figure, (ax,) = new_page(1, 1, (LINE * len(rates) + 1.3) / 7.76, title)
    as_chart(ax, "GFLOP/s, counted as the seven loops would need them", left=2.3, bottom=0.5, right=1.75)
    values = np.array(list(rates.values()))
    low = 10 ** np.floor(np.log10(values.min() / 2))
    ax.set_xscale("log")
    ax.set_xlim(low, max(values.max(), peak) * 1.5)
    ax.set_ylim(len(rates) - 0.4, -1.3)
    ax.barh(range(len(rates)), values - low, left=low, height=0.62, color=BAR, gid="rate")
    ax.axvline(peak, color=ROOF, linewidth=2, linestyle=(0, (5, 1.5)), gid="peak")
    style = {"textcoords": "offset points", "va": "center", "fontsize": CAPTION_SIZE}
    text = f"this machine's matrix product: {peak:.3g}"
    ax.annotate(text, (peak, -0.85), xytext=(-6, 0), ha="right", color=ROOF, **style)
    ax.set_yticks(range(len(rates)), list(rates))
    ax.tick_params(axis="y", length=0, labelsize=TEXT_SIZE - 0.5, labelcolor=INK)
    ax.grid(False, axis="y")
    ax.xaxis.set_major_locator(LogLocator(10, numticks=20))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    gains = ["", *(f"×{two_digits(gain)}" for gain in values[1:] / values[:-1])]
    _write_column(ax, 60, "GFLOP/s", [two_digits(value) for value in values])
    _write_column(ax, 118, "gain", gains)
    return figure


def _write_column(ax, right, heading, texts):
    """Write texts behind the bars, flush right at so many points from the chart."""
    style = {
        "xycoords": ax.get_yaxis_transform(),
        "textcoords": "offset points",
        "ha": "right",
        "va": "center",
    }
    style |= {"fontsize": TEXT_SIZE - 0.5, "color": INK, "annotation_clip": False}
    ax.annotate(heading, (1, -0.85), xytext=(right, 0), fontweight="bold", **style)
    for y, text in enumerate(texts):
        ax.annotate(text, (1, y), xytext=(right, 0), **style)


def two_digits(value):
    """Write a number above 0 with the two digits that a measurement is good for.

    Examples
    --------
    >>> two_digits(1889.4), two_digits(68.6), two_digits(2.04), two_digits(0.00091)
    ('1900', '69', '2.0', '0.00091')
    """
    digits = 1 - int(np.floor(np.log10(float(f"{value:.1e}"))))
    return f"{round(value, digits):.{max(digits, 0)}f}"
