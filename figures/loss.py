"""The losses of SSD and their gradients."""

from __future__ import annotations

from minissd.viz.losses import draw_loss_curves


def draw():
    """Draw the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return draw_loss_curves()
