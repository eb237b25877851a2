"""The layers of a network: what each costs, and how much of the image its numbers really depend on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from minissd.errors import InputError
from minissd.models.summary import summary
from minissd.nn import Conv2d, MaxPool2d
from minissd.viz.page import as_chart, new_page, set_panel_title
from minissd.viz.style import CAPTION_SIZE, DETECTION, INK, PAPER

BODY, HEAD = "#0072B2", DETECTION.color
LINE = 0.175  # inches: height of a bar with its distance
SHARE = 0.5  # of the gradient, inside the effective field
COLORS, BLOCKS = "magma", 50  # of the picture: its colours, and how many places a side it shows at least


def draw_layer_costs(model):
    """Draw how many parameters and multiply-adds each layer of a network has.

    Parameters
    ----------
    model : SSD

    Returns
    -------
    matplotlib.figure.Figure
        A bar for every layer that learns: left its share of the parameters, right of the multiply-adds.
        Heads are orange.
    """
    table = summary(model)
    rows = [row for row in table.rows if row.macs]
    heads = {f"{name}_head" for name in model.source_names}
    colors = [HEAD if row.name in heads else BODY for row in rows]
    legend = [Patch(color=BODY, label="base network and extra layers"), Patch(color=HEAD, label="heads")]
    title = f"{model.config.name}: where the parameters are, and where the work is"
    figure, axes = new_page(1, 2, LINE * (len(rows) + 2) / 3.81, title, legend, panel_titles=True)
    costs = {
        f"{table.params / 1e6:.1f} million parameters": [row.params / table.params for row in rows],
        f"{table.macs / 1e9:.1f} thousand million multiply-adds": [row.macs / table.macs for row in rows],
    }
    for number, (ax, (name, shares)) in enumerate(zip(axes, costs.items())):
        as_chart(ax, left=0.95 if number == 0 else 0.15, bottom=0.1, right=0.1)
        set_panel_title(ax, name)
        _draw_shares(ax, shares, colors)
        ax.set_yticks(range(len(rows)), [row.name for row in rows] if number == 0 else [])
    return figure


def _draw_shares(ax, shares, colors):
    """Bars from the top to the bottom, each with its share in per cent."""
    ax.barh(range(len(shares)), shares, 0.7, color=colors, gid="share")
    for y, share in enumerate(shares):
        text = f"{100 * share:.1f} %" if share >= 5e-4 else "< 0.1 %"
        style = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "color": INK}
        ax.annotate(text, (share, y), fontsize=CAPTION_SIZE - 1.5, **style)
    ax.set_ylim(len(shares) - 0.4, -0.6)
    ax.set_xlim(0, max(shares) * 1.22)
    ax.tick_params(axis="y", length=0, labelcolor=INK, labelsize=CAPTION_SIZE - 1)
    ax.set_xticks([])
    ax.grid(False)


@dataclass(frozen=True)
class CellGradient:
    """How the middle cell of a source map depends on the pixels.

    Attributes
    ----------
    name : str
        Of the source map.
    magnitude : ndarray of float, (S, S)
        Mean absolute gradient for each pixel.
    center : float
        Middle of the receptive field in pixels, the same for x and y.
    receptive_field : int
        Side of the square that the cell can depend on, from the layers' geometry.
    """

    name: str
    magnitude: np.ndarray
    center: float
    receptive_field: int

    @property
    def effective_field(self) -> int:
        """Side of the smallest square around the centre that holds half of the gradient, in pixels."""
        places = np.arange(len(self.magnitude)) + 0.5
        away = np.abs(places - self.center)
        distance = np.maximum(away[:, None], away)  # half the side of the square that just reaches a pixel
        order = np.argsort(distance, axis=None)
        inside = np.cumsum(self.magnitude.reshape(-1)[order])
        last = min(np.searchsorted(inside, SHARE * inside[-1]), len(order) - 1)
        return round(2 * distance.reshape(-1)[order[last]] + 1)


def cell_gradient(model, images, number, rng):
    """Send a random gradient from the middle cell of a source map back to the images.

    Parameters
    ----------
    model : SSD
        In training mode.
    images : ndarray, (N, 3, S, S)
        The mean is taken over these.
    number : int
        Of the source map, 0 for the finest.
    rng : numpy.random.Generator
        Draws the gradient of the cell's channels.

    Returns
    -------
    CellGradient

    Raises
    ------
    InputError
        If there is no such map.
    """
    if not 0 <= number < len(model.stages):
        raise InputError(f"number: {number} (the network has the source maps 0 to {len(model.stages) - 1})")
    stages, x = model.stages[: number + 1], images
    for stage in stages:
        x = stage.forward(x)
    middle = x.shape[2] // 2
    dx = np.zeros_like(x)
    dx[:, :, middle, middle] = rng.standard_normal(x.shape[:2])
    for stage in reversed(stages):
        dx = stage.backward(dx)
    name, (first, step) = model.source_names[number], cell_centers(model, number)
    field = summary(model)[name].receptive_field
    return CellGradient(name, np.abs(dx).mean(axis=(0, 1)), first + middle * step, field)


def cell_centers(model, number):
    """Return where the receptive fields of a source map have their middle.

    Every layer moves the first one by half the reach of its window, less its padding:
    ``first += (d (K - 1) / 2 - p) j`` with the stride j of the layer's input.

    Parameters
    ----------
    model : SSD
    number : int
        Of the source map, 0 for the finest.

    Returns
    -------
    first : float
        Of cell 0, in pixels from the edge of the image.
    step : int
        From one cell to the next.

    Examples
    --------
    >>> from minissd.config import TINY
    >>> from minissd.models import SSD
    >>> cell_centers(SSD(TINY), 0)  # the stride-2 convolution looks half a pixel further left than a pool
    (3.5, 8)
    """
    first, step = 0.5, 1
    for stage in model.stages[: number + 1]:
        for layer in stage.layers.values():
            kernel, stride, padding, dilation = _window(layer)
            first += (dilation * (kernel - 1) / 2 - padding) * step
            step *= stride
    return first, step


def _window(layer):
    """Kernel, stride, padding and dilation of a layer; of a layer that looks at one place, 1, 1, 0, 1."""
    if isinstance(layer, MaxPool2d):
        return layer.kernel_size, layer.stride, layer.padding, 1
    conv = getattr(layer, "conv", layer)
    return (conv.params["weight"].shape[2], *conv.geometry) if isinstance(conv, Conv2d) else (1, 1, 0, 1)


def draw_effective_fields(gradients):
    """Draw how strongly one cell of each map depends on the pixels, and on how many of them it could.

    Parameters
    ----------
    gradients : sequence of CellGradient
        See `cell_gradient`.

    Returns
    -------
    matplotlib.figure.Figure
        A panel per map, as large as the image; brightness is the gradient's magnitude, the mean of a few
        neighbouring pixels, and the root of it so that faint places are seen.
    """
    style = {"color": "#56B4E9", "linewidth": 2.4}
    legend = [
        Line2D([], [], linestyle="--", label="receptive field, where it ends inside the image", **style),
        Line2D([], [], label="around half of the gradient", **style),
    ]
    columns = min(len(gradients), 3)
    title = "What the middle cell of each map depends on: its gradient for the pixels"
    figure, axes = new_page(-(-len(gradients) // columns), columns, 1.0, title, legend, panel_titles=True)
    for ax in axes[len(gradients) :]:
        ax.set_axis_off()
    for ax, gradient in zip(axes, gradients):
        _draw_gradient(ax, gradient, style)
    return figure


def _draw_gradient(ax, gradient, style):
    """The gradient as an image, and the two squares around its middle."""
    side, shown = len(gradient.magnitude), np.sqrt(_blocks(gradient.magnitude))
    ax.imshow(shown, extent=(0, side, side, 0), cmap=COLORS, interpolation="nearest")
    for gid, length in (("theory", gradient.receptive_field), ("effective", gradient.effective_field)):
        corner, dashes = gradient.center - length / 2, "--" if gid == "theory" else "-"
        square = Rectangle((corner, corner), length, length, fill=False, **style, linestyle=dashes)
        ax.add_patch(square).set_gid(gid)
    ax.set(xlim=(0, side), ylim=(side, 0), facecolor=PAPER)
    ax.set_axis_off()
    set_panel_title(ax, f"{gradient.name}: {gradient.effective_field} of {gradient.receptive_field} px")


def _blocks(magnitude):
    """The means of small square blocks: noise of single pixels hides what is large."""
    size = max(len(magnitude) // BLOCKS, 1)
    count = len(magnitude) // size
    return magnitude[: count * size, : count * size].reshape(count, size, count, size).mean(axis=(1, 3))
