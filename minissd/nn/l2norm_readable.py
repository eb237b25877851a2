"""L2 normalisation of the channels at every place, to read; it works on any array module.

`minissd.nn.fast.l2norm` has the same functions, compiled.
"""

from __future__ import annotations

from minissd.backend import get_array_module


def forward(x, weight, eps):
    """Return y (N, C, H, W) and the length of the channels at every place, (N, 1, H, W)."""
    xp = get_array_module(x)
    norm = xp.sqrt((x * x).sum(axis=1, keepdims=True) + x.dtype.type(eps))
    return x / norm * _per_channel(weight, x), norm


def backward(dy, x, norm, weight):
    r"""Return dx and dweight (C,).

    With the unit vector u and :math:`g = \gamma\,dy`, :math:`dx = (g - u (u \cdot g)) / \text{norm}`: the
    part of the gradient along x is lost, because the length of x does not matter.
    """
    unit = x / norm
    g = dy * _per_channel(weight, dy)
    dx = (g - unit * (unit * g).sum(axis=1, keepdims=True)) / norm
    return dx, (dy * unit).sum(axis=(0, 2, 3))


def _per_channel(values, x):
    return values.astype(x.dtype, copy=False)[:, None, None]
