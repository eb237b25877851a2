"""The convolution layer. How it is computed is a matter of the algorithms, which all give the same."""

from __future__ import annotations

import numpy as np

from minissd.errors import InputError
from minissd.nn import conv_im2col, conv_loops, sums_readable
from minissd.nn.conv_shape import output_side
from minissd.nn.fast import sums as fast_sums
from minissd.nn.fast.choose import AUTO, DIRECT, WINOGRAD, PackedWeights, step_by_step
from minissd.nn.initialization import INITIALIZERS, initial_weights
from minissd.nn.layer import Layer
from minissd.nn.twins import Twins, cuda_module, is_cuda_float32

SUMS = Twins(sums_readable, fast_sums, "sums")

ALGORITHMS = {
    "loops": conv_loops,
    "im2col": conv_im2col,
    "winograd": WINOGRAD,
    "direct": DIRECT,
    "auto": AUTO,
}


def register_algorithm(name, algorithm):
    """Add a convolution algorithm, for ``Conv2d(..., algorithm=name)``.

    Parameters
    ----------
    name : str
    algorithm : object or module
        With ``forward(x, weight, bias, stride, padding, dilation) -> y`` and
        ``backward(dy, x, weight, stride, padding, dilation, need_dx) -> dx, dweight, dbias``. `bias` may
        be None; `dx` is None where it is not needed. `y` must be memory that nobody else uses: a ReLU behind
        the convolution works in place. An algorithm with the attribute ``fuses = True`` does more in one
        pass, see `minissd.nn.fast.choose.FastAlgorithm`.
    """
    ALGORITHMS[name] = algorithm


class Conv2d(Layer):
    r"""Two-dimensional convolution (a cross-correlation, as in every deep-learning library).

    .. math:: y_{n,o,r,q} = b_o + \sum_{c,i,j} w_{o,c,i,j}\; x_{n,c,\;tr + di - p,\;tq + dj - p}

    with stride t, dilation d and padding p; x is 0 outside the map.

    Parameters
    ----------
    in_channels, out_channels : int
        I and O.
    kernel_size : int
        K, the side of the square kernel.
    stride, padding, dilation : int
        Step between output places; zeros around the map; distance between the kernel's places.
    bias : bool
        Whether there is a bias.
    algorithm : str
        A name in `ALGORITHMS`: ``"loops"``, the definition, to read; ``"im2col"``, matrix products;
        ``"winograd"`` (3x3 of stride 1 only) and ``"direct"``, fast in float32; ``"auto"``, the best for the
        layer.
    rng : numpy.random.Generator, optional
        Draws the initial weight; by default a generator with seed 0. The bias starts at 0.
    init : str
        ``"he"``, ``"xavier"`` (Caffe's) or ``"glorot"``.
    relu : bool
        Whether a ReLU follows, which the fast algorithms apply before a result leaves the processor.

    Attributes
    ----------
    params : dict
        ``"weight"`` (O, I, K, K) and ``"bias"`` (O,), float32.
    needs_input_gradient : bool
        If False, `backward` returns None: the first layer of a network need not compute what nobody uses.

    Raises
    ------
    InputError
        If there is no such algorithm or initialiser; if a size is below 1 or `padding` below 0; or if the
        input has another number of channels, whole numbers, or fewer places than the kernel.

    Examples
    --------
    >>> conv = Conv2d(1, 1, kernel_size=2)
    >>> conv.params["weight"] = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> conv.forward(np.arange(9.0).reshape(1, 1, 3, 3))  # first: 1*0 + 2*1 + 3*3 + 4*4
    array([[[[27., 37.],
             [57., 67.]]]])
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        bias=True,
        algorithm="auto",
        rng=None,
        init="he",
        relu=False,
    ):
        super().__init__()
        for argument, value, known in (("algorithm", algorithm, ALGORITHMS), ("init", init, INITIALIZERS)):
            if value not in known:
                raise InputError(f"{argument}: {value!r} is unknown (choose one of {', '.join(known)})")
        sizes = {"in_channels": in_channels, "out_channels": out_channels, "kernel_size": kernel_size}
        for argument, value in (sizes | {"stride": stride, "dilation": dilation, "padding": padding}).items():
            least = 0 if argument == "padding" else 1
            if value < least:
                raise InputError(f"{argument}: {value} (give {least} or more)")
        rng = np.random.default_rng(0) if rng is None else rng
        self.geometry = (stride, padding, dilation)
        self.algorithm, self.relu = algorithm, relu
        self._packed = PackedWeights()
        self.needs_input_gradient = True
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.params["weight"] = initial_weights(init, shape, rng)
        if bias:
            self.params["bias"] = np.zeros(out_channels, np.float32)

    def forward(self, x):
        """Convolve a batch.

        Parameters
        ----------
        x : ndarray, (N, I, H, W)
            float32, or float64 to check gradients; the output has the same dtype.

        Returns
        -------
        ndarray, (N, O, H', W')
        """
        self._output_shape(x)  # raises where x does not fit
        bias = self.params.get("bias")
        y = self._convolve(x, None if bias is None else bias.astype(x.dtype, copy=False), self.relu)
        self._save(x, y if self.relu else None)
        return y

    def infer(self, x, scale=None, shift=None, relu=False, pool=None):
        """Convolve together with what follows, at inference.

        Parameters
        ----------
        x : ndarray, (N, I, H, W)
        scale, shift : ndarray, (O,), optional
            Factor and summand of every output channel, as of a normalisation; `shift` replaces the bias.
        relu : bool
            Whether a ReLU comes next.
        pool : MaxPool2d, optional
            Max pooling at the end.

        Returns
        -------
        ndarray, (N, O, H', W')
        """
        self._output_shape(x)
        bias = self.params.get("bias") if shift is None else shift
        bias = None if bias is None else bias.astype(x.dtype, copy=False)
        return self._convolve(x, bias, relu, scale, pool)

    def _convolve(self, x, bias, relu, scale=None, pool=None):
        """Let the algorithm do as much as it can."""
        algorithm, weight = self._algorithm_for(x), self.params["weight"].astype(x.dtype, copy=False)
        if getattr(algorithm, "fuses", False):
            packed = None if self.training else self._packed
            return algorithm.forward(
                x, weight, bias, *self.geometry, relu=relu, scale=scale, packed=packed, pool=pool
            )
        return step_by_step(algorithm, x, weight, bias, self.geometry, relu, scale, pool)

    def backward(self, dy):
        """Return dx and fill ``grads``.

        Parameters
        ----------
        dy : ndarray, (N, O, H', W')

        Returns
        -------
        ndarray, (N, I, H, W), or None
        """
        x, y = self._recall()
        self._check_upstream(dy, self._output_shape(x))
        algorithm, dbias = self._algorithm_for(x), None
        if self.relu:
            dy, dbias = SUMS.of(dy).relu_gradient(dy, y)
        weight = self.params["weight"].astype(x.dtype, copy=False)
        needs = {}
        if getattr(algorithm, "fuses", False):
            needs["need_dbias"] = "bias" in self.params and dbias is None
        dx, dweight, sums = algorithm.backward(
            dy, x, weight, *self.geometry, self.needs_input_gradient, **needs
        )
        self.grads["weight"] = dweight
        if "bias" in self.params:
            self.grads["bias"] = sums if dbias is None else dbias
        return dx

    def train(self, training=True):
        """Switch to training or to inference; returns the layer."""
        if training:
            self._packed = PackedWeights()
        return super().train(training)

    def _algorithm_for(self, x):
        """The algorithm of this layer's name; on a GPU the one that is written for it, where there is one."""
        if is_cuda_float32(x):
            return cuda_module("choose").ALGORITHMS.get(self.algorithm, ALGORITHMS[self.algorithm])
        return ALGORITHMS[self.algorithm]

    def _output_shape(self, x):
        """Shape of the output; raises InputError where x is no input of this layer."""
        out_channels, in_channels, kernel, _ = self.params["weight"].shape
        self._check_input(x, in_channels)
        height, width = (output_side(side, kernel, *self.geometry) for side in x.shape[2:])
        if min(height, width) < 1:
            raise InputError(f"Conv2d: input of shape {x.shape} is smaller than the kernel of side {kernel}")
        return len(x), out_channels, height, width
