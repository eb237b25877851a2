r"""L2 normalisation of the channels at every place, to read; it works on any array module.

`minissd.nn.fast.l2norm` has the same functions, compiled, for Caffe's guard.

With the length :math:`r = \sqrt{\sum_k x_k^2}`, a place where all channels are 0 would be 0 / 0. What x is
divided by instead, and who does it, is the table `NORMS`.
"""

from __future__ import annotations

import numpy as np

from minissd.backend import get_array_module

# What x is divided by, from the squared length.
NORMS = {
    "inside": lambda xp, squared, eps: xp.sqrt(squared + eps),  # Caffe
    "added": lambda xp, squared, eps: xp.sqrt(squared) + eps,  # amdegroot, chainercv
    "clamp": lambda xp, squared, eps: xp.maximum(xp.sqrt(squared), eps),  # torchvision
    "none": lambda xp, squared, eps: xp.sqrt(squared),  # sgrvinod: 0 / 0 is NaN
}

# How the norm changes with x, which is along x: x divided by this. A norm that stays as it is gives infinity.
DIVISORS = {
    "inside": lambda xp, norm, eps: norm,
    "added": lambda xp, norm, eps: xp.where(norm > eps, norm - eps, xp.inf),
    "clamp": lambda xp, norm, eps: xp.where(norm > eps, norm, xp.inf),
    "none": lambda xp, norm, eps: norm,
}


@np.errstate(invalid="ignore")  # 0 / 0, which "none" asks for
def forward(x, weight, eps, guard="inside"):
    """Return y (N, C, H, W) and the norm of the channels at every place, (N, 1, H, W)."""
    squared = (x * x).sum(axis=1, keepdims=True)
    norm = NORMS[guard](get_array_module(x), squared, x.dtype.type(eps))
    return x / norm * _per_channel(weight, x), norm


@np.errstate(invalid="ignore")
def backward(dy, x, norm, weight, eps=0.0, guard="inside"):
    r"""Return dx and dweight (C,).

    With :math:`u = x / \text{norm}` and :math:`g = \gamma\,dy`,
    :math:`dx = (g - (u \cdot g)\,\nabla\text{norm}) / \text{norm}`. Where nothing but the length of x is in
    the norm, its gradient is u: the part of g along x is lost, because the length does not matter.
    """
    unit = x / norm
    norm_gradient = x / DIVISORS[guard](get_array_module(x), norm, x.dtype.type(eps))
    g = dy * _per_channel(weight, dy)
    dx = (g - (unit * g).sum(axis=1, keepdims=True) * norm_gradient) / norm
    return dx, (dy * unit).sum(axis=(0, 2, 3))


def _per_channel(values, x):
    return values.astype(x.dtype, copy=False)[:, None, None]
