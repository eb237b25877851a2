"""One cell of a feature map and its default boxes, all of them or one."""

from __future__ import annotations

from matplotlib.patches import Rectangle

from minissd.boxes import cxcywh_to_xyxy
from minissd.errors import InputError
from minissd.priors import map_priors
from minissd.viz.boxes import draw_boxes, legend_line
from minissd.viz.captions import write_captions
from minissd.viz.page import new_page
from minissd.viz.panel import margin_for, show_image
from minissd.viz.priors import CELL_WIDTH, checked_cell, draw_centers, shape_names
from minissd.viz.style import DASHES, PRIOR, palette

PANEL, FARTHEST = 4.6, 0.45  # inches; margin that shows the largest boxes whole, share of the image


def draw_cell_shapes(image, config, layer, cell, shape=None):
    """Draw a cell of a feature map, filled, and the default boxes around its centre.

    The margin around the image is the same for all cells of a map, so that pictures of neighbouring cells
    can be compared, or follow one another.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        Squeezed to a square, as the network sees it.
    config : SSDConfig
    layer : int
        Number of the feature map, 0 for the finest.
    cell : (int, int)
        Row and column.
    shape : int, optional
        Number of the only box to draw; all of the cell otherwise.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is no such layer, cell or shape.
    """
    row, column = checked_place(config, layer, cell, shape)
    side, names = config.feature_maps[layer], shape_names(config, layer)
    priors_cxcywh = map_priors(config, layer).reshape(side, side, -1, 4)
    cell_xyxy = cxcywh_to_xyxy(priors_cxcywh[row, column])
    sizes_px = priors_cxcywh[row, column, :, 2:] * config.image_size
    looks = list(zip(names, palette(len(names)), DASHES * 4))
    legend = [
        legend_line(PRIOR, f"{name}: {w:.0f} × {h:.0f} px", color, linestyle=dashes, linewidth=CELL_WIDTH)
        for (name, color, dashes), (w, h) in zip(looks, sizes_px)
    ]
    title = f"Cell ({row}, {column}) of the {side} × {side} map"
    figure, (ax,) = new_page(title=title, legend=legend, max_panel_height=PANEL)
    margin = margin_for(cxcywh_to_xyxy(priors_cxcywh), FARTHEST)
    show_image(ax, image, square=True, fade=0.35, margin=margin)
    draw_centers(ax, priors_cxcywh[:, :, 0, :2].reshape(-1, 2), chosen=row * side + column)
    _fill_cell(ax, config.steps[layer] / config.image_size, row, column)
    shown = range(len(names)) if shape is None else [shape]
    for number in shown:
        _, color, dashes = looks[number]
        draw_boxes(ax, cell_xyxy[number], PRIOR, [color], linestyle=dashes, linewidth=CELL_WIDTH)
    texts, colors = [names[k].split()[-1] for k in shown], [looks[k][1] for k in shown]
    write_captions(ax, texts, cell_xyxy[list(shown)], colors)
    return figure


def checked_place(config, layer, cell, shape=None):
    """Return the row and the column of a cell. Raise InputError unless there is such a box."""
    _, place = checked_cell(config, layer, cell)
    count = config.boxes_per_cell[layer]
    if shape is not None and not 0 <= shape < count:
        raise InputError(f"shape: {shape} of a cell with {count} boxes (choose 0...{count - 1})")
    return place


def _fill_cell(ax, size, row, column):
    area = Rectangle((column * size, row * size), size, size, color=PRIOR.color, alpha=0.4, linewidth=0)
    ax.add_patch(area).set(gid="cell", zorder=1)
