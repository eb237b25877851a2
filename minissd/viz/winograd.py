"""Winograd's algorithm F(4x4, 3x3): its tiles on a map, and the matrices of its transforms."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.patches import Patch, Rectangle

from minissd.errors import InputError
from minissd.viz.page import new_page, set_panel_title
from minissd.viz.style import CAPTION_SIZE, INK, PAPER, TEXT_SIZE, contrast_color

OUTPUT_SIDE, INPUT_SIDE = 4, 6  # of a tile
FIRST, SECOND, GRID, OUTSIDE = "#0072B2", "#D55E00", "#C8C8C8", "#EFEFEF"
SHARED = "xxx"  # hatch of what two neighbours read: colour is never the only sign
SIGNS = colormaps["PuOr_r"]  # orange is positive, purple negative
CELL = 0.45  # inches, of a matrix


def draw_winograd_tiles(side=10, padding=1):
    """Draw how Winograd's algorithm cuts a 3x3 convolution of stride 1 into tiles.

    Parameters
    ----------
    side : int
        Of the square input map, at least 5, so that there are two tiles side by side.
    padding : int
        0 or 1, zeros around it.

    Returns
    -------
    matplotlib.figure.Figure
        Left, the inputs with the 6x6 places of two tiles that are neighbours; they overlap by two columns.
        Right, the 4x4 outputs of every tile; those of the last ones may reach over the map and are dropped.

    Raises
    ------
    InputError
        If there are no two tiles.
    """
    outputs = side + 2 * padding - 2
    if outputs <= OUTPUT_SIDE:
        raise InputError(f"side: {side} gives {outputs} outputs in a row (two tiles need 5 or more)")
    tiles = -(-outputs // OUTPUT_SIDE)
    first = Patch(facecolor="none", edgecolor=FIRST, linewidth=2.6, label="a tile")
    second = Patch(facecolor="none", edgecolor=SECOND, linewidth=2.6, linestyle="--", label="its neighbour")
    shared = Patch(facecolor=PAPER, edgecolor=INK, hatch=SHARED, linewidth=0, label="read for both")
    grey = Patch(facecolor=OUTSIDE, edgecolor=GRID, label="outside the map: zeros, or dropped")
    title = f"{tiles * tiles} tiles: 6×6 inputs for 4×4 outputs, so neighbours share two columns"
    figure, (left, right) = new_page(1, 2, 1.0, title, [first, second, shared, grey], panel_titles=True)
    span = (-padding, tiles * OUTPUT_SIDE + 2 - padding)  # of all places that are read
    set_panel_title(left, f"inputs: {side}×{side}" + (f", padding {padding}" if padding else ""))
    set_panel_title(right, f"outputs: {outputs}×{outputs}")
    _draw_map(left, side, span)
    _draw_map(right, outputs, span)
    for row in range(tiles):
        for column in range(tiles):
            _frame(
                right, column * OUTPUT_SIDE, row * OUTPUT_SIDE, OUTPUT_SIDE, OUTPUT_SIDE, INK, 1.2, gid="tile"
            )
    overlap = (OUTPUT_SIDE - padding, -padding, INPUT_SIDE - OUTPUT_SIDE, INPUT_SIDE)
    _frame(left, *overlap, edgecolor=INK, hatch=SHARED, linewidth=0, gid="shared")
    for ax, tile_side, shift in ((left, INPUT_SIDE, padding), (right, OUTPUT_SIDE, 0)):
        _frame(ax, OUTPUT_SIDE - shift, -shift, tile_side, tile_side, SECOND, linestyle="--", gid="second")
        _frame(ax, -shift, -shift, tile_side, tile_side, FIRST, gid="first")
    return figure


def _draw_map(ax, side, span):
    """A grid of places, white on the map and grey outside."""
    for row in range(*span):
        for column in range(*span):
            color = PAPER if 0 <= row < side and 0 <= column < side else OUTSIDE
            ax.add_patch(Rectangle((column, row), 1, 1, facecolor=color, edgecolor=GRID, linewidth=0.7))
    ax.set_xlim(span[0] - 0.15, span[1] + 0.15)
    ax.set_ylim(span[1] + 0.15, span[0] - 0.15)
    ax.set_aspect(1.0)
    ax.set_axis_off()


def _frame(ax, x, y, width, height, edgecolor, linewidth=2.6, **style):
    gid = style.pop("gid")
    style |= {"edgecolor": edgecolor, "linewidth": linewidth, "zorder": 3}
    ax.add_patch(Rectangle((x, y), width, height, fill=False, **style)).set_gid(gid)


def draw_matrices(matrices, title=""):
    """Draw matrices as coloured grids with their numbers: orange is positive, purple negative.

    Parameters
    ----------
    matrices : dict of str to ndarray, (rows, columns)
        By name, which may be written as in ``"$B^T$"``.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        One panel each, side by side, with cells of one size and one scale of colours.

    Raises
    ------
    InputError
        If one of them is not two-dimensional.
    """
    matrices = {name: np.asarray(matrix, dtype=float) for name, matrix in matrices.items()}
    for name, matrix in matrices.items():
        if matrix.ndim != 2:
            raise InputError(f"matrices: {name} has the shape {matrix.shape} (give two dimensions)")
    most_rows = max(len(matrix) for matrix in matrices.values())
    columns = sum(matrix.shape[1] for matrix in matrices.values()) + len(matrices) - 1  # with gaps
    height = CELL * most_rows + 0.35
    figure, (whole,) = new_page(1, 1, height / 7.76, title)
    box, width = whole.get_position(), whole.get_position().width / columns
    whole.remove()
    largest, left = max(abs(matrix).max() for matrix in matrices.values()), box.x0
    for name, matrix in matrices.items():
        share = matrix.shape[1] * width
        ax = figure.add_axes((left, box.y0, share, box.height))
        _draw_matrix(ax, name, matrix, largest, most_rows)
        left += share + width
    return figure


def _draw_matrix(ax, name, matrix, largest, most_rows):
    rows, columns = matrix.shape
    for row in range(rows):
        for column in range(columns):
            value = matrix[row, column]
            color = to_hex(SIGNS(0.5 + 0.45 * value / largest)) if value else PAPER
            cell = Rectangle((column, row), 1, 1, facecolor=color, edgecolor=GRID, linewidth=0.7)
            ax.add_patch(cell).set_gid("cell")
            style = {
                "ha": "center",
                "va": "center",
                "fontsize": CAPTION_SIZE - 1,
                "color": contrast_color(color),
            }
            ax.text(column + 0.5, row + 0.5, number_text(value), **style)
    ax.set_xlim(-0.03, columns + 0.03)
    ax.set_ylim(most_rows + 0.03, -0.6)
    ax.set_axis_off()
    ax.text(0, -0.15, f"{name}  ({rows} × {columns})", fontsize=TEXT_SIZE, color=INK)


def number_text(value):
    """Write a number with at most two decimals, and a minus that is as wide as a digit.

    Examples
    --------
    >>> number_text(-2.5), number_text(0.70710678), number_text(1.0), number_text(-0.0)
    ('−2.5', '0.71', '1', '0')
    """
    text = f"{round(float(value), 2) + 0.0:.2f}"  # -0.0 + 0.0 is 0.0
    return text.rstrip("0").rstrip(".").replace("-", "−")
