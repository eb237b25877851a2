"""A number for every default box, such as a loss or a gradient, as one picture of each feature map."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap

from minissd.errors import InputError
from minissd.viz.boxes import draw_boxes
from minissd.viz.page import new_page, set_panel_title
from minissd.viz.priors import layer_slices
from minissd.viz.style import FAINT_INK, GROUND_TRUTH, INK, TEXT_SIZE

COLORS = ListedColormap(colormaps["RdPu"](np.linspace(0.2, 1, 128)))  # its lightest is not white


def draw_prior_values(values, config, gt_xyxy=(), highest=None, title=""):
    """Draw a row of feature maps for each kind of number; a cell shows the largest of its default boxes.

    Cells where all are exactly 0 stay white.

    Parameters
    ----------
    values : dict of str to ndarray, (P,)
        By name, each not negative.
    config : SSDConfig
        Whose default boxes they belong to.
    gt_xyxy : ndarray, (G, 4)
        Objects, outlined on every map.
    highest : float, optional
        What the darkest colour means in all rows; otherwise the largest value of each.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is not one number for each default box.
    """
    columns = 1 + len(config.feature_maps)  # the first for the names
    figure, axes = new_page(len(values), columns, 1.0, title, panel_titles=True)
    for row, (name, numbers) in enumerate(values.items()):
        maps = _maps(name, numbers, config)
        darkest = highest or max(float(cells.max()) for cells in maps)
        named, *panels = axes[row * columns : (row + 1) * columns]
        _write_name(named, f"{name}\n\ndarkest: {darkest:.2g}")
        for ax, cells, step in zip(panels, maps, config.steps):
            _draw_map(ax, cells, step / config.image_size, darkest)
            draw_boxes(ax, gt_xyxy, GROUND_TRUTH, linewidth=1.2)
    for ax, side in zip(axes[1:columns], config.feature_maps):
        set_panel_title(ax, f"{side} × {side}")
    return figure


def _maps(name, values, config):
    """The largest value of each cell, one array (side, side) per feature map."""
    values = np.asarray(values, dtype=float)
    if values.shape != (config.num_priors,):
        raise InputError(
            f"values: {name!r} of shape {values.shape} (give one for each of {config.num_priors})"
        )
    parts = [values[rows] for rows in layer_slices(config)]
    return [part.reshape(side, side, -1).max(axis=2) for part, side in zip(parts, config.feature_maps)]


def _write_name(ax, text):
    ax.set_axis_off()
    style = {"ha": "left", "va": "center", "fontsize": TEXT_SIZE - 1.5, "color": INK, "linespacing": 1.2}
    ax.text(0, 0.5, text, transform=ax.transAxes, **style)


def _draw_map(ax, cells, step, highest):
    """One map, at the extent of the image, with the cells of value 0 left white."""
    end = len(cells) * step
    shown = np.ma.masked_equal(cells, 0)
    style = {"cmap": COLORS, "vmin": 0, "vmax": highest or 1, "interpolation": "nearest", "aspect": "auto"}
    ax.imshow(shown, extent=(0, end, end, 0), gid="values", **style)
    ax.set(xlim=(0, 1), ylim=(1, 0), xticks=(), yticks=())
    for spine in ax.spines.values():
        spine.set_color(FAINT_INK)
