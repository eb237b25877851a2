"""Many boxes at once: hundreds of rectangles as one shape, which matplotlib draws in a moment."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection

from minissd.viz.page import line_scale

CORNERS = [0, 1, 2, 1, 2, 3, 0, 3, 0, 1]  # x1 y1, x2 y1, x2 y2, x1 y2, and back


def draw_outlines(ax, boxes_xyxy, role, colors=None, **style):
    """Add the outlines of boxes to a panel, in the style of a role but without casing.

    Parameters
    ----------
    ax : Axes
        A panel whose coordinates are fractions of the image (`minissd.viz.panel.show_image`).
    boxes_xyxy : ndarray, (B, 4)
    role : Role
    colors : sequence of str, optional
        One per box; the role's own otherwise.
    **style
        Replaces the role's ``linewidths``, ``linestyles``, ``zorder``...

    Returns
    -------
    LineCollection
        Its ``gid`` is the role's name, unless `style` has another.
    """
    boxes_xyxy = np.asarray(boxes_xyxy, dtype=float).reshape(-1, 4)
    own = {"linewidths": role.linewidth, "linestyles": [role.linestyle], "zorder": 3, "gid": role.name}
    style = own | style
    style["linewidths"] *= line_scale(ax)
    paths = boxes_xyxy[:, CORNERS].reshape(-1, 5, 2)
    colors = role.color if colors is None else list(colors)
    return ax.add_collection(LineCollection(paths, colors=colors, **style), autolim=False)
