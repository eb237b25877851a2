"""A network as a plain list of layers: all that somebody needs to build the same one elsewhere."""

from __future__ import annotations

from minissd.nn import ConvBlock


def blueprint(model):
    """Describe an SSD in lists, strings and numbers that JSON can hold.

    Parameters
    ----------
    model : SSD

    Returns
    -------
    dict
        ``stages``: for each stage its layers, ``("conv", I, O, K, stride, padding, dilation, bias)``,
        ``("batch_norm", C, eps, momentum)``, ``("relu",)``, ``("pool", K, stride, padding, ceil_mode)``;
        ``norms``: for each stage ``("l2_norm", C, eps)`` or None; ``heads``: their convolutions;
        ``boxes_per_cell`` and ``num_classes``.

    Examples
    --------
    >>> from minissd.config import TINY
    >>> from minissd.models import SSD
    >>> blueprint(SSD(TINY))["stages"][0][:3]
    [('conv', 3, 16, 3, 2, 1, 1, False), ('batch_norm', 16, 1e-05, 0.1), ('relu',)]
    """
    return {
        "stages": [
            [spec for layer in stage.layers.values() for spec in _specs(layer)] for stage in model.stages
        ],
        "norms": [norm and ("l2_norm", len(norm.params["weight"]), norm.eps) for norm in model.norms],
        "heads": [_conv(head) for head in model.heads],
        "boxes_per_cell": list(model.config.boxes_per_cell),
        "num_classes": model.config.num_classes,
    }


def _specs(layer):
    if not isinstance(layer, ConvBlock):
        return [("pool", layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)]
    norm = layer.norm
    norms = [("batch_norm", len(norm.params["weight"]), norm.eps, norm.momentum)] if norm else []
    return [_conv(layer.conv), *norms, ("relu",)]


def _conv(conv):
    out_channels, in_channels, kernel, _ = conv.params["weight"].shape
    return ("conv", in_channels, out_channels, kernel, *conv.geometry, "bias" in conv.params)


def names_in_order(model, arrays="params"):
    """Names in ``model.params`` (or ``model.buffers``) in the blueprint's order: stages, norms, heads."""
    names = list(getattr(model, arrays))
    parts = [[], [], []]
    for name in names:
        layer = name.partition(".")[0]
        parts[2 if layer.endswith("_head") else 1 if layer.endswith("_norm") else 0].append(name)
    return [name for part in parts for name in part]


def weights_in_order(model):
    """Parameters, then running averages, in the blueprint's order."""
    return [
        *(model.params[name] for name in names_in_order(model)),
        *(model.buffers[name] for name in names_in_order(model, "buffers")),
    ]
