"""Matching map by map, as in the paper's figure 1: cells, their default boxes, and the matched ones."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection

from minissd import matching
from minissd.boxes import cxcywh_to_xyxy
from minissd.priors import prior_boxes
from minissd.viz.boxes import draw_boxes, draw_image_boxes, legend_line
from minissd.viz.captions import write_captions
from minissd.viz.outlines import grid_lines
from minissd.viz.page import new_page, set_panel_title
from minissd.viz.panel import show_image
from minissd.viz.priors import layer_slices
from minissd.viz.style import FORCED, GROUND_TRUTH, INK, MATCHED, SUPPRESSED, class_color

MARGIN = 0.06  # around the image, for boxes that reach over it


def draw_map_matches(image, gt_xyxy, labels, config, class_names=None, iou_threshold=0.5):
    """Draw a few objects, and on which cells of which map a default box is matched to them.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        Squeezed to a square, as the network sees it.
    gt_xyxy : ndarray, (G, 4)
    labels : ndarray of int, (G,)
    config : SSDConfig
        With few and coarse maps, or the cells cannot be told apart.
    class_names : sequence of str, optional
        Names of classes 1...C-1.
    iou_threshold : float
        As for `minissd.matching.match`.

    Returns
    -------
    matplotlib.figure.Figure
        First the objects, then a panel per map: its cells, all default boxes of each object's best cell
        (thin, dashed), and the matched ones in the colour of their object's class, captioned with their IoU.
    """
    priors_cxcywh = prior_boxes(config)
    why = matching.explain(gt_xyxy, priors_cxcywh, iou_threshold)
    matched = int((why.matched_gt >= 0).sum())
    title = f"{matched} of {len(priors_cxcywh)} default boxes learn an object, all others learn background"
    figure, axes = _panels(1 + len(config.feature_maps), title, iou_threshold)
    draw_image_boxes(image, gt_xyxy, labels, None, class_names, None, GROUND_TRUTH, "the objects", axes[0])
    for layer, (ax, rows) in enumerate(zip(axes[1:], layer_slices(config))):
        show_image(ax, image, square=True, fade=0.55, margin=MARGIN)
        _draw_grid(ax, config.steps[layer] / config.image_size, config.feature_maps[layer])
        found = _draw_matched(ax, priors_cxcywh, why, rows, config.boxes_per_cell[layer], labels)
        words = f"{found} matched, by IoU" if found else "none matched"
        set_panel_title(ax, f"{config.feature_maps[layer]} × {config.feature_maps[layer]} map: {words}")
    return figure


def _panels(count, title, iou_threshold):
    """A page with so many panels, three side by side."""
    legend = [
        legend_line(SUPPRESSED, "other boxes of the cell"),
        legend_line(FORCED, "best box of an object: forced", color=INK),
        legend_line(MATCHED, f"other boxes with IoU ≥ {iou_threshold:g}", color=INK, linewidth=1.8),
    ]
    figure, axes = new_page(-(-count // 3), min(count, 3), 1.0, title, legend, panel_titles=True)
    for ax in axes[count:]:
        ax.set_axis_off()
    return figure, axes[:count]


def _draw_grid(ax, step, side):
    """The cells of a map."""
    style = {"linewidths": 0.5, "alpha": 0.45, "gid": "grid"}
    ax.add_collection(LineCollection(grid_lines(side, step), colors=INK, **style))


def _draw_matched(ax, priors_cxcywh, why, rows, k, labels):
    """Draw the matched boxes of one map and the others of each object's best cell; return how many match."""
    priors_xyxy, matched_gt = cxcywh_to_xyxy(priors_cxcywh[rows]), why.matched_gt[rows]
    overlap, reason = why.best_iou[rows], why.reason[rows]
    matched = np.flatnonzero(matched_gt >= 0)
    matched = matched[np.argsort(-overlap[matched], kind="stable")]
    for g in np.unique(matched_gt[matched]):
        best = matched[matched_gt[matched] == g][0]
        cell = best - best % k + np.arange(k)
        draw_boxes(ax, priors_xyxy[cell[matched_gt[cell] < 0]], SUPPRESSED, casing=False)
    colors = [class_color(labels[g]) for g in matched_gt[matched]]
    for row, color in zip(matched[::-1], colors[::-1]):  # the best on top
        role = FORCED if reason[row] == matching.FORCED else MATCHED
        draw_boxes(ax, priors_xyxy[row], role, [color], zorder=4, linewidth=max(role.linewidth, 1.8))
    write_captions(ax, [f"{overlap[row]:.2f}" for row in matched], priors_xyxy[matched], colors)
    return len(matched)
