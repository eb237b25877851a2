"""How much of the image a feature map sees: receptive fields, and how fc6's dilation widens them."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from minissd.boxes import cxcywh_to_xyxy
from minissd.models.summary import summary
from minissd.viz.captions import write_captions
from minissd.viz.maps import map_colors
from minissd.viz.page import as_chart, new_page, set_panel_title
from minissd.viz.panel import show_image
from minissd.viz.style import CAPTION_SIZE, DASHES, DETECTION, FAINT_INK, INK, PAPER, TEXT_SIZE

BOX_HEIGHT = 0.62


def draw_receptive_fields(model, image):
    """Draw how much of the image one cell of each source map can depend on.

    Parameters
    ----------
    model : SSD
    image : ndarray of uint8, (H, W, 3)
        Squeezed to a square, as the network sees it.

    Returns
    -------
    matplotlib.figure.Figure
        Left, the fields as squares around the middle of the image, which is at scale: most reach far over
        its border, where there are only zeros. Right, the same squares' sides as bars, with that of the
        head's 3×3 window as a line, and the default boxes' sizes (``min`` to ``max``) inside them.
    """
    config, table = model.config, summary(model)
    fields = [table[name].receptive_field for name in model.source_names]
    head_fields = [table[f"{name}_head"].receptive_field for name in model.source_names]
    colors, side = map_colors(len(fields)), config.image_size
    title = f"What one cell of each map sees of the {side} px image"
    legend = [
        Patch(color="#9A9A9A", label="the map"),
        Line2D([], [], color="#707070", linestyle=DASHES[2], linewidth=2.6, label="its head"),
        Line2D([], [], color=DETECTION.color, linewidth=4, label="sides of its default boxes"),
        Line2D([], [], color=INK, linestyle=DASHES[1], linewidth=1.2, label="side of the image"),
    ]
    figure, (picture, chart) = new_page(1, 2, 1.0, title, legend, panel_titles=True)
    _draw_squares(picture, image, fields, colors, side, model.source_names)
    set_panel_title(picture, "receptive fields around the middle of the image")
    _draw_bars(chart, config, fields, head_fields, colors, model.source_names)
    return figure


def _draw_squares(ax, image, fields, colors, side, names):
    """The image in the middle, and a square per map."""
    show_image(ax, image, square=True, margin=max(max(fields) / side / 2 - 0.5, 0) + 0.04)
    shares = np.array(fields) / side
    squares_xyxy = cxcywh_to_xyxy(np.stack([np.full_like(shares, 0.5)] * 2 + [shares] * 2, axis=-1))
    for (x1, y1, x2, y2), color, dashes in zip(squares_xyxy, colors, DASHES * 2):
        style = {"edgecolor": color, "linewidth": 2.6, "linestyle": dashes, "fill": False, "zorder": 3}
        ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, **style)).set_gid("field")
    texts = [f"{name} {field}" for name, field in zip(names, fields)]
    write_captions(ax, texts, squares_xyxy, colors, CAPTION_SIZE - 1)


def _draw_bars(ax, config, fields, head_fields, colors, names):
    """Field of the map and of its head against the size of the boxes that the head predicts."""
    as_chart(ax, "pixels of the input", left=0.72, bottom=0.42, right=0.05)
    set_panel_title(ax, "their sides: of the map (of its head)")
    for y, (field, head_field, color) in enumerate(zip(fields, head_fields, colors)):
        ax.barh(y, field, BOX_HEIGHT, color=color, alpha=0.75, gid="map-field")
        style = {"color": color, "linewidth": 2.6, "linestyle": DASHES[2]}
        ax.plot((field, head_field), (y, y), gid="head-field", **style)
        ax.plot((head_field,) * 2, (y - 0.2, y + 0.2), color=color, linewidth=2.6)
        low, high = config.min_sizes[y], config.max_sizes[y]
        ax.plot((low, high), (y, y), color=DETECTION.color, linewidth=4, solid_capstyle="butt", gid="boxes")
        text = f"{field} ({head_field})"
        style = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"}
        style |= {"bbox": {"facecolor": PAPER, "edgecolor": "none", "pad": 1}, "zorder": 3}
        ax.annotate(text, (head_field, y), fontsize=CAPTION_SIZE - 0.5, color=INK, **style)
    ax.axvline(config.image_size, color=INK, linewidth=1.2, linestyle=DASHES[1], gid="image-side")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.set_ylim(len(names) - 0.5, -0.6)
    ax.set_xlim(0, max(head_fields) * 1.35)
    ax.grid(False, axis="y")


def draw_atrous_taps(stride=16, dilation=6, kernel=3, parent_stride=32, parent_kernel=7):
    """Draw where the taps of fc6 lie on the image: in VGG16, in SSD, and in SSD without its dilation.

    SSD keeps every third of the 7×7 weights of VGG16's fc6, and its pool5 no longer halves the map. On the
    finer map neighbouring cells are half as far apart, so the weights that are left stand six cells apart to
    look at the same places as before.

    Parameters
    ----------
    stride, dilation, kernel : int
        Of SSD's fc6: distance of neighbouring input cells in pixels, distance of taps in cells, taps a side.
    parent_stride, parent_kernel : int
        Of the layer whose weights it took over.

    Returns
    -------
    matplotlib.figure.Figure
        Three rows of one dimension: cells as ticks, taps as dots at their centres.
    """
    rows = [
        (f"VGG16: {parent_kernel} taps, pool5 halves the map", parent_stride, 1, parent_kernel, FAINT_INK),
        (
            f"SSD: {kernel} of them, dilation {dilation}, the map keeps its size",
            stride,
            dilation,
            kernel,
            "#0072B2",
        ),
        (f"{kernel} taps without dilation", stride, 1, kernel, DETECTION.color),
    ]
    figure, (ax,) = new_page(1, 1, 0.36, "fc6: the same places of the image, on a map twice as fine")
    as_chart(ax, "pixels of the input, from the middle tap", left=0.15, bottom=0.5)
    reach = parent_stride * (parent_kernel // 2)
    for y, (label, step, spread, taps, color) in enumerate(rows):
        cells = np.arange(-(reach // step), reach // step + 1) * step
        ax.plot(cells, np.full(len(cells), y), "|", color=color, markersize=11, gid="cells")
        places = (np.arange(taps) - taps // 2) * spread * step
        ax.plot(places, np.full(taps, y), "o-", color=color, markersize=11, linewidth=1.4, gid="taps")
        span = f"{label}: {(taps - 1) * spread * step} px from the first to the last"
        ax.annotate(span, (-reach, y - 0.36), fontsize=TEXT_SIZE - 0.5, color=INK, va="center")
    ax.set_ylim(len(rows) - 0.55, -0.7)
    ax.set_xlim(-reach * 1.06, reach * 1.06)
    ax.set_xticks(range(-reach, reach + 1, parent_stride))
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    return figure
