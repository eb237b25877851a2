"""A small SSD, put together from layers: assignment A5's answer; `minissd.models.ssd` is the large one."""

from __future__ import annotations

import numpy as np

from minissd.assignments.A5.head import flatten_predictions, unflatten_gradients
from minissd.assignments.A5.layers import Chain, Conv3x3, ReLU


class SmallSSD:
    """Stages of convolutions, each of which ends in a map, and on every map a head.

    A map feeds two: its head, and the next stage.

    Parameters
    ----------
    stage_channels : sequence of sequences of int
        For each stage the channels of its convolutions, each of which halves the side of the map.
    boxes_per_cell : sequence of int
        For each map the number of default boxes in a cell.
    num_classes : int
        C, with the background.
    seed : int
        Of the initial weights.

    Attributes
    ----------
    stages : list of Chain
    heads : list of Conv3x3
        One for each stage, with (4 + C) * k channels for the k boxes of its cells.
    params, grads : dict of str to ndarray
        Those of all layers by name. The arrays are the layers' own: who writes into them changes the network.
    """

    def __init__(self, stage_channels, boxes_per_cell, num_classes, seed=0):
        rng = np.random.default_rng(seed)
        self.boxes_per_cell, self.num_classes = tuple(boxes_per_cell), num_classes
        self.stages, self.heads = [], []
        before = 3  # the channels of an image
        for channels, k in zip(stage_channels, boxes_per_cell):
            sides = zip([before, *channels], channels)
            convolutions = [Conv3x3(*side, stride=2, rng=rng) for side in sides]
            self.stages.append(Chain([layer for each in convolutions for layer in (each, ReLU())]))
            before = channels[-1]
            self.heads.append(Conv3x3(before, (4 + num_classes) * k, stride=1, rng=rng))

    @property
    def params(self):
        return self._named("params")

    @property
    def grads(self):
        return self._named("grads")

    def _named(self, store):
        arrays = {}
        for i, (stage, head) in enumerate(zip(self.stages, self.heads)):
            for name, layer in [*enumerate(stage.layers), ("head", head)]:
                arrays |= {f"{i}.{name}.{key}": array for key, array in getattr(layer, store).items()}
        return arrays

    def forward(self, images):
        """Predict offsets and logits for every default box.

        Parameters
        ----------
        images : ndarray, (N, 3, S, S)

        Returns
        -------
        loc : ndarray, (N, P, 4)
        conf : ndarray, (N, P, C)
            The rows of the first map, then those of the second, and so on. Logits, not probabilities.
        """
        locs, confs, self._head_shapes = [], [], []
        x = images
        for stage, head, k in zip(self.stages, self.heads, self.boxes_per_cell):
            x = stage.forward(x)
            y = head.forward(x)
            self._head_shapes.append(y.shape)
            loc, conf = flatten_predictions(y, k, self.num_classes)
            locs.append(loc)
            confs.append(conf)
        return np.concatenate(locs, axis=1), np.concatenate(confs, axis=1)

    def backward(self, dloc, dconf):
        """Fill `grads` from the gradients of the predictions; mirror image of `forward`.

        What flows back into a map comes from two sides, its head and the next stage, and is their sum.

        Parameters
        ----------
        dloc : ndarray, (N, P, 4)
        dconf : ndarray, (N, P, C)

        Returns
        -------
        ndarray, (N, 3, S, S)
            Gradient for the images of the last `forward`.
        """
        dx, end = 0, dloc.shape[1]
        layers = zip(self.stages, self.heads, self.boxes_per_cell, self._head_shapes)
        for stage, head, k, shape in reversed(list(layers)):
            rows = slice(end - k * shape[2] * shape[3], end)
            dy = unflatten_gradients(dloc[:, rows], dconf[:, rows], shape)
            dx = stage.backward(head.backward(dy) + dx)
            end = rows.start
        return dx
