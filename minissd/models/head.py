"""The head of one source map: a 3x3 convolution that says, for every default box, what it sees and where."""

from __future__ import annotations

from minissd.backend import get_array_module
from minissd.nn import Conv2d


class Head(Conv2d):
    r"""Predict offsets and logits for the k default boxes of every cell.

    The paper's :math:`(C + 4) k` filters (section 2.1) are one convolution: its first 4k output channels
    are the offsets, box by box, the remaining Ck the logits, box by box.

    Parameters
    ----------
    channels : int
        Channels of the source map.
    boxes_per_cell : int
        k.
    num_classes : int
        C, with the background.
    rng : numpy.random.Generator
        Draws the initial weights (Caffe's "xavier", as in the paper).
    """

    def __init__(self, channels, boxes_per_cell, num_classes, rng):
        filters = boxes_per_cell * (4 + num_classes)
        super().__init__(channels, filters, 3, padding=1, rng=rng, init="xavier")
        self.boxes_per_cell = boxes_per_cell
        self.num_classes = num_classes

    def forward(self, x):
        """Return the predictions of this map.

        Parameters
        ----------
        x : ndarray, (N, channels, H, W)

        Returns
        -------
        loc : ndarray, (N, H*W*k, 4)
        conf : ndarray, (N, H*W*k, C)
            In the order of `minissd.priors.map_priors`: row, column, box.
        """
        y = super().forward(x).transpose(0, 2, 3, 1)  # (N, H, W, k*(4 + C))
        self._map_shape = y.shape
        split = 4 * self.boxes_per_cell
        loc = y[..., :split].reshape(len(y), -1, 4)
        conf = y[..., split:].reshape(len(y), -1, self.num_classes)
        return loc, conf

    def backward(self, dloc, dconf):
        """Return the gradient for the source map; mirror image of `forward`.

        Parameters
        ----------
        dloc : ndarray, (N, H*W*k, 4)
        dconf : ndarray, (N, H*W*k, C)

        Returns
        -------
        ndarray, (N, channels, H, W)
        """
        xp = get_array_module(dloc)
        cells = self._map_shape[:3]
        dy = xp.concatenate([dloc.reshape(*cells, -1), dconf.reshape(*cells, -1)], axis=3)
        return super().backward(dy.transpose(0, 3, 1, 2))
