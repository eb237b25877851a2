"""Captions of boxes: short texts on a coloured tag, placed so that none covers another."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.patches import Rectangle

from minissd.boxes import area
from minissd.viz.page import line_scale, text_font
from minissd.viz.style import CAPTION_SIZE, contrast_color

PADDING = 0.22  # of the height of a line, on each side of a text
MOST_COVERED = 0.2  # of the panel, by all captions together
OUTSET = 1.5  # points; captions stand on the outer edge of the lines


def place_captions(sizes, boxes, frame):
    """Find a place for the caption of each box, one after the other.

    A caption goes above its box, at the left; where that is taken, to the next free place around the box,
    rather not over a box that it would mostly hide. It is moved inside the frame where it would stick
    out. A caption that finds no free place is left out, and so are those that would bring the area of all
    captions over a fifth of the frame; the important ones come first.

    Parameters
    ----------
    sizes : sequence of (width, height)
    boxes : ndarray, (B, 4)
        Corners, y downwards, in the unit of `sizes`.
    frame : (x1, y1, x2, y2)

    Returns
    -------
    list of (x1, y1, x2, y2) or None
        Tags that lie in the frame and do not overlap; None for a caption that is left out.

    Examples
    --------
    Two boxes at the same place: the first caption goes on top at the left, the second at the right.

    >>> box = [10.0, 20.0, 50.0, 60.0]
    >>> place_captions([(20, 8), (20, 8)], np.array([box, box]), (0, 0, 100, 100))
    [(10.0, 12.0, 30.0, 20.0), (30.0, 12.0, 50.0, 20.0)]
    """
    frame_size = np.subtract(frame[2:], frame[:2])
    space = MOST_COVERED * frame_size.prod()
    placed, result = np.zeros((0, 4)), []
    for (width, height), box in zip(sizes, boxes):
        tag = None
        if width <= frame_size[0] and height <= frame_size[1] and width * height <= space:
            candidates = _candidates(width, height, box, frame)  # (K, 4)
            free = candidates[~(_shared_area(candidates, placed) > 1e-6).any(axis=1)]
            if len(free):
                hides = _shared_area(free, boxes) > 0.4 * area(boxes)
                tag = tuple(free[np.argmin(hides.any(axis=1))].tolist())
                placed = np.vstack([placed, tag])
                space -= width * height
        result.append(tag)
    return result


def _candidates(width, height, box, frame):
    """Tags around a box, best first: above, inside at the top, below, inside at the bottom, then further."""
    x1, y1, x2, y2 = np.clip(box, np.tile(frame[:2], 2), np.tile(frame[2:], 2))
    lefts = [x1, x2 - width, (x1 + x2 - width) / 2]
    top_left = [(x, y) for y in (y1 - height, y1, y2, y2 - height) for x in lefts]
    beside = np.arange(y1, max(y2 - height / 2, y1 + 1e-9), height)[:20]
    top_left += [(x, y) for y in beside for x in (x2, x1 - width, x1, x2 - width)]
    further = [y1 - 2 * height, y1 + height, y2 + height, y2 - 2 * height]
    top_left += [(x, y) for y in further for x in (*lefts, x1 - width / 2, x2 - width / 2)]
    top_left = np.clip(top_left, frame[:2], np.subtract(frame[2:], (width, height)))
    return np.hstack([top_left, top_left + (width, height)])


def _shared_area(a, b):
    """Area that each rectangle of `a` shares with each of `b`, (A, B)."""
    size = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    return size.clip(0).prod(axis=-1)


def write_captions(ax, texts, boxes_xyxy, colors, fontsize=CAPTION_SIZE):
    """Write the captions of boxes into a panel.

    Parameters
    ----------
    ax : Axes
        Already on its page and with its limits set.
    texts : sequence of str
        In order of importance; an empty text has no caption.
    boxes_xyxy : ndarray, (B, 4)
        In the coordinates of the panel.
    colors : sequence of str
        Of the tags; the text is black or white, whichever contrasts.

    Returns
    -------
    list of int
        The captions that found a place.
    """
    ax.apply_aspect()
    frame = _to_screen(ax, ax.viewLim.extents)[0]
    rows = [row for row, text in enumerate(texts) if text]
    sizes, descent = _text_sizes([texts[row] for row in rows], fontsize, ax.figure.dpi)
    boxes = _to_screen(ax, np.asarray(boxes_xyxy, dtype=float).reshape(-1, 4)[rows])
    boxes += np.array([-1, -1, 1, 1]) * OUTSET * line_scale(ax) * ax.figure.dpi / 72
    written = []
    for row, tag in zip(rows, place_captions(sizes, boxes, frame)):
        if tag is not None:
            _draw_tag(ax, texts[row], tag, descent, colors[row], fontsize)
            written.append(row)
    return written


def _text_sizes(texts, fontsize, dpi):
    """Width of each tag, their common height, and how far below the baseline a text reaches; in pixels."""
    renderer, font = RendererAgg(8, 8, dpi), text_font(fontsize)
    _, line_height, descent = renderer.get_text_width_height_descent("Ág", font, False)
    padding = PADDING * line_height
    widths = [renderer.get_text_width_height_descent(text, font, False)[0] for text in texts]
    return [(w + 2 * padding, line_height + padding) for w in widths], descent + padding / 2


def _draw_tag(ax, text, tag, descent, color, fontsize):
    x1, y1, x2, y2 = _from_screen(ax, tag)
    rectangle = Rectangle((x1, y1), x2 - x1, y2 - y1, facecolor=color, edgecolor="none", alpha=0.92)
    rectangle.set(gid="caption", zorder=6, clip_on=False)
    ax.add_patch(rectangle)
    x, y, *_ = _from_screen(ax, ((tag[0] + tag[2]) / 2, tag[3] - descent, 0, 0))
    ink = contrast_color(color)
    style = {"ha": "center", "va": "baseline", "zorder": 7, "parse_math": False, "color": ink}
    ax.text(x, y, text, fontproperties=text_font(fontsize), **style)


def _to_screen(ax, boxes):
    """Boxes of a panel in screen pixels, y downwards, corners in order."""
    points = ax.transData.transform(np.reshape(boxes, (-1, 2))) * [1, -1]
    corners = points.reshape(-1, 2, 2)
    return np.hstack([corners.min(axis=1), corners.max(axis=1)])  # (B, 4)


def _from_screen(ax, box):
    points = np.reshape(box, (2, 2)) * [1, -1]
    return ax.transData.inverted().transform(points).ravel()
