"""One convolution in PyTorch, in either layout of memory."""

from __future__ import annotations

from functools import partial

from minissd.bench import peers
from minissd.bench.timing import Contender
from minissd.bench.torch_ssd import LAYOUTS

torch = peers.require("torch")

# What aten computes of the gradients for the input, the weight and the bias.
GRADIENTS = {"data gradient": [True, False, False], "weight gradient": [False, True, True]}


def contenders(x, dy, conv, which):
    """Return one contender per layout.

    Parameters
    ----------
    x, dy : ndarray
        Input, and gradient for the output.
    conv : minissd.nn.Conv2d
        Whose weights are used.
    which : str
        ``"forward"`` or a key of `GRADIENTS`.
    """
    return [_contender(name, layout, x, dy, conv, which) for name, layout in LAYOUTS.items()]


def _contender(name, layout, x, dy, conv, which):
    x, dy, weight = (
        torch.from_numpy(array).contiguous(memory_format=layout) for array in (x, dy, conv.params["weight"])
    )
    bias = torch.from_numpy(conv.params["bias"]) if "bias" in conv.params else None
    stride, padding, dilation = conv.geometry
    if which == "forward":
        run = torch.no_grad()(partial(torch.nn.functional.conv2d, x, weight, bias, stride, padding, dilation))
        return Contender(name, run, lambda y: {"y": y.numpy()})
    mask = [*GRADIENTS[which][:2], GRADIENTS[which][2] and bias is not None]
    pairs = [[value] * 2 for value in (stride, padding, dilation)]
    run = partial(
        torch.ops.aten.convolution_backward, dy, x, weight, [len(weight)], *pairs, False, [0, 0], 1, mask
    )
    return Contender(name, run, _gradients)


def _gradients(results):
    named = zip(("dx", "weight", "bias"), results)
    return {name: gradient.numpy() for name, gradient in named if gradient is not None}
