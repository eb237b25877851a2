"""A matching, and one default box of it looked at closely: what it overlaps, and what became of it."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Patch, Rectangle

from minissd.boxes import cxcywh_to_xyxy
from minissd.explanation import BELOW_THRESHOLD, OVER_THRESHOLD
from minissd.explanation import FORCED as FORCED_MATCH
from minissd.viz.boxes import draw_boxes, legend_line
from minissd.viz.captions import write_captions
from minissd.viz.matches import object_names
from minissd.viz.outlines import draw_outlines
from minissd.viz.page import new_page, set_panel_title
from minissd.viz.panel import show_image
from minissd.viz.style import FORCED, GROUND_TRUTH, INK, MATCHED, PRIOR, palette

FILL, OVERLAP = 0.3, 0.35  # opacities
MARGIN = 0.08  # the same for all, so that a picture that follows another does not jump
MANY = 60  # more outlines than these are drawn paler
ROLES = {FORCED_MATCH: FORCED, OVER_THRESHOLD: MATCHED, BELOW_THRESHOLD: PRIOR}


def draw_match(
    image, gt_xyxy, labels, priors_cxcywh, explanation, prior=None, rows=slice(None), class_names=None
):
    """Draw all matched default boxes, and beside them one box with the object that it overlaps best.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        Squeezed to a square, as the network sees it.
    gt_xyxy : ndarray, (G, 4)
    labels : ndarray of int, (G,)
    priors_cxcywh : ndarray, (P, 4)
    explanation : minissd.matching.Explanation
        From ``explain(gt_xyxy, priors_cxcywh)``.
    prior : int, optional
        Number of the box to look at; without it the second panel shows the objects only.
    rows : slice or ndarray
        Which boxes to draw on the left, as of one of `minissd.viz.layer_slices`; all by default.
    class_names : sequence of str, optional
        Names of classes 1...C-1.

    Returns
    -------
    matplotlib.figure.Figure
    """
    gt_xyxy = np.asarray(gt_xyxy, dtype=float).reshape(-1, 4)
    names, colors = object_names(labels, class_names), palette(len(gt_xyxy))
    priors = np.arange(len(priors_cxcywh))[rows]
    matched = priors[explanation.reason[priors] != BELOW_THRESHOLD]
    relation = "over" if explanation.strict else "at least"
    legend = [
        legend_line(FORCED, color=INK),
        legend_line(MATCHED, f"matched: IoU {relation} {explanation.iou_threshold:g}", color=INK),
        legend_line(PRIOR, "background", color=INK),
        Patch(facecolor=INK, alpha=OVERLAP, label="overlap"),
    ]
    figure, (everything, closely) = new_page(1, 2, legend=legend, panel_titles=True)
    priors_xyxy = cxcywh_to_xyxy(np.asarray(priors_cxcywh, dtype=float))
    for ax in figure.axes:
        show_image(ax, image, square=True, fade=0.45, margin=MARGIN)
        draw_boxes(ax, gt_xyxy, GROUND_TRUTH, colors, FILL, linewidth=1.0)
    _draw_matched(everything, gt_xyxy, names, priors_xyxy, explanation, matched, colors)
    if prior is not None:
        _draw_closely(closely, gt_xyxy, names, priors_xyxy, explanation, prior, colors)
    return figure


def _draw_matched(ax, gt_xyxy, names, priors_xyxy, explanation, matched, colors):
    set_panel_title(ax, f"{len(matched)} default boxes are matched")
    for reason in (OVER_THRESHOLD, FORCED_MATCH):
        rows = matched[explanation.reason[matched] == reason]
        owners, alpha = explanation.matched_gt[rows], np.clip(MANY / max(len(rows), 1), 0.3, 1)
        draw_outlines(ax, priors_xyxy[rows], ROLES[reason], [colors[g] for g in owners], alpha=alpha)
    write_captions(ax, names, gt_xyxy, colors)


def _draw_closely(ax, gt_xyxy, names, priors_xyxy, explanation, prior, colors):
    """One default box, and filled what it shares with the object that it overlaps best."""
    role, owner = ROLES[explanation.reason[prior]], explanation.matched_gt[prior]
    best, box_xyxy = explanation.best_gt[prior], priors_xyxy[prior]
    color = INK if owner < 0 else colors[owner]
    draw_boxes(ax, box_xyxy, role, [color], linewidth=max(role.linewidth, 2.4))
    write_captions(ax, [f"prior {prior}"], box_xyxy, [color])
    if best < 0:
        set_panel_title(ax, f"prior {prior} overlaps nothing")
        return
    set_panel_title(ax, f"IoU {explanation.best_iou[prior]:.3f} with {names[best]}")
    shared_xyxy = np.concatenate(
        [np.maximum(box_xyxy[:2], gt_xyxy[best, :2]), np.minimum(box_xyxy[2:], gt_xyxy[best, 2:])]
    )
    shared = Rectangle(shared_xyxy[:2], *(shared_xyxy[2:] - shared_xyxy[:2]), color=INK, alpha=OVERLAP)
    ax.add_patch(shared).set(gid="overlap", linewidth=0, zorder=2)
