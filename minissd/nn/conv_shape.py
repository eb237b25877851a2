"""How large the output of a convolution or pooling is."""

from __future__ import annotations


def output_side(side, kernel, stride=1, padding=0, dilation=1):
    r"""Side of the output map, :math:`\lfloor (s + 2p - d(K - 1) - 1) / t \rfloor + 1` for stride t.

    Parameters
    ----------
    side : int
        s, height or width of the input.
    kernel, stride, padding, dilation : int

    Returns
    -------
    int
        0 where the kernel does not fit.

    Examples
    --------
    >>> output_side(300, 3, padding=1), output_side(19, 3, padding=6, dilation=6)
    (300, 19)
    """
    return max(0, (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)
