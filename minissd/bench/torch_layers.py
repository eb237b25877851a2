"""One convolution in PyTorch, in either layout of memory."""

from __future__ import annotations

from functools import partial

from minissd.bench import peers
from minissd.bench.timing import Contender
from minissd.bench.torch_ssd import LAYOUTS, as_input, as_tensor

torch = peers.require("torch")

# What aten computes of the gradients for the input, the weight and the bias.
GRADIENTS = {"data gradient": [True, False, False], "weight gradient": [False, True, True]}


def contenders(x, dy, conv, which, device):
    """Return one contender per layout.

    Parameters
    ----------
    x, dy : ndarray
        Input, and gradient for the output.
    conv : minissd.nn.Conv2d
        Whose weights are used.
    which : str
        ``"forward"`` or a key of `GRADIENTS`.
    device : minissd.bench.device.Device
        The arrays are NumPy's in any case.
    """
    return [_contender(name, x, dy, conv, which, device) for name in LAYOUTS]


def _contender(name, x, dy, conv, which, device):
    x, dy, weight = (as_input(array, name, device) for array in (x, dy, conv.params["weight"]))
    bias = as_tensor(conv.params["bias"], device) if "bias" in conv.params else None
    stride, padding, dilation = conv.geometry
    if which == "forward":
        run = torch.no_grad()(partial(torch.nn.functional.conv2d, x, weight, bias, stride, padding, dilation))
        return Contender(name, run, lambda y: {"y": y.cpu().numpy()})
    mask = [*GRADIENTS[which][:2], GRADIENTS[which][2] and bias is not None]
    pairs = [[value] * 2 for value in (stride, padding, dilation)]
    run = partial(
        torch.ops.aten.convolution_backward, dy, x, weight, [len(weight)], *pairs, False, [0, 0], 1, mask
    )
    return Contender(name, run, _gradients)


def _gradients(results):
    named = zip(("dx", "weight", "bias"), results)
    return {name: gradient.cpu().numpy() for name, gradient in named if gradient is not None}
