"""Normalisations: SSD's L2 normalisation of conv4_3, and batch normalisation."""

from __future__ import annotations

import numpy as np

from minissd.backend import get_array_module
from minissd.choice import chosen
from minissd.nn import batchnorm_readable, l2norm_readable
from minissd.nn.fast import batchnorm as fast_batchnorm
from minissd.nn.fast import l2norm as fast_l2norm
from minissd.nn.layer import Layer
from minissd.nn.twins import Twins

L2NORM = Twins(l2norm_readable, fast_l2norm, "l2norm")
BATCHNORM = Twins(batchnorm_readable, fast_batchnorm, "batchnorm")


class L2Norm(Layer):
    r"""Scale the channels at every place to length 1, then each channel by a learned factor.

    .. math:: y_c = \gamma_c \frac{x_c}{\sqrt{\sum_k x_k^2 + \epsilon}}

    conv4_3 has activations far larger than the other source maps; SSD brings it into line (paper, section
    3.1, with an initial scale of 20). As in Caffe, epsilon stands under the root, so a place where all
    channels are 0 stays 0 and has a finite gradient.

    Parameters
    ----------
    channels : int
        C.
    scale : float
        Initial gamma.
    eps : float
        Epsilon. amdegroot's is 1e-10 as well, chainercv's 1e-5, torchvision's 1e-12.
    guard : str
        Where epsilon stands: ``"inside"`` the root (Caffe), ``"added"`` to the root (amdegroot, chainercv),
        ``"clamp"`` if the root must not be less (torchvision), or ``"none"`` if nowhere (sgrvinod): a place
        where all channels are 0 becomes NaN.

    Attributes
    ----------
    params : dict
        ``"weight"`` (C,): gamma.

    Raises
    ------
    InputError
        If the guard is unknown.

    Examples
    --------
    >>> L2Norm(2, scale=10.0).forward(np.array([[[[3.0]], [[4.0]]]])).ravel().round(6)
    array([6., 8.])
    """

    def __init__(self, channels, scale=20.0, eps=1e-10, guard="inside"):
        super().__init__()
        chosen(l2norm_readable.NORMS, guard, "L2Norm", "guard")
        self.eps, self.guard = eps, guard
        self.params["weight"] = np.full(channels, scale, np.float32)

    def forward(self, x):
        """Normalise a batch (N, C, H, W)."""
        self._check_input(x, len(self.params["weight"]))
        arguments = x, self.params["weight"], self.eps
        if self.guard == "inside":
            y, norm = L2NORM.of(x).forward(*arguments)
        else:
            y, norm = l2norm_readable.forward(*arguments, self.guard)
        self._save(x, norm)
        return y

    def backward(self, dy):
        """Return dx and fill ``grads``."""
        x, norm = self._recall()
        self._check_upstream(dy, x.shape)
        arguments = dy, x, norm, self.params["weight"]
        if self.guard == "inside":
            dx, self.grads["weight"] = L2NORM.of(x).backward(*arguments)
        else:
            dx, self.grads["weight"] = l2norm_readable.backward(*arguments, self.eps, self.guard)
        return dx


class BatchNorm2d(Layer):
    r"""Batch normalisation: every channel to mean 0 and variance 1, then a learned scale and shift.

    .. math:: y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    In training the mean and the (biased) variance are those of the batch; at inference they are running
    averages, whose variance is unbiased.

    Parameters
    ----------
    channels : int
        C.
    eps : float
        Epsilon.
    momentum : float
        Weight of the newest batch in the running averages.
    relu : bool
        Whether a ReLU follows, which costs nothing in the same pass over memory.

    Attributes
    ----------
    params : dict
        ``"weight"`` (C,): gamma; ``"bias"`` (C,): beta.
    buffers : dict
        ``"running_mean"`` and ``"running_var"``, (C,).
    """

    def __init__(self, channels, eps=1e-5, momentum=0.1, relu=False):
        super().__init__()
        self.relu = relu
        self.eps, self.momentum = eps, momentum
        self.params["weight"] = np.ones(channels, np.float32)
        self.params["bias"] = np.zeros(channels, np.float32)
        self.buffers["running_mean"] = np.zeros(channels, np.float32)
        self.buffers["running_var"] = np.ones(channels, np.float32)

    def forward(self, x):
        """Normalise a batch (N, C, H, W)."""
        self._check_input(x, len(self.params["weight"]))
        if self.training and x.size:
            mean, variance = BATCHNORM.of(x).moments(x)  # (C,) float64
            self._update_running(mean, variance, x.size // x.shape[1])
        else:
            mean, variance = (self.buffers[n].astype(np.float64) for n in ("running_mean", "running_var"))
        scale, shift, inverse_std = self._affine(mean, variance)
        self._save(x, mean, inverse_std)
        return BATCHNORM.of(x).scale_shift(x, scale, shift, self.relu)

    def backward(self, dy):
        r"""Return dx and fill ``grads``.

        The mean and the variance depend on every value of the channel, so two averages are taken out of the
        gradient, with :math:`\hat x = (x - \mu)/\sigma`:
        :math:`dx = \frac{\gamma}{\sigma} (dy - \overline{dy} - \hat x\,\overline{dy\,\hat x})`.
        """
        x, mean, inverse_std = self._recall()
        self._check_upstream(dy, x.shape)
        scale = self.params["weight"] * inverse_std
        relu = (scale, self.params["bias"] - mean * scale) if self.relu else None
        sum_dy, sum_dy_x = BATCHNORM.of(x).gradient_sums(dy, x, mean, relu)  # (C,) float64
        dgamma = sum_dy_x * inverse_std
        self.grads["weight"] = dgamma.astype(dy.dtype)
        self.grads["bias"] = sum_dy.astype(dy.dtype)
        count = max(x.size // x.shape[1], 1)
        x_factor = -scale * inverse_std * dgamma / count
        shift = -scale * sum_dy / count - x_factor * mean
        return BATCHNORM.of(x).combine(dy, x, scale, x_factor, shift, relu)

    def inference_affine(self):
        """Scale and shift (C,) of every channel at inference, for the convolution before to take over."""
        return self._affine(self.buffers["running_mean"], self.buffers["running_var"])[:2]

    def _affine(self, mean, variance):
        """Scale, shift and the inverse of the standard deviation, (C,) float64 each."""
        inverse_std = 1 / get_array_module(mean).sqrt(variance.astype(np.float64) + self.eps)
        scale = self.params["weight"] * inverse_std
        return scale, self.params["bias"] - mean * scale, inverse_std

    def _update_running(self, mean, variance, count):
        unbiased = variance * count / max(count - 1, 1)
        for name, value in (("running_mean", mean), ("running_var", unbiased)):
            running = self.buffers[name]
            running += (self.momentum * (value - running)).astype(running.dtype)
