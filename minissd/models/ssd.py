"""SSD: a base network, a head on each of its source maps, and nothing else."""

from __future__ import annotations

import numpy as np

from minissd import priors
from minissd.backend import device_of, get_array_module
from minissd.errors import InputError
from minissd.models.head import Head
from minissd.models.tiny import tiny_stages
from minissd.models.vgg16 import vgg16_stages
from minissd.nn import Sequential
from minissd.nn.composite import Composite
from minissd.nn.fast.workspace import Workspace

BASES = {"vgg16": vgg16_stages, "tiny": tiny_stages}


class SSD(Composite):
    """A Single Shot MultiBox Detector.

    Parameters
    ----------
    config : SSDConfig
        ``config.base`` names the base network in `BASES`: a function of the configuration and a random
        generator that returns a list of `Stage`, one per feature map.
    rng : numpy.random.Generator, optional
        Draws the initial weights; by default a generator with seed 0.

    Attributes
    ----------
    config : SSDConfig
    priors_cxcywh : ndarray of float64, (P, 4)
        The default boxes, one per row of the predictions.
    layers : dict of str to Layer
        Every layer by its name: ``conv1_1``, ``conv4_3_norm``, ``fc7``, ``conv4_3_head``...
    params, grads, buffers : mapping of str to array
        Of all layers, as in ``params["conv4_3.weight"]``.
    first_layer : Layer
        The one that sees the images.
    source_names : list of str
        Names of the layers whose outputs feed the heads.
    workspace : Workspace
        Memory that the layers use again and again; ``model.workspace.release()`` gives it back.

    Raises
    ------
    InputError
        If no base network has the configuration's name, it has another number of maps, or two of its
        layers have one name.

    Examples
    --------
    >>> from minissd.config import TINY
    >>> model = SSD(TINY)
    >>> loc, conf = model.forward(np.zeros((1, 3, 256, 256), np.float32))
    >>> loc.shape, conf.shape
    ((1, 5440, 4), (1, 5440, 21))
    """

    def __init__(self, config, rng=None):
        if config.base not in BASES:
            raise InputError(
                f"config {config.name}: no base network {config.base!r} (known: {', '.join(BASES)})"
            )
        rng = np.random.default_rng(0) if rng is None else rng
        stages = BASES[config.base](config, rng)
        if len(stages) != len(config.feature_maps):
            raise InputError(
                f"config {config.name}: {len(config.feature_maps)} feature maps, but base {config.base!r} "
                f"has {len(stages)} (give as many entries per map as the base has stages)"
            )
        self.config = config
        self.priors_cxcywh = priors.prior_boxes(config)
        self.source_names = [stage.name for stage in stages]
        self.stages = [Sequential(stage.layers) for stage in stages]
        self.norms = [stage.norm[1] if stage.norm else None for stage in stages]
        self.heads = [
            Head(stage.channels, k, config.num_classes, rng)
            for stage, k in zip(stages, config.boxes_per_cell)
        ]
        super().__init__(_layers_by_name(stages, self.heads))
        self.first_layer = stages[0].layers[0][1]
        self.workspace = Workspace()

    def forward(self, images, trace=None):
        """Predict offsets and logits for every default box.

        Parameters
        ----------
        images : ndarray, (N, 3, S, S)
            Network input, see `minissd.data.network_input`.
        trace : dict, optional
            Receives the output of every layer by name. As in Caffe, whose ReLU works in place, the output
            of a convolution is the map after its ReLU. The predictions of each head come as
            ``conv4_3_head.loc`` and ``conv4_3_head.conf``.

        Returns
        -------
        loc : ndarray, (N, P, 4)
        conf : ndarray, (N, P, C)

        Raises
        ------
        InputError
            If the images are not of the configuration's size or not on the model's device, or a map not of
            the side in ``feature_maps``.
        """
        self._check_images(images)
        with self.workspace:
            self.workspace.tidy()
            return self._forward(images, trace)

    def _forward(self, images, trace):
        xp = get_array_module(images)
        locs, confs = [], []
        x = images
        sides = self.config.feature_maps
        for name, side, stage, norm, head in zip(
            self.source_names, sides, self.stages, self.norms, self.heads
        ):
            x = stage.forward(x, trace)
            self._check_map(x, name, side)
            source = norm.forward(x) if norm else x
            loc, conf = head.forward(source)
            locs.append(loc)
            confs.append(conf)
            if trace is not None:
                trace |= {f"{name}_norm": source} if norm else {}
                trace |= {f"{name}_head.loc": loc, f"{name}_head.conf": conf}
        return xp.concatenate(locs, axis=1), xp.concatenate(confs, axis=1)

    def backward(self, dloc, dconf):
        """Fill `grads` from the gradients of the predictions; mirror image of `forward`.

        What `forward` kept is used up, layer by layer, so that its memory serves the rest of the pass.

        Parameters
        ----------
        dloc : ndarray, (N, P, 4)
        dconf : ndarray, (N, P, C)

        Returns
        -------
        ndarray, (N, 3, S, S), or None
            Gradient for the images; None if ``first_layer.needs_input_gradient`` is False.
        """
        with self.workspace:
            return self._backward(dloc, dconf)

    def _backward(self, dloc, dconf):
        dx = None
        end = dloc.shape[1]
        for stage, norm, head, num_priors in self._stages_backwards():
            start = end - num_priors
            dsource = head.backward(dloc[:, start:end], dconf[:, start:end])
            head.forget()
            if norm:
                dsource = norm.backward(dsource)
                norm.forget()
            if dx is not None:
                dsource += dx  # the map feeds its head and the next stage
            dx = stage.backward(dsource, forget=True)
            end = start
        return dx

    def train(self, training=True):
        """Switch every layer to training or to inference; returns the model."""
        for stage in self.stages:
            stage.train(training)
        return super().train(training)

    def _stages_backwards(self):
        config = self.config
        rows = [k * side * side for k, side in zip(config.boxes_per_cell, config.feature_maps)]
        return reversed(list(zip(self.stages, self.norms, self.heads, rows)))

    def _check_images(self, images):
        side = self.config.image_size
        if images.ndim != 4 or images.shape[1:] != (3, side, side):
            raise InputError(
                f"images: shape {images.shape}, but {self.config.name} takes (N, 3, {side}, {side}) "
                "(minissd.data.network_input makes it from pictures of any size)"
            )
        if device_of(images) != self.device:
            raise InputError(
                f"images: on {device_of(images)}, but the model is on {self.device} "
                "(minissd.backend.to_device sends them there, and model.to the model)"
            )

    def _check_map(self, x, name, side):
        """Refuse a map with other cells than the default boxes have: its rows would speak for wrong boxes."""
        if x.shape[2:] != (side, side):
            raise InputError(
                f"config {self.config.name}: the map {name} has {x.shape[2]} x {x.shape[3]} cells, but "
                f"feature_maps says {side} x {side} (correct feature_maps, or the strides of the base)"
            )


def _layers_by_name(stages, heads):
    pairs = []
    for stage, head in zip(stages, heads):
        pairs += [*stage.layers, *([stage.norm] if stage.norm else []), (f"{stage.name}_head", head)]
    layers = dict(pairs)
    if len(layers) < len(pairs):  # the first of the two would be neither trained nor saved
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"base network: two layers are called {twice!r} (give each a name of its own)")
    return layers
