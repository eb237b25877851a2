"""Convolution, batch normalisation and ReLU as one layer with one name."""

from __future__ import annotations

from minissd.nn.composite import Composite
from minissd.nn.convolution import Conv2d
from minissd.nn.normalization import BatchNorm2d


class ConvBlock(Composite):
    """A convolution, batch normalisation if asked for, and ReLU.

    Its output is the map after the ReLU, as under the name of a convolution in Caffe, whose ReLU works in
    place. The ReLU is done by the last of the two before it, and at inference the normalisation too is done
    by the convolution: it is a scale and a shift of every channel, which the weights and the bias take over.

    Parameters
    ----------
    in_channels, out_channels, kernel_size : int
        See `Conv2d`.
    batch_norm : bool
        Whether to normalise; the convolution then has no bias, because the normalisation has one.
    **convolution
        ``stride``, ``padding``, ``dilation``, ``algorithm``, ``rng`` and ``init`` of `Conv2d`.

    Attributes
    ----------
    conv : Conv2d
    norm : BatchNorm2d or None
    params : dict
        ``"weight"`` and ``"bias"`` of the convolution; with batch normalisation ``"weight"``,
        ``"norm.weight"`` and ``"norm.bias"``.
    """

    def __init__(self, in_channels, out_channels, kernel_size, *, batch_norm=False, **convolution):
        last = not batch_norm  # the last of the two has the bias, and applies the ReLU
        self.conv = Conv2d(in_channels, out_channels, kernel_size, bias=last, relu=last, **convolution)
        self.norm = BatchNorm2d(out_channels, relu=True) if batch_norm else None
        super().__init__({"": self.conv, "norm": self.norm} if batch_norm else {"": self.conv})

    @property
    def needs_input_gradient(self):
        """See `Conv2d`."""
        return self.conv.needs_input_gradient

    @needs_input_gradient.setter
    def needs_input_gradient(self, needed):
        self.conv.needs_input_gradient = needed

    def forward(self, x):
        """Return the map after the ReLU."""
        if not self.training:
            return self.infer(x)
        y = self.conv.forward(x)
        return self.norm.forward(y) if self.norm else y

    def infer(self, x, pool=None):
        """`forward` at inference, and max pooling behind it where it is given: all in one pass."""
        affine = self.norm.inference_affine() if self.norm else ()
        return self.conv.infer(x, *affine, relu=True, pool=pool)

    def backward(self, dy):
        """Return dx and fill ``grads``."""
        return self.conv.backward(self.norm.backward(dy) if self.norm else dy)
