"""What a network is made of, layer by layer: sizes, costs, and how much of the image one number sees.

Nothing is run. Each layer says from its own weights, kernel, stride, padding and dilation what it makes of
a signal, so the table is of any network, also of one that was changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch

from minissd.errors import input_error
from minissd.nn import BatchNorm2d, Conv2d, ConvBlock, L2Norm, MaxPool2d, ReLU, Sequential
from minissd.nn.conv_shape import output_side

COLUMNS = ("layer", "output", "parameters", "MMAC", "field", "stride")


@dataclass(frozen=True)
class Row:
    r"""One layer of a network.

    Attributes
    ----------
    name : str
        As in ``model.layers``.
    output_shape : tuple of int, (C, H, W)
        Of one image.
    params : int
        Numbers that are learned.
    macs : int
        Multiplications with additions for one image. Only convolutions count, as is usual; of 2 FLOPs each.
    receptive_field : int
        Side of the square of input pixels that one output can depend on, :math:`r' = r + d (K - 1) j`,
        with K the kernel's side, d its dilation and j the stride of the input.
    stride : int
        Distance of two neighbouring outputs in input pixels, :math:`j' = t j`.
    """

    name: str
    output_shape: tuple[int, int, int]
    params: int = 0
    macs: int = 0
    receptive_field: int = 1
    stride: int = 1


@dataclass(frozen=True)
class Summary:
    """The rows of all layers; ``print(summary(model))`` shows them as a table.

    Attributes
    ----------
    rows : tuple of Row
        In the order of ``model.layers``, so a head stands behind its source map.
    """

    rows: tuple[Row, ...]

    @property
    def params(self) -> int:
        """Learned numbers of the whole network."""
        return sum(row.params for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiplications with additions of the whole network, for one image."""
        return sum(row.macs for row in self.rows)

    def __getitem__(self, name):
        """Return the row of a layer by its name."""
        return {row.name: row for row in self.rows}[name]

    def __str__(self):
        lines = [COLUMNS, *(_cells(row) for row in self.rows)]
        lines.append(("total", "", f"{self.params:,}", f"{self.macs / 1e6:,.1f}", "", ""))
        widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
        return "\n".join(_line(line, widths) for line in lines)


def summary(model):
    """Describe a network layer by layer.

    Parameters
    ----------
    model : minissd.models.SSD

    Returns
    -------
    Summary

    Raises
    ------
    InputError
        If a layer is of a kind of which it is not known what it does to the size of a map.

    Examples
    --------
    >>> from minissd.config import TINY
    >>> from minissd.models import SSD
    >>> table = summary(SSD(TINY))
    >>> table["conv2"].output_shape, table["conv2"].receptive_field, table["conv2"].stride
    ((32, 128, 128), 7, 2)
    >>> print("\\n".join(str(table).splitlines()[:4]))
    layer         output      parameters   MMAC  field  stride
    conv1         16x128x128         464    7.1      3       2
    conv2         32x128x128       4,672   75.5      7       2
    pool2         32x64x64             0    0.0      9       4
    """
    side = model.config.image_size
    trunk = last = Row("images", (3, side, side))
    branches = [*model.norms, *model.heads]  # the next stage sees the source map as it was before these
    rows = []
    for name, layer in model.layers.items():
        row = after(layer, last if layer in branches else trunk)
        last = replace(row, name=name, params=sum(array.size for array in layer.params.values()))
        trunk = trunk if layer in branches else last
        rows.append(last)
    return Summary(tuple(rows))


@singledispatch
def after(layer, before):
    """Follow a signal through a layer.

    A layer of a new kind is taught with ``@after.register``.

    Parameters
    ----------
    layer : Layer
    before : Row
        The layer before it.

    Returns
    -------
    Row
        Shape, MACs, receptive field and stride behind the layer.
    """
    kind = type(layer).__name__
    fix = "teach it with minissd.models.summary.after.register"
    raise input_error(f"behind {before.name}", f"{kind} is not known", fix)


@after.register
def _(layer: Conv2d, before):
    outputs, inputs, kernel, _ = layer.params["weight"].shape
    stride, _, dilation = layer.geometry
    height, width = (output_side(side, kernel, *layer.geometry) for side in before.output_shape[1:])
    macs = outputs * inputs * kernel * kernel * height * width
    return _moved(before, (outputs, height, width), macs, dilation * (kernel - 1), stride)


@after.register
def _(layer: MaxPool2d, before):
    channels, *sides = before.output_shape
    shape = (channels, *(layer.output_side(side) for side in sides))
    return _moved(before, shape, 0, layer.kernel_size - 1, layer.stride)


@after.register(ReLU)
@after.register(L2Norm)
@after.register(BatchNorm2d)
def _(layer, before):
    return _moved(before, before.output_shape, 0, 0, 1)


@after.register(ConvBlock)
@after.register(Sequential)
def _(layer, before):
    macs = 0
    for part in layer.layers.values():
        before = after(part, before)
        macs += before.macs
    return replace(before, macs=macs)


def _moved(before, shape, macs, reach, stride):
    """The row behind a window that reaches so many steps of the input further, at this stride."""
    field = before.receptive_field + reach * before.stride
    return Row(before.name, shape, macs=macs, receptive_field=field, stride=before.stride * stride)


def _cells(row):
    shape = "x".join(str(side) for side in row.output_shape)
    costs = f"{row.params:,}", f"{row.macs / 1e6:,.1f}"
    return row.name, shape, *costs, str(row.receptive_field), str(row.stride)


def _line(cells, widths):
    """Words to the left, numbers to the right."""
    words = [cell.ljust(width) for cell, width in zip(cells[:2], widths)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:])]
    return "  ".join(words + numbers).rstrip()
