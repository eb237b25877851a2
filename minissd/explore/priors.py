"""The default boxes of any cell of any feature map."""

from __future__ import annotations

import numpy as np

from minissd.explore.view import View, choice, paragraphs, set_last, slider
from minissd.priors import map_priors

ALL = -1  # as the number of a shape


def priors(image, config):
    """Show the default boxes of one cell over an image; choose the map, the cell and the shape.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        Squeezed to a square, as the network sees it.
    config : SSDConfig

    Returns
    -------
    View
        With the controls ``layer``, ``row``, ``column`` and ``shape``; shape -1 is all of them.
    """
    return PriorsView(image, config)


class PriorsView(View):
    """The view that `priors` returns."""

    def __init__(self, image, config):
        self.pictured, self.config = image, config
        middle = config.feature_maps[0] // 2
        controls = {
            "layer": choice("feature map", named_layers(config)),
            "row": slider("row", middle, 0, middle),
            "column": slider("column", middle, 0, middle),
            "shape": choice("shape", [("all", ALL)]),
        }
        super().__init__(controls)

    def follow(self, changed=None):
        """Another map has other cells and other shapes."""
        from minissd import viz

        if changed in ("layer", None):
            layer, shape = self.controls["layer"].value, self.controls["shape"].value
            for name in ("row", "column"):
                set_last(self.controls[name], self.config.feature_maps[layer] - 1)
            names = viz.shape_names(self.config, layer)
            self.controls["shape"].options = [("all", ALL), *((text, k) for k, text in enumerate(names))]
            self.controls["shape"].value = min(shape, len(names) - 1)

    def draw(self, layer, row, column, shape):
        """The cell and its boxes."""
        from minissd.viz.cell import draw_cell_shapes

        only = None if shape == ALL else shape
        figure = draw_cell_shapes(self.pictured, self.config, layer, (row, column), only)
        return figure, paragraphs(describe_cell(self.config, layer, (row, column), only))


def named_layers(config):
    """Return the choices of a menu of feature maps.

    Examples
    --------
    >>> from minissd.config import TINY
    >>> named_layers(TINY)[:2]
    [('0: 32 × 32', 0), ('1: 16 × 16', 1)]
    """
    return [(f"{layer}: {side} × {side}", layer) for layer, side in enumerate(config.feature_maps)]


def describe_cell(config, layer, cell, shape=None):
    """Say of the default boxes of a cell which number they have, how large they are and where.

    Parameters
    ----------
    config : SSDConfig
    layer : int
    cell : (int, int)
        Row and column.
    shape : int, optional
        Only this one of the cell's boxes.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from minissd.config import TINY
    >>> print(describe_cell(TINY, 1, (0, 2), shape=0)[0])
    prior 4104: small square 1, 38.0 × 38.0 px, centre (40.0, 8.0) px
    """
    from minissd import viz

    side, names = config.feature_maps[layer], viz.shape_names(config, layer)
    first = viz.layer_slices(config)[layer].start + (cell[0] * side + cell[1]) * len(names)
    boxes_px = map_priors(config, layer).reshape(side, side, -1, 4)[cell] * config.image_size
    shown = np.arange(len(names)) if shape is None else [shape]
    return [
        f"prior {first + k}: {names[k]}, {w:.1f} × {h:.1f} px, centre ({x:.1f}, {y:.1f}) px"
        for k, (x, y, w, h) in zip(shown, boxes_px[shown])
    ]
