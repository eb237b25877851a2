"""Non-maximum suppression, round by round: one box is kept, and those that overlap it too much go."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D

from minissd.boxes import iou
from minissd.nms import KEPT
from minissd.viz.boxes import draw_boxes, legend_line
from minissd.viz.captions import write_captions
from minissd.viz.outlines import draw_outlines
from minissd.viz.page import as_chart, new_page, set_panel_title
from minissd.viz.panel import check_image, image_aspect, show_image
from minissd.viz.style import DETECTION, FAINT_INK, INK, SUPPRESSED

WAITING = 0.4  # opacity of boxes whose fate is open
MOST_CAPTIONS = 5


def suppression_rounds(scores, suppressor):
    """Return the rounds of a suppression: which box each keeps, and which boxes this one suppresses.

    Parameters
    ----------
    scores : ndarray, (B,)
    suppressor : ndarray of int, (B,)
        From `minissd.nms.suppressed_by`.

    Returns
    -------
    list of (int, ndarray of int)
        The kept box and the suppressed ones, these best first; the rounds in their order.

    Examples
    --------
    >>> suppression_rounds(np.array([0.9, 0.7, 0.8]), np.array([-1, -1, 0]))
    [(0, array([2])), (1, array([], dtype=int64))]
    """
    best_first = np.argsort(-np.asarray(scores), kind="stable")
    owner = np.asarray(suppressor)[best_first]
    return [(int(kept), best_first[owner == kept]) for kept in best_first[owner == KEPT]]


def draw_suppression_round(image, boxes_xyxy, scores, suppressor, number=0, iou_threshold=0.45, name=""):
    """Draw one round of non-maximum suppression.

    On the left the kept box is thick, the boxes that it suppresses are dashed, those that wait for a later
    round are pale; what was suppressed before is gone. On the right every box is a mark at its IoU with the
    kept box: right of the threshold it goes.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    boxes_xyxy : ndarray, (B, 4)
        Candidates of one class, fractions of the image.
    scores : ndarray, (B,)
    suppressor : ndarray of int, (B,)
        From ``minissd.nms.suppressed_by(boxes_xyxy, scores, iou_threshold)``.
    number : int
        Of the round, from 0.
    iou_threshold : float
        Of the suppression.
    name : str
        Of the class.

    Returns
    -------
    matplotlib.figure.Figure
    """
    boxes_xyxy = np.asarray(boxes_xyxy, dtype=float).reshape(-1, 4)
    rounds = suppression_rounds(scores, suppressor)
    aspect = image_aspect(check_image(image))
    title = f"Suppression{' of ' + name if name else ''}: "
    title += f"round {number + 1} of {len(rounds)}" if rounds else "no candidates"
    figure, (picture, chart) = new_page(1, 2, aspect, title, _legend(), panel_titles=True)
    show_image(picture, image, fade=0.35)
    as_chart(chart, "IoU with the box that is kept now", "score")
    chart.set(xlim=(-0.03, 1.05), ylim=(0, 1.05))
    chart.axvspan(iou_threshold, 1.05, color=SUPPRESSED.color, alpha=0.15, linewidth=0, gid="goes")
    if rounds:
        chart.axvline(iou_threshold, color=FAINT_INK, linewidth=1.5, gid="threshold")
        parts = _parts(rounds, number)
        _draw_boxes(picture, boxes_xyxy, scores, *parts)
        _draw_marks(chart, iou(boxes_xyxy, boxes_xyxy[[parts[1]]])[:, 0], np.asarray(scores), *parts)
        set_panel_title(chart, f"over {iou_threshold:g}: suppressed")
    return figure


def _parts(rounds, number):
    """Rows of the boxes kept before, kept now, suppressed now, and waiting."""
    before = [kept for kept, _ in rounds[:number]]
    kept, suppressed = rounds[number]
    waiting = [row for later, others in rounds[number + 1 :] for row in (later, *others)]
    return np.array(before, int), kept, suppressed, np.array(waiting, int)


def _legend():
    return [
        legend_line(DETECTION, "kept now", linewidth=4),
        legend_line(DETECTION, "kept before", linewidth=1.6),
        legend_line(SUPPRESSED, "suppressed now", INK, linewidth=1.4),
        Line2D([], [], color=DETECTION.color, alpha=WAITING, label="waiting"),
    ]


def _draw_boxes(ax, boxes_xyxy, scores, before, kept, suppressed, waiting):
    set_panel_title(ax, f"{len(suppressed)} suppressed, {len(waiting)} wait")
    cut_xyxy = boxes_xyxy.clip(0, 1)
    draw_outlines(ax, cut_xyxy[waiting], DETECTION, linewidths=1.0, alpha=WAITING, zorder=2, gid="waiting")
    draw_outlines(ax, cut_xyxy[suppressed], SUPPRESSED, [INK] * len(suppressed), linewidths=1.4)
    draw_boxes(ax, cut_xyxy[before], DETECTION, linewidth=1.6, gid="kept-before")
    draw_boxes(ax, cut_xyxy[kept], DETECTION, linewidth=4, zorder=5, clip_on=False)
    rows = [kept, *before][:MOST_CAPTIONS]
    texts = [f"{scores[row]:.2f}" for row in rows]
    write_captions(ax, texts, cut_xyxy[rows], [DETECTION.color] * len(rows))


def _draw_marks(ax, overlap, scores, before, kept, suppressed, waiting):
    marks = (
        (waiting, {"marker": "o", "color": DETECTION.color, "alpha": WAITING, "gid": "waiting-marks"}),
        (before, {"marker": "s", "color": DETECTION.color, "gid": "kept-before-marks"}),
        (suppressed, {"marker": "x", "color": INK, "gid": "suppressed-marks"}),
        ([kept], {"marker": "*", "s": 150, "color": DETECTION.color, "gid": "kept-mark"}),
    )
    for rows, style in marks:
        ax.scatter(overlap[rows], scores[rows], **{"s": 30, "zorder": 4, "clip_on": False, **style})
