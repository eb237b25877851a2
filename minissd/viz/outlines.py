"""Many lines as one shape, which matplotlib draws in a moment: hundreds of boxes, or the cells of a map."""

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


def grid_lines(side, step, corner=(0, 0)):
    """Return the lines between the cells of a map and around them, as a LineCollection takes them.

    Parameters
    ----------
    side : int
        Cells in a row.
    step : float
        Side of a cell.
    corner : (float, float)
        x and y where the first cell begins.

    Returns
    -------
    ndarray, (2 * (side + 1), 2, 2)
        The start and the end of each line: first those of one x, then those of one y.

    Examples
    --------
    >>> grid_lines(1, 5).tolist()
    [[[0, 0], [0, 5]], [[5, 0], [5, 5]], [[0, 0], [5, 0]], [[0, 5], [5, 5]]]
    """
    at = np.arange(side + 1) * step
    starts = np.stack([at, np.zeros_like(at)], axis=-1)
    ends = np.stack([at, np.full_like(at, at[-1])], axis=-1)
    lines = np.stack([starts, ends], axis=1)  # (side + 1, 2, 2)
    return np.concatenate([lines, lines[..., ::-1]]) + np.asarray(corner)
