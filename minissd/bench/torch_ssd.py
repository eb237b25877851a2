"""An SSD in PyTorch, layer for layer the same as one of minissd's, with the same weights.

It knows minissd's network only as a plain list of layers (`minissd.bench.blueprint`), so that a process that
measures PyTorch's memory need not load our engine.
"""

from __future__ import annotations

from types import SimpleNamespace

from minissd.bench import peers
from minissd.bench.device import PROCESSOR
from minissd.bench.torch_boxes import mine_topk
from minissd.config import CONFIGS

torch = peers.require("torch")
nn, F = torch.nn, torch.nn.functional

LAYOUTS = {
    "PyTorch NCHW": torch.contiguous_format,
    "PyTorch channels_last": torch.channels_last,
}


class L2Norm(nn.Module):
    """SSD's normalisation of conv4_3; see `minissd.nn.L2Norm`."""

    def __init__(self, channels, eps):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        """Normalise a batch (N, C, H, W)."""
        norm = (x * x).sum(dim=1, keepdim=True).add(self.eps).sqrt()
        return x / norm * self.weight[:, None, None]


class Predictor(nn.Module):
    """The twin of an SSD.

    Parameters
    ----------
    blueprint : dict
        See `minissd.bench.blueprint.blueprint`.
    """

    def __init__(self, blueprint):
        super().__init__()
        self.num_classes = blueprint["num_classes"]
        self.boxes_per_cell = blueprint["boxes_per_cell"]
        self.stages = nn.ModuleList(
            nn.Sequential(*(_layer(*spec) for spec in stage)) for stage in blueprint["stages"]
        )
        self.norms = nn.ModuleList(_layer(*norm) if norm else nn.Identity() for norm in blueprint["norms"])
        self.heads = nn.ModuleList(_layer(*head) for head in blueprint["heads"])

    def forward(self, x):
        """Return loc (N, P, 4) and conf (N, P, C)."""
        locs, confs = [], []
        for stage, norm, head, k in zip(self.stages, self.norms, self.heads, self.boxes_per_cell):
            x = stage(x)
            y = head(norm(x)).permute(0, 2, 3, 1)  # (N, H, W, k*(4 + C))
            locs.append(y[..., : 4 * k].reshape(len(y), -1, 4))
            confs.append(y[..., 4 * k :].reshape(len(y), -1, self.num_classes))
        return torch.cat(locs, dim=1), torch.cat(confs, dim=1)


def _layer(kind, *arguments):
    if kind == "conv":
        *sizes, bias = arguments
        return nn.Conv2d(*sizes, bias=bias)  # in, out, kernel, stride, padding, dilation
    if kind == "pool":
        kernel, stride, padding, ceil_mode = arguments
        return nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)
    if kind == "relu":
        return nn.ReLU(inplace=True)
    if kind == "batch_norm":
        channels, eps, momentum = arguments
        return nn.BatchNorm2d(channels, eps, momentum)
    return L2Norm(*arguments)


def twin(blueprint, arrays, layout, device=PROCESSOR):
    """Make the twin of a network with its weights.

    Parameters
    ----------
    blueprint : dict
    arrays : sequence of ndarray
        Parameters in the order of `Predictor.parameters`, then running averages in that of its buffers; see
        `minissd.bench.blueprint.weights_in_order`.
    layout : str
        A name in `LAYOUTS`.
    device : minissd.bench.device.Device

    Returns
    -------
    Predictor
    """
    network = Predictor(blueprint)
    buffers = [buffer for buffer in network.buffers() if buffer.dim()]  # all but BatchNorm's counter
    with torch.no_grad():
        for tensor, array in zip([*network.parameters(), *buffers], arrays, strict=True):
            tensor.copy_(torch.from_numpy(array.copy()))
    return network.to(device.name, memory_format=LAYOUTS[layout])


def multibox_loss(loc, conf, loc_target, conf_target, neg_pos_ratio=3):
    """The loss of `minissd.loss.multibox_loss`, with mining by ``topk``, for autograd."""
    positive = conf_target > 0
    conf_loss = F.cross_entropy(conf.flatten(0, 1), conf_target.flatten(), reduction="none")
    conf_loss = conf_loss.view_as(conf_target)
    counted = positive | mine_topk(conf_loss.detach(), positive, neg_pos_ratio)
    loc_loss = F.smooth_l1_loss(loc[positive], loc_target[positive], reduction="sum")
    return (conf_loss[counted].sum() + loc_loss) / positive.sum().clamp(min=1)


class Learner:
    """A twin with its optimiser: forward, loss, backward, update.

    Parameters
    ----------
    network : Predictor
    settings : minissd.settings.TrainSettings
        How the optimiser works; the learning rate is given apart.
    learning_rate : float
    """

    def __init__(self, network, settings, learning_rate):
        self.network = network.train()
        self.max_gradient_norm = settings.max_gradient_norm
        self.optimizer = torch.optim.SGD(
            _parameter_groups(network, settings, learning_rate),
            momentum=settings.momentum,
            fused=True,  # PyTorch's fastest way on the CPU
        )

    def step(self, images, loc_target, conf_target):
        """Learn from one batch; returns the loss, a tensor of one number."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = multibox_loss(*self.network(images), loc_target, conf_target)
        loss.backward()
        if self.max_gradient_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.max_gradient_norm)
        self.optimizer.step()
        return loss.detach()

    def velocities(self):
        """Velocity of every parameter, in the order of the network's."""
        state = self.optimizer.state
        return [state[p]["momentum_buffer"].cpu().numpy() for p in self.network.parameters()]


def _parameter_groups(network, settings, learning_rate):
    named = list(network.named_parameters())
    bias_decay = settings.weight_decay if settings.decay_biases else 0.0
    bias_rate = settings.bias_learning_rate_factor * learning_rate
    return [
        {
            "params": [p for name, p in named if not name.endswith("bias")],
            "lr": learning_rate,
            "weight_decay": settings.weight_decay,
        },
        {
            "params": [p for name, p in named if name.endswith("bias")],
            "lr": bias_rate,
            "weight_decay": bias_decay,
        },
    ]


def as_tensor(array, device=PROCESSOR):
    """An array of NumPy's as a tensor on a device."""
    return torch.from_numpy(array).to(device.name)


def as_input(images, layout, device=PROCESSOR):
    """An array of images as a tensor with its memory in the given layout."""
    return as_tensor(images, device).contiguous(memory_format=LAYOUTS[layout])


def prepare_step(task, num_objects=20):
    """Build a training step on random images and targets, for a process of its own.

    Parameters
    ----------
    task : minissd.bench.child.Task
    num_objects : int
        Matched boxes in every image.

    Returns
    -------
    callable
    """
    config, n = CONFIGS[task.config], task.batch_size
    network = Predictor(task.blueprint).to(memory_format=LAYOUTS[task.engine])
    learner = Learner(network, SimpleNamespace(**task.settings), learning_rate=1e-6)
    images = torch.randn(n, 3, config.image_size, config.image_size) * (50 / config.pixel_scale)
    images = images.contiguous(memory_format=LAYOUTS[task.engine])
    loc_target = torch.zeros(n, config.num_priors, 4)
    conf_target = torch.zeros(n, config.num_priors, dtype=torch.long)
    conf_target[:, :num_objects] = 1
    return lambda: float(learner.step(images, loc_target, conf_target))
