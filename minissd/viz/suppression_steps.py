"""Non-maximum suppression step by step: one kept box at a time, and whom it suppresses."""

from __future__ import annotations

import numpy as np

from minissd.boxes import iou
from minissd.nms import KEPT, suppressed_by
from minissd.viz.boxes import draw_boxes, legend_line
from minissd.viz.captions import write_captions
from minissd.viz.page import new_page, set_panel_title
from minissd.viz.panel import check_image, image_aspect, show_image
from minissd.viz.style import DETECTION, FAINT_INK, PRIOR, SUPPRESSED

WAITING = PRIOR.color


def draw_suppression_steps(image, boxes_xyxy, scores, iou_threshold=0.45, most_steps=5):
    """Draw non-maximum suppression as it goes: a panel for all candidates, then one per kept box.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    boxes_xyxy : ndarray, (B, 4)
        Candidates of one class, fractions of the image; a dozen at most can be told apart.
    scores : ndarray, (B,)
    iou_threshold : float
    most_steps : int
        No more panels than that after the first.

    Returns
    -------
    matplotlib.figure.Figure
        In each step the best box that is left is kept (thick), and every other one that is left shows its
        IoU with it: over the threshold it is suppressed (dashed), else it waits for a later step. What is
        decided stays as faint lines.
    """
    boxes_xyxy = np.asarray(boxes_xyxy, dtype=float).reshape(-1, 4)
    scores = np.asarray(scores, dtype=float)
    suppressor = suppressed_by(boxes_xyxy, scores, iou_threshold)
    best_first = np.argsort(-scores, kind="stable")
    kept = best_first[suppressor[best_first] == KEPT]
    title = f"{len(boxes_xyxy)} candidates, {len(kept)} steps, {len(kept)} boxes stay"
    kept = kept[:most_steps]
    figure, axes = _panels(image, 1 + len(kept), title, iou_threshold)
    _draw_candidates(axes[0], boxes_xyxy, scores, best_first)
    for step, (ax, best) in enumerate(zip(axes[1:], kept)):
        gone = np.isin(suppressor, kept[:step]) | np.isin(np.arange(len(scores)), kept[:step])
        _draw_step(ax, boxes_xyxy, best, np.flatnonzero(~gone), suppressor)
        draw_boxes(ax, boxes_xyxy[kept[:step]], DETECTION, [FAINT_INK] * step, linewidth=1, casing=False)
        set_panel_title(ax, f"step {step + 1}: keep {scores[best]:.2f}")
    return figure


def _panels(image, count, title, iou_threshold):
    """A page with the image in so many panels."""
    legend = [
        legend_line(DETECTION, "kept now"),
        legend_line(SUPPRESSED, f"suppressed: IoU over {iou_threshold:g}", linewidth=1.6),
        legend_line(PRIOR, "waits", linestyle="solid", linewidth=1.6),
        legend_line(DETECTION, "kept before", color=FAINT_INK, linewidth=1),
    ]
    columns = 2 if count in (2, 4) else min(count, 3)
    aspect = image_aspect(check_image(image))
    figure, axes = new_page(-(-count // columns), columns, aspect, title, legend, panel_titles=True)
    for ax in axes[:count]:
        show_image(ax, image, fade=0.45)
    for ax in axes[count:]:
        ax.set_visible(False)
    return figure, axes[:count]


def _draw_candidates(ax, boxes_xyxy, scores, best_first):
    """All boxes with their scores."""
    set_panel_title(ax, "candidates with their scores")
    draw_boxes(ax, boxes_xyxy, PRIOR, linestyle="solid", linewidth=1.8)
    texts = [f"{scores[row]:.2f}" for row in best_first]
    write_captions(ax, texts, boxes_xyxy[best_first], [WAITING] * len(texts))


def _draw_step(ax, boxes_xyxy, best, left, suppressor):
    """The box that is kept, and the boxes that are left with their IoU."""
    others = left[left != best]
    overlaps = iou(boxes_xyxy[others], boxes_xyxy[[best]])[:, 0]  # (M,)
    lost = suppressor[others] == best
    draw_boxes(ax, boxes_xyxy[others[lost]], SUPPRESSED, linewidth=1.8)
    draw_boxes(ax, boxes_xyxy[others[~lost]], PRIOR, linestyle="solid", linewidth=1.8)
    draw_boxes(ax, boxes_xyxy[best], DETECTION, zorder=4)
    order = np.argsort(-overlaps, kind="stable")
    order = order[lost[order] | (overlaps[order] > 0)]  # boxes far away need no word
    colors = [SUPPRESSED.color if lost[i] else WAITING for i in order]
    write_captions(ax, [f"IoU {overlaps[i]:.2f}" for i in order], boxes_xyxy[others[order]], colors)
