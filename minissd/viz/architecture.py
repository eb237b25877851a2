"""The architecture of an SSD: its maps at true relative size, and the head on each source map."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from matplotlib.collections import LineCollection
from matplotlib.patches import Polygon, Rectangle

from minissd.models import SSD
from minissd.models.summary import Row, summary
from minissd.nn import MaxPool2d
from minissd.viz.maps import map_colors
from minissd.viz.outlines import grid_lines
from minissd.viz.page import WIDTH, new_page
from minissd.viz.style import CAPTION_SIZE, DETECTION, FAINT_INK, INK, PAPER, TEXT_SIZE, contrast_color

PAGE_WIDTH = WIDTH - 0.24  # inches inside the margins
LARGEST, THICKEST = 1.55, 0.42  # inches: side of the image's slab, thickness of the map with most channels
THINNEST = 0.03
SLANT = 0.22, 0.16  # how far the top of a slab goes back, in shares of its side
TRUNK_BASE, MAP_BASE, COUNT_BASE = 4.3, 1.95, 0.36  # heights of the three rows, in inches
ARROWS_BELOW, BAR, MOST_MAP = 0.66, 0.26, 1.3  # inches: from a slab to its arrow, the bar, the largest map
LINE = 0.165  # height of a line of text, in inches
NOTE = """\
A slab is as high as its map's side and as thick as its channels.
Coloured maps feed a head; they are enlarged below, with their cells
and, in orange, the 3×3 window of the head."""
BODY = "#D9D9D9"  # of slabs that feed no head
WINDOW = 3  # side of a head's kernel


@dataclass(frozen=True)
class SourceMap:
    """A source map with its head, in numbers.

    Attributes
    ----------
    row : Row
        Of `minissd.models.summary.summary`.
    boxes_per_cell : int
    filters : int
        Of the head: so many offsets and class scores per cell.
    normalized : bool
        Whether it is normalised before its head.
    """

    row: Row
    boxes_per_cell: int
    filters: int
    normalized: bool

    @property
    def num_priors(self) -> int:
        """Default boxes of the whole map."""
        return self.boxes_per_cell * self.row.output_shape[1] * self.row.output_shape[2]


def draw_architecture(model_or_config):
    """Draw the architecture of an SSD, from its own layers.

    Above, all at one scale, the image and the maps of the network behind it: a slab is as high as its map's
    side and as thick as the map has channels (a few that are too thin to be seen excepted). Below, enlarged,
    the source maps with their cells, the window of their heads on one cell, and the default boxes that each
    contributes.

    Parameters
    ----------
    model_or_config : SSD or SSDConfig

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from minissd.config import TINY
    >>> draw_architecture(TINY).axes[0].texts[-1].get_text()
    '4096 + 1024 + 256 + 64 = 5440'
    """
    model = model_or_config if isinstance(model_or_config, SSD) else SSD(model_or_config)
    sources, config = source_maps(model), model.config
    title = f"{config.name}: one pass from the image to {config.num_priors} predictions"
    height = TRUNK_BASE + LARGEST * (1 + SLANT[1]) + 0.05
    figure, (ax,) = new_page(1, 1, height / PAGE_WIDTH, title)
    ax.set(xlim=(0, PAGE_WIDTH), ylim=(0, height), aspect="equal")
    ax.set_axis_off()
    colors = dict(zip(model.source_names, map_colors(len(sources))))
    centers = _draw_trunk(ax, trunk_maps(model), colors)
    _draw_sources(ax, sources, colors, centers)
    _draw_counts(ax, sources, colors, config)
    return figure


def trunk_maps(model):
    """Return the rows that show how maps become small: the image, the last before each pooling, the sources.

    Parameters
    ----------
    model : SSD

    Returns
    -------
    list of Row

    Examples
    --------
    >>> from minissd.config import SSD300_VOC
    >>> [row.name for row in trunk_maps(SSD(SSD300_VOC))][:7]
    ['image', 'conv1_2', 'conv2_2', 'conv3_3', 'conv4_3', 'conv5_3', 'fc7']
    """
    table = summary(model)
    names = [name for stage in model.stages for name in stage.layers]
    last = {name for name, after in pairwise(names) if isinstance(model.layers[after], MaxPool2d)}
    side = model.config.image_size
    kept = [name for name in names if name in {*last, *model.source_names}]
    return [Row("image", (3, side, side)), *(table[name] for name in kept)]


def source_maps(model):
    """Return a `SourceMap` for each source map of a model, from the finest.

    Examples
    --------
    >>> from minissd.config import TINY
    >>> [(one.row.name, one.filters, one.num_priors) for one in source_maps(SSD(TINY))][:2]
    [('conv4_2', 100, 4096), ('conv5_2', 100, 1024)]
    """
    table, found = summary(model), []
    for name, k, norm in zip(model.source_names, model.config.boxes_per_cell, model.norms):
        filters = table[f"{name}_head"].output_shape[0]
        found.append(SourceMap(table[name], k, filters, norm is not None))
    return found


# -- above: the maps at one scale ---------------------------------------------------------------------------


def _draw_trunk(ax, rows, colors):
    """Draw all maps as slabs, from left to right; return the middle of each by name."""
    scale = LARGEST / rows[0].output_shape[1]
    thickest = max(row.output_shape[0] for row in rows)
    column, centers = PAGE_WIDTH / len(rows), {}
    for number, row in enumerate(rows):
        channels, side, _ = row.output_shape
        width = max(THICKEST * channels / thickest, THINNEST)
        face = colors.get(row.name, PAPER if number == 0 else BODY)
        center = centers[row.name] = column * (number + 0.5)
        _draw_slab(ax, center - (width + side * scale * SLANT[0]) / 2, TRUNK_BASE, width, side * scale, face)
        texts = row.name, f"{side}×{side}", f"{channels} ch."
        _write_lines(ax, center, TRUNK_BASE - 0.08, texts, column)
    style = {"ha": "right", "va": "top", "fontsize": CAPTION_SIZE, "color": FAINT_INK, "linespacing": 1.4}
    ax.text(PAGE_WIDTH, TRUNK_BASE + LARGEST, NOTE, **style)
    return centers


def _draw_slab(ax, x, y, width, height, face):
    """A box in oblique view: a front, a top and a right side."""
    dx, dy = height * SLANT[0], height * SLANT[1]
    style = {"edgecolor": INK, "linewidth": 0.6, "joinstyle": "round"}
    right, upper = x + width, y + height
    top = [(x, upper), (x + dx, upper + dy), (right + dx, upper + dy), (right, upper)]
    side = [(right, y), (right + dx, y + dy), (right + dx, upper + dy), (right, upper)]
    ax.add_patch(Polygon(top, facecolor=face, alpha=0.55, **style))
    ax.add_patch(Polygon(side, facecolor=face, alpha=0.8, **style))
    ax.add_patch(Rectangle((x, y), width, height, facecolor=face, **style)).set_gid("slab")


# -- below: the source maps, enlarged, and their heads ------------------------------------------------------


def _draw_sources(ax, sources, colors, centers):
    """Draw each source map with its cells, an arrow from its slab, and its numbers."""
    column = PAGE_WIDTH / len(sources)
    scale = min(0.86 * column, MOST_MAP) / sources[0].row.output_shape[1]
    for number, source in enumerate(sources):
        name, side = source.row.name, source.row.output_shape[1]
        center, length = column * (number + 0.5), side * scale
        start, end = (centers[name], TRUNK_BASE - ARROWS_BELOW), (center, MAP_BASE + length + 0.04)
        style = {"arrowstyle": "-|>", "color": colors[name], "linewidth": 1.8, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", end, start, arrowprops=style, zorder=1, gid="feeds")
        _draw_cells(ax, center - length / 2, MAP_BASE, side, scale, colors[name])
        texts = [name, f"{side} × {side} cells", f"{source.boxes_per_cell} boxes a cell"]
        texts += [f"head: {source.filters} filters", "after L2 norm" if source.normalized else ""]
        _write_lines(ax, center, MAP_BASE - 0.08, texts, column)


def _draw_cells(ax, x, y, side, scale, color):
    """A map seen from the front, with its cells and the window of its head."""
    length = side * scale
    ax.add_patch(Rectangle((x, y), length, length, facecolor=color, alpha=0.28, linewidth=0))
    lines, width = grid_lines(side, scale, (x, y)), min(9 * scale, 0.6)
    ax.add_collection(LineCollection(lines, colors=color, linewidths=width, gid="cells"))
    ax.add_patch(Rectangle((x, y), length, length, fill=False, edgecolor=color, linewidth=1.4)).set_gid("map")
    first = (side - WINDOW) // 2  # of the window around the middle cell; on a small map it sticks out
    style = {"fill": False, "edgecolor": DETECTION.color, "linewidth": 1.8, "zorder": 4}
    corner = x + first * scale, y + first * scale
    ax.add_patch(Rectangle(corner, WINDOW * scale, WINDOW * scale, **style)).set_gid("window")


def _draw_counts(ax, sources, colors, config):
    """A bar of all default boxes, divided in proportion, and their sum."""
    x, style = 0.0, {"ha": "center", "va": "center_baseline", "fontsize": TEXT_SIZE - 0.5}
    for source in sources:
        width = PAGE_WIDTH * source.num_priors / config.num_priors
        color = colors[source.row.name]
        bar = Rectangle((x, COUNT_BASE), width, BAR, facecolor=color, edgecolor=PAPER, linewidth=0.4)
        ax.add_patch(bar).set_gid("count")
        if width > 0.45:
            middle = x + width / 2, COUNT_BASE + BAR / 2
            ax.text(*middle, f"{source.num_priors}", color=contrast_color(color), **style)
        x += width
    meaning = f"{config.num_priors} default boxes, each with 4 offsets and {config.num_classes} class scores"
    ax.text(PAGE_WIDTH / 2, COUNT_BASE + BAR + 0.14, meaning, color=INK, **style)
    total = " + ".join(str(source.num_priors) for source in sources)
    ax.text(PAGE_WIDTH / 2, COUNT_BASE - 0.16, f"{total} = {config.num_priors}", color=INK, **style)


def _write_lines(ax, x, top, texts, column):
    """Write short lines below one another, the first in bold, smaller in a narrow column."""
    size = min(CAPTION_SIZE - 0.5, 11.3 * column)
    for number, text in enumerate(texts):
        style = {"fontweight": "bold", "color": INK} if number == 0 else {"color": FAINT_INK}
        style |= {"ha": "center", "va": "top", "fontsize": size}
        ax.text(x, top - number * LINE, text, **style)
