"""The sizes of default boxes map by map: the paper's equation 4 beside those of the published models."""

from __future__ import annotations

import math

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from minissd.priors import paper_scales
from minissd.viz.maps import map_colors
from minissd.viz.page import as_chart, new_page, set_panel_title
from minissd.viz.style import FAINT_INK, INK

PAPER_COLOR = "#D55E00"
HALF = 0.3  # of a bar's width


def draw_scales(configs):
    """Draw the sizes of the default boxes of several networks, and what equation 4 would give them.

    Parameters
    ----------
    configs : sequence of SSDConfig

    Returns
    -------
    matplotlib.figure.Figure
        A panel per network, with a bar per map: it stands on the small square's side (``min``, in whole
        pixels below it), ends at the next map's (``max``), and the line in it is the large square's,
        ``sqrt(min * max)``. Dots are equation 4 with as many maps.
    """
    configs = list(configs)
    columns = min(len(configs), 2)
    legend = [
        Patch(facecolor="#9A9A9A", label="published: from min to max"),
        Line2D([], [], color=INK, linewidth=2, label="√(min·max), the large square"),
        Line2D([], [], color=PAPER_COLOR, marker="o", linestyle="--", label="equation 4"),
    ]
    title = "Sizes of default boxes, as a share of the image's side"
    rows = -(-len(configs) // columns)
    figure, axes = new_page(rows, columns, 0.78 if columns == 2 else 0.5, title, legend, panel_titles=True)
    for ax, config in zip(axes, configs):
        as_chart(ax, "cells of the map, and min in pixels", left=0.4, bottom=0.62, right=0.05)
        set_panel_title(ax, f"{config.name}, image {config.image_size} px")
        _draw_sizes(ax, config)
    for ax in axes[len(configs) :]:
        ax.set_axis_off()
    return figure


def _draw_sizes(ax, config):
    """The bars of one network, and the dots of equation 4."""
    count, side = len(config.feature_maps), config.image_size
    colors = map_colors(count)
    for k, (low, high) in enumerate(zip(config.min_sizes, config.max_sizes)):
        small, large = low / side, high / side
        ax.bar(k, large - small, 2 * HALF, bottom=small, color=colors[k], alpha=0.75, gid="sizes")
        middle = math.sqrt(small * large)
        ax.plot((k - HALF, k + HALF), (middle, middle), color=INK, linewidth=2, gid="large-square")
    style = {"color": PAPER_COLOR, "marker": "o", "markersize": 5, "linestyle": "--", "linewidth": 1}
    ax.plot(range(count), paper_scales(count), gid="equation-4", **style)
    sizes = zip(config.feature_maps, config.min_sizes)
    ax.set_xticks(range(count), [f"{cells}²\n{low:.0f}" for cells, low in sizes])
    ax.set_xlim(-0.55, count - 0.45)
    ax.set_ylim(0, 1.1)
    ax.grid(False, axis="x")
    ax.tick_params(axis="x", length=0, labelcolor=FAINT_INK)
