"""Pictures of default boxes: the shapes of one cell, and the scales of all maps side by side."""

from __future__ import annotations

import numpy as np

from minissd.boxes import cxcywh_to_xyxy
from minissd.errors import InputError
from minissd.priors import map_priors
from minissd.viz.boxes import draw_boxes, legend_line
from minissd.viz.captions import write_captions
from minissd.viz.page import line_scale, new_page, set_panel_title
from minissd.viz.panel import margin_for, show_image
from minissd.viz.style import DASHES, INK, PRIOR, palette

CELL_WIDTH = 2.2  # points
BLANK = np.full((8, 8, 3), 255, dtype=np.uint8)


def layer_slices(config):
    """Return, for every feature map, which rows of ``prior_boxes(config)`` are its own.

    Examples
    --------
    >>> from minissd.config import SSD300_VOC
    >>> layer_slices(SSD300_VOC)[:2]
    [slice(0, 5776, None), slice(5776, 7942, None)]
    """
    ends = np.cumsum([k * side**2 for k, side in zip(config.boxes_per_cell, config.feature_maps)]).tolist()
    return [slice(start, end) for start, end in zip([0, *ends], ends)]


def draw_priors(image, config, layer, cell=None, ax=None):
    """Draw the default boxes of one cell of a feature map over an image, and the centres of all cells.

    The image is squeezed to a square, as the network sees it.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    config : SSDConfig
    layer : int
        Number of the feature map, 0 for the finest.
    cell : (int, int), optional
        Row and column of the cell; the middle one otherwise.
    ax : Axes, optional
        Draw on this one, without title and legend.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the configuration has no such layer, or the layer no such cell.
    """
    side, (row, column) = checked_cell(config, layer, cell)
    names, colors = shape_names(config, layer), palette(config.boxes_per_cell[layer])
    boxes_cxcywh = map_priors(config, layer).reshape(side, side, -1, 4)
    cell_xyxy = cxcywh_to_xyxy(boxes_cxcywh[row, column])
    if ax is None:
        title = f"Default boxes of cell ({row}, {column}) on the {side} × {side} map of {config.name}"
        sizes_px = boxes_cxcywh[row, column, :, 2:] * config.image_size
        texts = [f"{name}: {w:.0f} × {h:.0f} px" for name, (w, h) in zip(names, sizes_px)]
        styles = [{"linestyle": dashes, "linewidth": CELL_WIDTH} for dashes in DASHES * 4]
        legend = [legend_line(PRIOR, *entry, **style) for *entry, style in zip(texts, colors, styles)]
        _, (ax,) = new_page(title=title, legend=legend, max_panel_height=6.4)
    show_image(ax, image, square=True, fade=0.35, margin=margin_for(cell_xyxy))
    draw_centers(ax, boxes_cxcywh[:, :, 0, :2].reshape(-1, 2), chosen=row * side + column)
    draw_cell(ax, cell_xyxy)
    write_captions(ax, [name.split()[-1] for name in names], cell_xyxy, colors)
    return ax.figure


def draw_prior_scales(config, image=None):
    """Draw all feature maps side by side, each with its centres and the default boxes of its middle cell.

    Parameters
    ----------
    config : SSDConfig
    image : ndarray of uint8, (H, W, 3), optional
        Behind every panel.

    Returns
    -------
    matplotlib.figure.Figure
        One panel per map, from the finest to the coarsest.
    """
    count = len(config.feature_maps)
    columns = min(count, 4) if count != 6 else 3
    rows = -(-count // columns)
    title = f"The {config.num_priors} default boxes of {config.name}: each map has its own size"
    figure, axes = new_page(rows, columns, title=title, panel_titles=True)
    layers = [map_priors(config, k).reshape(side, side, -1, 4) for k, side in enumerate(config.feature_maps)]
    cells_xyxy = [cxcywh_to_xyxy(boxes[len(boxes) // 2, len(boxes) // 2]) for boxes in layers]
    margin = max(margin_for(cell_xyxy, limit=0.12) for cell_xyxy in cells_xyxy)
    for ax, side, boxes, cell_xyxy in zip(axes, config.feature_maps, layers, cells_xyxy):
        show_image(ax, BLANK if image is None else image, square=True, fade=0.35, margin=max(margin, 0.02))
        draw_centers(ax, boxes[:, :, 0, :2].reshape(-1, 2), chosen=(side // 2) * (side + 1))
        draw_cell(ax, cell_xyxy)
        set_panel_title(ax, f"{side} × {side}: {boxes.shape[2]} boxes a cell")
    for ax in axes[count:]:
        ax.set_axis_off()
    return figure


def draw_cell(ax, cell_xyxy):
    """Draw the default boxes of one cell, each shape with its own colour and dashes."""
    colors = palette(len(cell_xyxy))
    for box_xyxy, color, dashes in zip(cell_xyxy, colors, DASHES * 4):
        draw_boxes(ax, box_xyxy, PRIOR, [color], linestyle=dashes, linewidth=CELL_WIDTH)


def draw_centers(ax, centers, chosen=None):
    """Draw the centres of all cells as dots that get smaller where they are many; mark the chosen one."""
    scale, side = line_scale(ax), np.sqrt(len(centers))
    size = 7 * np.clip(12 / side, 0.12, 1.5) ** 1.5 * scale**2
    dots = ax.scatter(*centers.T, s=size, color=INK, alpha=0.55, linewidths=0, zorder=2, gid="centers")
    dots.set_snap(False)  # whole pixels would turn a fine grid into a plaid
    if chosen is not None:
        style = {"marker": "+", "color": INK, "zorder": 5, "gid": "chosen-center"}
        ax.scatter(*centers[chosen], s=70 * scale**4, linewidths=2 * scale, **style)


def shape_names(config, layer):
    """Name the shapes of a cell, in their order.

    Examples
    --------
    >>> from minissd.config import SSD300_VOC
    >>> shape_names(SSD300_VOC, 0)
    ['small square 1', 'large square 1′', 'ratio 2', 'ratio 1/2']
    """
    names = ["small square 1", "large square 1′"]
    for ratio in config.aspect_ratios[layer]:
        names += [f"ratio {ratio:g}"] + ([f"ratio 1/{ratio:g}"] if config.flip else [])
    return names


def checked_cell(config, layer, cell=None):
    """Return the side of a map, and a row and a column of it, the middle ones by default.

    Raise InputError unless there are such a map and such a cell.
    """
    if not 0 <= layer < len(config.feature_maps):
        raise InputError(f"layer: {layer} of {config.name} (choose 0...{len(config.feature_maps) - 1})")
    side = config.feature_maps[layer]
    row, column = (side // 2, side // 2) if cell is None else cell
    if not (0 <= row < side and 0 <= column < side):
        raise InputError(f"cell: ({row}, {column}) on a {side} × {side} map (choose 0...{side - 1})")
    return side, (row, column)
