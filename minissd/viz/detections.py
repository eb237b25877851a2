"""What was found beside what is there."""

from __future__ import annotations

import numpy as np

from minissd.plural import counted
from minissd.viz.boxes import draw_image_boxes
from minissd.viz.page import new_page
from minissd.viz.panel import check_image, image_aspect
from minissd.viz.style import DETECTION, GROUND_TRUTH


def draw_detections(
    image, detections, gt_xyxy=None, gt_labels=None, class_names=None, score_threshold=0.3, title=""
):
    """Draw the detections of an image, beside its ground truths where they are known.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    detections : Detections
        Anything with ``boxes_xyxy``, ``scores`` and ``labels``.
    gt_xyxy : ndarray, (G, 4), optional
    gt_labels : ndarray of int, (G,), optional
    class_names : sequence of str, optional
        Names of classes 1...C-1.
    score_threshold : float
        Detections of a lower score are not drawn: SSD keeps 200, most of them of no weight.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = np.flatnonzero(np.asarray(detections.scores) >= score_threshold)
    found = [np.asarray(a)[rows] for a in (detections.boxes_xyxy, detections.labels, detections.scores)]
    note = f"detections: {len(rows)} of score {score_threshold:g} or more"
    aspect = image_aspect(check_image(image))
    panels = 1 if gt_xyxy is None else 2
    columns = panels if aspect > 0.5 else 1
    figure, axes = new_page(panels // columns, columns, aspect, title, panel_titles=True)
    if gt_xyxy is not None:
        count = f"ground truth: {counted(len(gt_xyxy), 'object')}"
        draw_image_boxes(image, gt_xyxy, gt_labels, None, class_names, None, GROUND_TRUTH, count, axes[0])
    draw_image_boxes(image, *found, class_names, None, DETECTION, note, axes[-1])
    return figure
