"""The same sample, augmented again and again."""

from __future__ import annotations

import numpy as np

from minissd.errors import InputError
from minissd.viz.boxes import draw_image_boxes
from minissd.viz.page import new_page
from minissd.viz.panel import image_aspect
from minissd.viz.style import GROUND_TRUTH


def draw_augmentation(samples, class_names=None, columns=3, titles=None, title=""):
    """Draw samples in a grid, each with its boxes.

    Parameters
    ----------
    samples : sequence of Sample
        Such as one sample and what several random augmentations made of it.
    class_names : sequence of str, optional
        Names of classes 1...C-1.
    columns : int
    titles : sequence of str, optional
        One per sample.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there are no samples.
    """
    samples = list(samples)
    if not samples:
        raise InputError("samples: there are none (give at least one)")
    columns = min(columns, len(samples))
    rows = -(-len(samples) // columns)
    aspect = float(np.median([image_aspect(sample.image) for sample in samples]))
    figure, axes = new_page(rows, columns, aspect, title, panel_titles=titles is not None)
    for i, (ax, sample) in enumerate(zip(axes, samples)):
        note = "" if titles is None else titles[i]
        draw_image_boxes(
            sample.image, sample.gt_xyxy, sample.labels, None, class_names, None, GROUND_TRUTH, note, ax
        )
    for ax in axes[len(samples) :]:
        ax.set_axis_off()
    return figure
