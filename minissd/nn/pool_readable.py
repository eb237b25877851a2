"""Max pooling to read: one strided slice of the map per place of the window. Works on any array module.

`minissd.nn.fast.pool` has the same functions, compiled.
"""

from __future__ import annotations

from minissd.backend import get_array_module


def pool(x, y_shape, kernel, stride, padding):
    """Pool with one strided slice per place of the window; returns y and the winning place (uint8)."""
    xp = get_array_module(x)
    y = xp.full(y_shape, -xp.inf, x.dtype)
    row, column = (xp.maximum(padding - stride * xp.arange(windows), 0) for windows in y_shape[2:])
    winner = xp.empty(y_shape, xp.uint8)
    winner[...] = row[:, None] * kernel + column  # the first place on the map
    padded = _padded(x, y_shape, kernel, stride, padding, -xp.inf)
    for place in range(kernel * kernel):
        candidate = _window_slice(padded, place, y_shape, kernel, stride)
        better = candidate > y
        y, winner = xp.where(better, candidate, y), xp.where(better, xp.uint8(place), winner)
    return y, winner


def unpool(dy, winner, x_shape, kernel, stride, padding):
    """The gradient of `pool`."""
    xp = get_array_module(dy)
    dx = _padded(xp.zeros(x_shape, dy.dtype), dy.shape, kernel, stride, padding, 0)
    for place in range(kernel * kernel):
        _window_slice(dx, place, dy.shape, kernel, stride)[...] += dy * (winner == place)
    return dx[:, :, padding : padding + x_shape[2], padding : padding + x_shape[3]]


def _padded(x, y_shape, kernel, stride, padding, value):
    xp = get_array_module(x)
    sides = zip(y_shape[2:], x.shape[2:])
    bottom, right = (max(0, (windows - 1) * stride + kernel - padding - side) for windows, side in sides)
    widths = ((0, 0), (0, 0), (padding, bottom), (padding, right))
    return xp.pad(x, widths, constant_values=value)


def _window_slice(padded, place, y_shape, kernel, stride):
    i, j = divmod(place, kernel)
    height, width = y_shape[2:]
    return padded[:, :, i : i + (height - 1) * stride + 1 : stride, j : j + (width - 1) * stride + 1 : stride]
