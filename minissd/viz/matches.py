"""Which default boxes learn which object, and why: the paper's Figure 1, for any image."""

from __future__ import annotations

import numpy as np
from matplotlib.patches import Patch

from minissd.boxes import cxcywh_to_xyxy, iou
from minissd.matching import FORCED as FORCED_MATCH
from minissd.matching import OVER_THRESHOLD
from minissd.viz.boxes import draw_boxes, legend_line
from minissd.viz.captions import write_captions
from minissd.viz.page import new_page, set_panel_title
from minissd.viz.panel import margin_for, show_image
from minissd.viz.priors import draw_centers, layer_slices
from minissd.viz.style import FAINT_INK, FORCED, GROUND_TRUTH, INK, MATCHED, class_name, palette

MOST_IN_LEGEND = 8
FILL = 0.3  # opacity of an object in a map that learns it
MOST_CENTERS = 400  # a finer grid is a grey haze


def draw_matches(image, gt_xyxy, labels, priors_cxcywh, explanation, class_names=None, config=None):
    """Draw which default box is matched to which object.

    Each object has a colour and is filled with it. Its forced default box is thick and dashed, those over
    the threshold are thin. The image is squeezed to a square, as the network sees it.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    gt_xyxy : ndarray, (G, 4)
    labels : ndarray of int, (G,)
    priors_cxcywh : ndarray, (P, 4)
    explanation : minissd.matching.Explanation
        From ``explain(gt_xyxy, priors_cxcywh)``.
    class_names : sequence of str, optional
        Names of classes 1...C-1.
    config : SSDConfig, optional
        With it, every feature map has its own panel, and one sees which map learns which object.

    Returns
    -------
    matplotlib.figure.Figure
    """
    gt_xyxy = np.asarray(gt_xyxy, dtype=float).reshape(-1, 4)
    names = object_names(labels, class_names)
    lines = match_summary(gt_xyxy, names, priors_cxcywh, explanation)
    colors = palette(len(names))
    legend = _legend(lines, colors, explanation)
    matched = explanation.matched_gt >= 0
    title = f"{int(matched.sum())} of {len(matched)} default boxes are matched"
    slices = [slice(None)] if config is None else layer_slices(config)
    figure, axes = _panels(len(slices), title, legend, config is not None)
    margin = margin_for(cxcywh_to_xyxy(np.asarray(priors_cxcywh)[matched]), limit=0.1)
    for layer, (ax, rows) in enumerate(zip(axes, slices)):
        show_image(ax, image, square=True, fade=0.35 if matched[rows].any() else 0.7, margin=margin)
        if config is not None:
            _describe_map(ax, config, layer, priors_cxcywh[rows], int(matched[rows].sum()))
        priors = np.arange(len(matched))[rows]
        _draw_layer(ax, gt_xyxy, names, priors_cxcywh, explanation, priors, colors)
    return figure


def _panels(count, title, legend, panel_titles):
    columns = 1 if count == 1 else 2 if count in (2, 4) else 3
    rows = -(-count // columns)
    height = 6.0 if count == 1 else 3.3
    figure, axes = new_page(rows, columns, 1.0, title, legend, panel_titles, max_panel_height=height)
    for ax in axes[count:]:
        ax.set_axis_off()
    return figure, axes[:count]


def _describe_map(ax, config, layer, priors_cxcywh, num_matched):
    side = config.feature_maps[layer]
    found = f"{num_matched} matched" if num_matched else "no match"
    set_panel_title(ax, f"{side} × {side} map: {found}", INK if num_matched else FAINT_INK)
    if side * side <= MOST_CENTERS:
        draw_centers(ax, priors_cxcywh[:: config.boxes_per_cell[layer], :2])


def _legend(lines, colors, explanation):
    legend = [Patch(facecolor=color, alpha=0.8, label=line) for line, color in zip(lines, colors)]
    if len(lines) > MOST_IN_LEGEND:
        more = f"and {len(lines) - MOST_IN_LEGEND} more objects"
        legend[MOST_IN_LEGEND:] = [Patch(facecolor="none", label=more)]
    over = f"matched: IoU at least {explanation.iou_threshold:g}"
    return [*legend, legend_line(FORCED, color=INK), legend_line(MATCHED, over, color=INK)]


def _draw_layer(ax, gt_xyxy, names, priors_cxcywh, explanation, priors, colors):
    """Draw the objects, and those of the given priors that are matched."""
    matched = priors[explanation.matched_gt[priors] >= 0]
    served = np.unique(explanation.matched_gt[matched])
    for g, box_xyxy in enumerate(gt_xyxy):
        fill = FILL if g in served else 0.0
        draw_boxes(ax, box_xyxy, GROUND_TRUTH, [colors[g]], fill, casing=g not in served, linewidth=1.0)
    for role, reason in ((MATCHED, OVER_THRESHOLD), (FORCED, FORCED_MATCH)):
        rows = matched[explanation.reason[matched] == reason]
        owners = [colors[g] for g in explanation.matched_gt[rows]]
        draw_boxes(ax, cxcywh_to_xyxy(priors_cxcywh[rows]), role, owners)
    texts = [names[g] if len(names) <= MOST_IN_LEGEND else str(g) for g in served]
    write_captions(ax, texts, gt_xyxy[served], [colors[g] for g in served])


def object_names(labels, class_names=None):
    """Number the objects of an image.

    Examples
    --------
    >>> object_names([2, 1], ["cat", "dog"])
    ['0 dog', '1 cat']
    """
    return [f"{g} {class_name(label, class_names)}" for g, label in enumerate(labels)]


def match_summary(gt_xyxy, names, priors_cxcywh, explanation):
    """Say for each object how many default boxes learn it, and why.

    Parameters
    ----------
    gt_xyxy : ndarray, (G, 4)
    names : sequence of str
        One per object.
    priors_cxcywh : ndarray, (P, 4)
    explanation : minissd.matching.Explanation

    Returns
    -------
    list of str
        Like ``"0 cat: forced 1, over threshold 7, best IoU 0.81"``.
    """
    priors_xyxy = cxcywh_to_xyxy(np.asarray(priors_cxcywh, dtype=float))
    lines = []
    for g, name in enumerate(names):
        rows = np.flatnonzero(explanation.matched_gt == g)
        if len(rows) == 0:
            lines.append(f"{name}: matched to nothing, not learned")
            continue
        forced = int((explanation.reason[rows] == FORCED_MATCH).sum())
        best = float(iou(priors_xyxy[rows], gt_xyxy[g : g + 1]).max())
        lines.append(f"{name}: forced {forced}, over threshold {len(rows) - forced}, best IoU {best:.2f}")
    return lines
