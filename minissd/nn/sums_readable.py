"""The gradients of a ReLU and of a bias, to read; they work on any array module.

`minissd.nn.fast.sums` has the same function, compiled.
"""

from __future__ import annotations


def relu_gradient(dy, y):
    """`dy` where y is positive, 0 elsewhere, (N, C, H, W); and its sum over all but the channels, (C,).

    Examples
    --------
    >>> relu_gradient(np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[0.0, 5.0, 6.0]]]]))
    (array([[[[0., 2., 3.]]]]), array([5.]))
    """
    dx = dy * (y > 0)
    return dx, dx.sum(axis=(0, 2, 3))
