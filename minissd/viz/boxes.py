"""Boxes over an image: the picture on which all others are built."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, Stroke

from minissd.viz.captions import write_captions
from minissd.viz.page import line_scale, new_page, set_panel_title
from minissd.viz.panel import check_image, image_aspect, show_image
from minissd.viz.style import DETECTION, casing_color, class_color, class_name

SOLID = {"dash_offset": 0, "dash_list": None}  # the casing of a dashed line has no gaps


def draw_boxes(ax, boxes_xyxy, role, colors=None, fill=0.0, casing=True, **style):
    """Add a rectangle per box to a panel, in the style of a role.

    Parameters
    ----------
    ax : Axes
        A panel whose coordinates are fractions of the image (`minissd.viz.panel.show_image`).
    boxes_xyxy : ndarray, (B, 4)
    role : Role
    colors : sequence of str, optional
        One per box; the role's own otherwise.
    fill : float
        Opacity of the inside.
    casing : bool
        Put a thin white line on both sides, which keeps the box visible on any image.
    **style
        Replaces the role's ``linewidth``, ``linestyle``, ``zorder``... Lines get thinner on small panels.

    Returns
    -------
    list of Rectangle
        In the order of the boxes; ``gid`` is the role's name.
    """
    boxes_xyxy = np.asarray(boxes_xyxy, dtype=float).reshape(-1, 4)
    style = {"linewidth": role.linewidth, "linestyle": role.linestyle, "zorder": 3, **style}
    style["linewidth"] *= line_scale(ax)
    patches = []
    for row, (x1, y1, x2, y2) in enumerate(boxes_xyxy):
        color = role.color if colors is None else colors[row]
        patch = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, gid=role.name)
        patch.set(joinstyle="miter", **style)
        if casing:
            width = style["linewidth"] + min(0.6 * style["linewidth"], 1.2)
            outer = Stroke(linewidth=width, foreground=casing_color(color), alpha=0.8, dashes=SOLID)
            patch.set_path_effects([outer, Normal()])
        if fill:
            inside = Rectangle((x1, y1), x2 - x1, y2 - y1, color=color, alpha=fill, linewidth=0, zorder=1)
            ax.add_patch(inside).set_gid(f"{role.name}-fill")
        patches.append(ax.add_patch(patch))
    return patches


def legend_line(role, label=None, color=None, **style):
    """Return a legend entry that looks like the boxes of a role."""
    style = {"linewidth": role.linewidth, "linestyle": role.linestyle, **style}
    return Line2D([], [], color=color or role.color, label=label or role.label, **style)


def draw_image_boxes(
    image,
    boxes_xyxy,
    labels=None,
    scores=None,
    class_names=None,
    captions=None,
    role=DETECTION,
    title="",
    ax=None,
):
    """Draw boxes with their captions over an image: ground truths or detections.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    boxes_xyxy : ndarray, (B, 4)
        Fractions of the image. They are drawn cut at its border.
    labels : ndarray of int, (B,), optional
        Classes; they give the colours and, without `captions`, the captions.
    scores : ndarray, (B,), optional
        Added to the captions; boxes of high score are drawn on top and captioned first.
    class_names : sequence of str, optional
        Names of classes 1...C-1.
    captions : sequence of str, optional
    role : Role
        Width and dashes of the lines, and their colour where there are no labels.
    title : str
    ax : Axes, optional
        Draw on this one instead of a page of its own.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if ax is None:
        _, (ax,) = new_page(aspect=image_aspect(check_image(image)), title=title)
    elif title:
        set_panel_title(ax, title)
    show_image(ax, image)
    boxes_xyxy = np.asarray(boxes_xyxy, dtype=float).reshape(-1, 4).clip(0, 1)
    colors = [role.color] * len(boxes_xyxy) if labels is None else [class_color(label) for label in labels]
    if captions is None:
        captions = box_captions(len(boxes_xyxy), labels, scores, class_names)
    order = np.arange(len(boxes_xyxy)) if scores is None else np.argsort(-np.asarray(scores), kind="stable")
    for rank, row in enumerate(order):
        draw_boxes(ax, boxes_xyxy[row], role, [colors[row]], zorder=4 - rank / len(order), clip_on=False)
    write_captions(ax, [captions[r] for r in order], boxes_xyxy[order], [colors[r] for r in order])
    return ax.figure


def box_captions(count, labels=None, scores=None, class_names=None):
    """Return "name score" for every box, or what of it is known.

    Examples
    --------
    >>> box_captions(2, [2, 1], [0.91, 1.0], ["cat", "dog"])
    ['dog 0.91', 'cat 1.00']
    >>> box_captions(1, scores=[0.5])
    ['0.50']
    """
    names = [""] * count if labels is None else [class_name(label, class_names) for label in labels]
    numbers = [""] * count if scores is None else [f"{score:.2f}" for score in scores]
    return [f"{name} {number}".strip() for name, number in zip(names, numbers)]
