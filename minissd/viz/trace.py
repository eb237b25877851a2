"""Pictures of one image on its way through the network: what it saw, its maps, where each box comes from."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Patch, Rectangle

from minissd.boxes import cxcywh_to_xyxy
from minissd.viz.boxes import draw_boxes, legend_line
from minissd.viz.features import COLORS, mosaic
from minissd.viz.offsets import draw_moves, drawable
from minissd.viz.outlines import grid_lines
from minissd.viz.page import new_page, set_panel_title
from minissd.viz.panel import image_aspect, margin_for, show_image
from minissd.viz.style import DETECTION, FAINT_INK, INK, PRIOR, SUPPRESSED, TEXT_SIZE, class_name

MOST_BARS, MOST_CHANNELS = 5, 36
PANEL = 4.26  # inches, the narrowest page; on a wider one a phone would shrink the letters to nothing
TRACK = "#E9E9E9"


def draw_input(image, seen):
    """Draw an image beside what the network sees of it.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    seen : ndarray of uint8, (S, S, 3)
        From `minissd.trace.as_picture`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    aspect = max(1.0, image_aspect(image))
    figure, axes = new_page(1, 2, aspect, panel_titles=True, max_panel_height=PANEL)
    for ax, picture, name in zip(axes, (image, seen), ("the picture", "what the network sees")):
        show_image(ax, picture)
        ax.set_anchor("N")
        set_panel_title(ax, f"{name}: {picture.shape[1]} × {picture.shape[0]}")
    return figure


def draw_channels(maps, count=MOST_CHANNELS):
    """Draw the channels of a feature map that vary most, each from its smallest to its largest value.

    Parameters
    ----------
    maps : ndarray, (C, H, W)
        If it has one cell only, each channel is a square of one picture.
    count : int

    Returns
    -------
    matplotlib.figure.Figure
    """
    one_cell, side = maps[0].size == 1, math.isqrt(min(count, len(maps)))
    activity = maps[:, 0, 0] if one_cell else np.ptp(maps, axis=(1, 2))
    best_first = np.argsort(-activity, kind="stable")
    chosen = maps[np.sort(best_first[: side * side if one_cell else count])]
    chosen = chosen.reshape(1, side, side) if one_cell else chosen
    tiles = np.ma.masked_invalid(mosaic(chosen))
    figure, (ax,) = new_page(aspect=image_aspect(tiles), max_panel_height=PANEL)
    ax.imshow(tiles, cmap=COLORS, aspect="auto", interpolation="nearest").set_gid("channels")
    ax.set_axis_off()
    return figure


def draw_origin(image, config, place, prior_cxcywh, offsets, box_xyxy, cut=False):
    """Draw a default box, its cell, and the box that was made of it; only their surroundings.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        Squeezed to a square, as the network sees it.
    config : SSDConfig
    place : minissd.places.Place
    prior_cxcywh, offsets, box_xyxy : ndarray, (4,)
    cut : bool
        Whether the legend is to say that the box was cut at the border of the image.

    Returns
    -------
    matplotlib.figure.Figure
    """
    cell = Patch(facecolor=PRIOR.color, alpha=0.6, label="cell")
    legend = [legend_line(PRIOR), cell, legend_line(DETECTION, "box, cut" if cut else "predicted box")]
    figure, (ax,) = new_page(legend=legend, max_panel_height=PANEL)
    boxes_xyxy = drawable([cxcywh_to_xyxy(prior_cxcywh), box_xyxy])
    show_image(ax, image, square=True, fade=0.4, margin=_margin_for_lines(boxes_xyxy))
    _draw_cells(ax, config, place)
    _look_at(ax, boxes_xyxy)
    draw_moves(ax, prior_cxcywh[None], offsets[None], boxes_xyxy[1:], config.variances)
    return figure


def _draw_cells(ax, config, place):
    """The borders of all cells of a map, and one cell filled."""
    size = config.steps[place.map] / config.image_size
    lines = grid_lines(config.feature_maps[place.map], size)
    style = {"linewidths": 0.6, "alpha": 0.35, "zorder": 0.5}
    ax.add_collection(LineCollection(lines, colors=INK, gid="cells", **style))
    corner = place.column * size, place.row * size
    ax.add_patch(
        Rectangle(corner, size, size, color=PRIOR.color, alpha=0.6, linewidth=0, gid="cell", zorder=1)
    )


def _margin_for_lines(boxes_xyxy):
    """As `margin_for`, and a line on the border itself is seen in its full width."""
    return margin_for(boxes_xyxy + np.array([-1, -1, 1, 1]) * 1e-3)


def _look_at(ax, boxes_xyxy, context=2.0, least=0.3):
    """Show only a square around some boxes, so many times as large as they are."""
    boxes_xyxy = boxes_xyxy.clip(-1, 2)  # an untrained network makes giants
    low, high = boxes_xyxy[:, :2].min(axis=0), boxes_xyxy[:, 2:].max(axis=0)
    margin = _margin_for_lines(boxes_xyxy)
    half = min(max(context * (high - low).max(), least) / 2, 0.5 + margin)
    x, y = np.clip((low + high) / 2, half - margin, 1 + margin - half)
    ax.set_xlim(x - half, x + half)
    ax.set_ylim(y + half, y - half)


def draw_probabilities(probabilities, label, class_names=None, count=MOST_BARS):
    """Draw the most probable classes as bars, the background among them in any case.

    Parameters
    ----------
    probabilities : ndarray, (C,)
        The background first.
    label : int
        The class of the coloured bar.
    class_names : sequence of str, optional
        Names of classes 1...C-1.
    count : int
        Number of bars.

    Returns
    -------
    matplotlib.figure.Figure
    """
    shown = np.argsort(-probabilities, kind="stable")[:count]
    if 0 not in shown:
        shown[-1] = 0
    height = max(0.42 * len(shown), PANEL / 4)
    figure, (ax,) = new_page(aspect=height / PANEL, max_panel_height=height)
    ax.set(xlim=(0, 1), ylim=(len(shown) - 0.25, -0.65))
    ax.set_axis_off()
    for y, c in enumerate(shown):
        color = DETECTION.color if c == label else FAINT_INK
        ax.barh(y, 1, 0.34, color=TRACK)
        ax.barh(y, probabilities[c], 0.34, color=color).patches[0].set_gid("probability")
        name = "background" if c == 0 else class_name(c, class_names)
        text = {"va": "bottom", "fontsize": TEXT_SIZE, "color": INK, "parse_math": False}
        ax.text(0, y - 0.23, name if len(name) <= 40 else name[:39] + "…", **text)
        number = "under 0.0001" if probabilities[c] < 0.00005 else f"{probabilities[c]:.4f}"
        ax.text(1, y - 0.23, number, ha="right", **text)
    return figure


def draw_suppressed(image, box_xyxy, suppressed_xyxy):
    """Draw a kept box and, dashed, the boxes that it suppressed; only their surroundings.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        Squeezed to a square, as the network sees it.
    box_xyxy : ndarray, (4,)
    suppressed_xyxy : ndarray, (B, 4)

    Returns
    -------
    matplotlib.figure.Figure
    """
    legend = [legend_line(DETECTION, "kept"), legend_line(SUPPRESSED, color=INK, linewidth=1.4)]
    figure, (ax,) = new_page(legend=legend, max_panel_height=PANEL)
    boxes_xyxy = drawable(np.vstack([box_xyxy, suppressed_xyxy]))
    show_image(ax, image, square=True, fade=0.4, margin=_margin_for_lines(boxes_xyxy))
    draw_boxes(ax, boxes_xyxy[1:], SUPPRESSED, [INK] * len(suppressed_xyxy), linewidth=1.4)
    draw_boxes(ax, boxes_xyxy[0], DETECTION, zorder=4)
    _look_at(ax, boxes_xyxy, context=1.6)
    return figure
