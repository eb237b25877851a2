"""Non-maximum suppression before and after: which box stays, and which box it silences."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection

from minissd.nms import KEPT
from minissd.viz.boxes import draw_boxes, legend_line
from minissd.viz.captions import write_captions
from minissd.viz.page import new_page, set_panel_title
from minissd.viz.panel import check_image, image_aspect, show_image
from minissd.viz.style import DETECTION, SUPPRESSED


def draw_suppression(image, boxes_xyxy, scores, suppressor, name=""):
    """Draw the candidates of one class before and after non-maximum suppression.

    On the right, kept boxes are solid; each suppressed box is thin and dashed, and a line leads from its
    centre to the centre of the box that suppressed it.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    boxes_xyxy : ndarray, (B, 4)
        Candidates of one class, fractions of the image.
    scores : ndarray, (B,)
    suppressor : ndarray of int, (B,)
        From ``minissd.nms.suppressed_by(boxes_xyxy, scores)``.
    name : str
        Of the class.

    Returns
    -------
    matplotlib.figure.Figure
    """
    boxes_xyxy = np.asarray(boxes_xyxy, dtype=float).reshape(-1, 4)
    scores, suppressor = np.asarray(scores, dtype=float), np.asarray(suppressor)
    kept, suppressed = np.flatnonzero(suppressor == KEPT), np.flatnonzero(suppressor >= 0)
    considered = np.sort(np.concatenate([kept, suppressed]))
    legend = [
        legend_line(DETECTION, "kept"),
        legend_line(SUPPRESSED, "suppressed, with a line to the box that did it"),
    ]
    aspect = image_aspect(check_image(image))
    title = f"Suppression{' of ' + name if name else ''}: {len(kept)} of {len(considered)} boxes stay"
    columns = 2 if aspect > 0.5 else 1
    figure, (before, after) = new_page(2 // columns, columns, aspect, title, legend, panel_titles=True)
    _draw_before(before, image, boxes_xyxy[considered], scores[considered])
    _draw_after(after, image, boxes_xyxy, scores, suppressor, kept, suppressed)
    return figure


def _draw_before(ax, image, boxes_xyxy, scores):
    show_image(ax, image, fade=0.35)
    set_panel_title(ax, f"before: {len(boxes_xyxy)} candidates")
    for row in np.argsort(scores, kind="stable"):  # the best on top
        draw_boxes(ax, boxes_xyxy[row].clip(0, 1), DETECTION, linewidth=1.6, alpha=0.35 + 0.6 * scores[row])


def _draw_after(ax, image, boxes_xyxy, scores, suppressor, kept, suppressed):
    show_image(ax, image, fade=0.35)
    set_panel_title(ax, f"after: {len(kept)} kept, {len(suppressed)} suppressed")
    cut_xyxy = boxes_xyxy.clip(0, 1)
    draw_boxes(ax, cut_xyxy[suppressed], SUPPRESSED, casing=False, zorder=2)
    centers = (cut_xyxy[:, :2] + cut_xyxy[:, 2:]) / 2
    links = [centers[[row, suppressor[row]]] for row in suppressed]
    ax.add_collection(LineCollection(links, colors=SUPPRESSED.color, linewidths=1, zorder=4, gid="link"))
    ax.scatter(*centers[suppressed].T, s=9, color=SUPPRESSED.color, zorder=4, gid="suppressed-centers")
    ax.scatter(
        *centers[kept].T, s=26, color=DETECTION.color, edgecolors="white", zorder=5, gid="kept-centers"
    )
    best_first = kept[np.argsort(-scores[kept], kind="stable")]
    draw_boxes(ax, cut_xyxy[best_first], DETECTION, zorder=3, clip_on=False)
    silenced = [int((suppressor == row).sum()) for row in best_first]
    texts = [f"{scores[row]:.2f}" + (f" beats {n}" if n else "") for row, n in zip(best_first, silenced)]
    write_captions(ax, texts, cut_xyxy[best_first], [DETECTION.color] * len(best_first))
