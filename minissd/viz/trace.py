"""One image followed through the network, as a page: what it saw, its maps, and where each box comes from."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Patch, Rectangle

from minissd.boxes import cxcywh_to_xyxy
from minissd.codec import decode
from minissd.page import Picture, Section, Table, write_page
from minissd.trace import as_picture, locate
from minissd.viz.boxes import draw_boxes, draw_image_boxes, legend_line
from minissd.viz.features import COLORS, mosaic
from minissd.viz.offsets import draw_offsets
from minissd.viz.page import new_page, set_panel_title
from minissd.viz.panel import image_aspect, margin_for, show_image
from minissd.viz.priors import shape_names
from minissd.viz.saving import save
from minissd.viz.style import DETECTION, FAINT_INK, INK, PRIOR, SUPPRESSED, TEXT_SIZE, class_name

MOST_EXPLAINED, MOST_ROWS, MOST_BARS, MOST_CHANNELS = 12, 10, 5, 36
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


def draw_origin(image, config, place, prior_cxcywh, offsets):
    """Draw a default box, its cell, and what its offsets make of it; only their surroundings.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        Squeezed to a square, as the network sees it.
    config : SSDConfig
    place : minissd.trace.Place
    prior_cxcywh, offsets : ndarray, (4,)

    Returns
    -------
    matplotlib.figure.Figure
    """
    cell = Patch(facecolor=PRIOR.color, alpha=0.6, label="its cell")
    legend = [legend_line(PRIOR), cell, legend_line(DETECTION, "predicted box")]
    figure, (ax,) = new_page(legend=legend, max_panel_height=PANEL)
    draw_offsets(image, prior_cxcywh[None], offsets[None], variances=config.variances, ax=ax)
    _draw_cells(ax, config, place)
    _look_at(ax, [cxcywh_to_xyxy(prior_cxcywh), decode(offsets, prior_cxcywh, config.variances)])
    return figure


def _draw_cells(ax, config, place):
    """The borders of all cells of a map, and one cell filled."""
    size = config.steps[place.map] / config.image_size
    borders = np.arange(config.feature_maps[place.map] + 1) * size
    lines = [[(at, 0), (at, borders[-1])] for at in borders]
    lines += [[(y, x) for x, y in line] for line in lines]
    style = {"linewidths": 0.6, "alpha": 0.35, "zorder": 0.5}
    ax.add_collection(LineCollection(lines, colors=INK, gid="cells", **style))
    corner = place.column * size, place.row * size
    ax.add_patch(
        Rectangle(corner, size, size, color=PRIOR.color, alpha=0.6, linewidth=0, gid="cell", zorder=1)
    )


def _look_at(ax, boxes_xyxy, context=2.0, least=0.3):
    """Show only a square around some boxes, so many times as large as they are."""
    boxes_xyxy = np.clip(np.reshape(boxes_xyxy, (-1, 4)), -1, 2)  # an untrained network makes giants
    low, high = boxes_xyxy[:, :2].min(axis=0), boxes_xyxy[:, 2:].max(axis=0)
    margin = margin_for(boxes_xyxy)
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
        ax.text(1, y - 0.23, f"{probabilities[c]:.4f}", ha="right", **text)
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
    boxes_xyxy = np.vstack([box_xyxy, suppressed_xyxy])
    show_image(ax, image, square=True, fade=0.4, margin=margin_for(boxes_xyxy))
    draw_boxes(ax, suppressed_xyxy, SUPPRESSED, [INK] * len(suppressed_xyxy), linewidth=1.4)
    draw_boxes(ax, box_xyxy, DETECTION, zorder=4)
    _look_at(ax, boxes_xyxy, context=1.6)
    return figure


def write_trace(trace, folder, title="", class_names=None):
    """Write a page about a trace: ``index.html`` and its pictures.

    Parameters
    ----------
    trace : minissd.trace.Trace
    folder : str or Path
        Created if needed. Every file is written whole, the page last.
    title : str
    class_names : sequence of str, optional
        Names of classes 1...C-1.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    story = _Story(trace, Path(folder), class_names)
    sections = [story.overview(), story.input(), *map(story.source, range(len(trace.sources)))]
    sections += [story.detection(n) for n in range(1, 1 + min(len(trace.found), MOST_EXPLAINED))]
    side, page = trace.config.image_size, Path(folder) / "index.html"
    intro = (
        f"One picture on its way through the network {trace.config.name}: what was found, what the network "
        "saw of the picture, its feature maps, and for each detection where it comes from. Rows, columns and "
        f"maps are counted from 0; px are pixels of the network's input, {side} × {side}."
    )
    write_page(page, title or trace.config.name, intro, sections)
    return page


class _Story:
    """Saves the pictures of a trace and says what is on them."""

    def __init__(self, trace, folder, class_names):
        self.trace, self.config, self.folder = trace, trace.config, folder
        self.names = [class_name(label, class_names) for label in range(1, self.config.num_classes)]
        self.captions = [f"{self.names[one.label - 1]} {one.score:.2f}" for one in trace.found]

    def save(self, figure, name):
        return save(figure, self.folder / f"{name}.png").name

    def overview(self):
        """All detections with their numbers."""
        found, captions = self.trace.detections, [f"{n} {text}" for n, text in enumerate(self.captions, 1)]
        boxes = found.boxes_xyxy, found.labels, found.scores
        figure = draw_image_boxes(self.trace.image, *boxes, captions=captions)
        sentence = f"Detections over the score {self.trace.options['score_threshold']:g}: {len(found)}"
        if len(found) > MOST_EXPLAINED:
            sentence += f". The best {MOST_EXPLAINED} of them are explained below"
        alt = f"The picture with numbered boxes: {', '.join(captions[:MOST_EXPLAINED]) or 'none'}"
        return Section(self.save(figure, "overview"), "What was found", f"{sentence}.", alt)

    def input(self):
        """What the network is given."""
        figure = draw_input(self.trace.image, as_picture(self.trace.input, self.config))
        sentence = f"{self.trace.describe_input()} In the picture they are turned back into colours."
        alt = "The picture, and beside it the square that the network sees"
        return Section(self.save(figure, "input"), "What the network sees", sentence, alt)

    def source(self, k):
        """One source map."""
        name, maps = list(self.trace.sources.items())[k]
        shown = f"Shown: the {min(len(maps), MOST_CHANNELS)} most active, each light where it is strongest."
        title, alt = f"Map {k}: {name}", f"Channels of {name} as small pictures"
        file = self.save(draw_channels(maps), f"map_{k}")
        return Section(file, title, f"{self.trace.describe_source(k)} {shown}", alt)

    def detection(self, number):
        """Where one detection comes from, and what it suppressed."""
        trace, one, file = self.trace, self.trace.found[number - 1], f"detection_{number:02d}"
        origin = draw_origin(trace.image, self.config, one.place, one.prior_cxcywh, one.offsets)
        alt = f"The default box of detection {number}, its cell, and the box that its offsets make of it"
        title = f"Detection {number}: {self.captions[number - 1]}"
        more = [self.offsets(one), self.classes(one, f"{file}_classes"), *self.suppressed(one, file)]
        return Section(self.save(origin, file), title, trace.describe_origin(one), alt, more)

    def offsets(self, one):
        """The four offsets, and what they do."""
        names, texts = ("x", "y", "width", "height"), one.describe_offsets(self.config.image_size)
        rows = [(name, f"{offset:+.3f}", text) for name, offset, text in zip(names, one.offsets, texts)]
        return Table("What the head predicts for the default box:", ("offset", "value", "the box is"), rows)

    def classes(self, one, file):
        """The probabilities of the best classes."""
        figure = draw_probabilities(one.probabilities, one.label, self.names)
        total = len(one.probabilities)
        few = f", the best {MOST_BARS} of {total}" if total > MOST_BARS else ""
        sentence = f"How probable it finds each class{few}. The background is a class too."
        return Picture(self.save(figure, file), sentence, "Bars of the most probable classes")

    def suppressed(self, one, file):
        """The boxes that were kept out: a picture and a table, if there are any."""
        rows, options = one.suppressed, self.trace.options
        if len(rows) == 0:
            return
        figure = draw_suppressed(self.trace.image, one.box_xyxy, rows.boxes_xyxy)
        counts = Counter(locate(self.config, prior).map for prior in rows.priors)
        by_map = ", ".join(f"{counts[k]} from map {k}" for k in sorted(counts))
        over = f"{'at least' if options['inclusive_nms'] else 'over'} {options['iou_threshold']:g}"
        sentence = f"Suppressed because their IoU with it is {over}: {by_map}."
        alt = f"The detection, and dashed the {len(rows)} boxes that it suppressed"
        yield Picture(self.save(figure, f"{file}_suppressed"), sentence, alt)
        left_out = f", the best {MOST_ROWS} of {len(rows)}" if len(rows) > MOST_ROWS else ""
        columns = ("default box", "map, row, column", "shape", "score", "IoU")
        lines = [self.row_of(one, row) for row in range(min(len(rows), MOST_ROWS))]
        yield Table(f"The same boxes in numbers{left_out}:", columns, lines)

    def row_of(self, one, row):
        """A suppressed box as a row of the table."""
        lost, overlap = one.suppressed, one.ious[row]
        place = locate(self.config, lost.priors[row])
        shape = shape_names(self.config, place.map)[place.box]
        score = f"{self.names[lost.labels[row] - 1]} {lost.scores[row]:.2f}"
        where = f"{place.map}, {place.row}, {place.column}"
        return f"{lost.priors[row]}", where, shape, score, f"{overlap:.2f}"
