"""What the feature maps of an image look like."""

from __future__ import annotations

import numpy as np

from minissd.errors import InputError
from minissd.viz.page import new_page, set_panel_title
from minissd.viz.panel import show_image

COLORS = "viridis"


def draw_feature_maps(trace, names=None, image=None, channels=None, title=""):
    """Draw feature maps at the extent of the image: the mean of all channels, or the first few channels.

    Parameters
    ----------
    trace : dict of str to ndarray, (N, C, H, W)
        Activations by name; those of the first image of the batch are drawn.
    names : sequence of str, optional
        Which, in which order; all otherwise.
    image : ndarray of uint8, (H, W, 3), optional
        Shown first, squeezed to a square, as the network sees it.
    channels : int, optional
        Draw a mosaic of so many channels instead of the mean of all.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        One panel per map. Each has its own range of colours, from its smallest to its largest value.

    Raises
    ------
    InputError
        If a name is not in the trace.
    """
    names = list(trace) if names is None else list(names)
    for name in names:
        if name not in trace:
            raise InputError(f"names: no feature map {name!r} in the trace (it has {', '.join(trace)})")
    count = len(names) + (image is not None)
    columns = count if count <= 4 else 3 if count in (5, 6) else 4
    rows = max(-(-count // columns), 1)
    figure, axes = new_page(rows, max(columns, 1), 1.0, title, panel_titles=True)
    panels = list(axes)
    if image is not None:
        show_image(panels[0], image, square=True)
        set_panel_title(panels.pop(0), "image")
    for name in names:
        _draw_map(panels.pop(0), name, np.asarray(trace[name], dtype=float)[0], channels)
    for ax in panels:
        ax.set_axis_off()
    return figure


def _draw_map(ax, name, activation, channels):
    num_channels, height, width = activation.shape
    shown = activation.mean(axis=0) if channels is None else mosaic(activation[:channels])
    shown = np.ma.masked_invalid(shown)
    ax.imshow(shown, extent=(0, 1, 1, 0), cmap=COLORS, aspect="auto", interpolation="nearest")
    ax.set_aspect(1.0)
    ax.set_axis_off()
    set_panel_title(ax, f"{name}: {num_channels} × {height} × {width}")


def mosaic(maps, gap=1):
    """Lay maps out in a nearly square grid, each brought to the range 0...1, with NaN between them.

    Parameters
    ----------
    maps : ndarray, (C, H, W)
    gap : int
        Pixels between two maps.

    Returns
    -------
    ndarray of float64, (rows * (H + gap) - gap, columns * (W + gap) - gap)

    Examples
    --------
    >>> mosaic(np.array([[[0.0, 2.0]], [[5.0, 5.0]], [[1.0, 0.0]]]))
    array([[ 0.,  1., nan,  0.,  0.],
           [nan, nan, nan, nan, nan],
           [ 1.,  0., nan, nan, nan]])
    """
    count, height, width = maps.shape
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for i, one in enumerate(maps):
        row, column = divmod(i, columns)
        top, left = row * (height + gap), column * (width + gap)
        spread = np.ptp(one)
        canvas[top : top + height, left : left + width] = (one - one.min()) / (spread if spread > 0 else 1)
    return canvas
