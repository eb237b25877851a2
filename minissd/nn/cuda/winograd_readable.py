r"""`minissd.nn.cuda.winograd` to read, with the index arithmetic of its kernels; for any array module.

Four outputs of a filter g of three taps on six inputs d are the coefficients of a product of polynomials,
turned around: evaluate both at six points, multiply, and come back, :math:`A^T [(G g) \odot (B^T d)]`. In two
dimensions it is :math:`A^T [(G g G^T) \odot (B^T d B)] A`. Six outputs on eight inputs take eight points.
"""

from __future__ import annotations

import math

import numpy as np

from minissd.backend import get_array_module
from minissd.nn.conv_shape import output_side

POINTS = {  # by the side of a tile; and infinity, where the highest coefficient counts
    4: (0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2), -math.sqrt(2)),
    6: (0, 1 / 2, -1 / 2, 1, -1, 2, -2),
}


def matrices(side):
    """:math:`B^T`, G and :math:`A^T` for so many outputs.

    Rows of :math:`B^T` are the polynomials that vanish at all points but one; G and A evaluate polynomials at
    the points, G divided by the product of the distances to the other points.

    Examples
    --------
    >>> matrices(4)[0][0]
    array([ 1. ,  0. , -2.5,  0. ,  1. ,  0. ])
    """
    points = POINTS[side]
    others = [[other for other in points if other != point] for point in points]
    distances = [np.prod(np.subtract(point, rest)) for point, rest in zip(points, others)] + [1]
    inputs = [[*np.poly(rest)[::-1], 0] for rest in others] + [np.poly(points)[::-1]]
    return np.array(inputs), _at(points, 3) / np.array(distances)[:, None], _at(points, side).T


def _at(points, count):
    """The matrix that evaluates a polynomial with `count` coefficients at the points and at infinity."""
    return np.vstack([np.vander(points, count, increasing=True), np.eye(count)[-1]])


def origins(count, dilation, side=4):
    """Where tiles begin along one side: `count` of them on each of the interleaved maps.

    Examples
    --------
    >>> origins(2, dilation=1), origins(2, dilation=3)
    (array([0, 4]), array([ 0, 12,  1, 13,  2, 14]))
    """
    return (np.arange(dilation)[:, None] + side * dilation * np.arange(count)).reshape(-1)


def squares(x, tiles, width, offset):
    """What lies under the tiles, moved by `offset`; 0 outside the map: (C, T, side, side)."""
    xp = get_array_module(x)
    steps = tiles.dilation * np.arange(width) + offset
    rows = origins(tiles.per_column, tiles.dilation, tiles.side)[:, None] + steps
    columns = origins(tiles.per_row, tiles.dilation, tiles.side)[:, None] + steps
    inside = [(i >= 0) & (i < length) for i, length in ((rows, x.shape[2]), (columns, x.shape[3]))]
    rows, columns = (xp.asarray(np.where(ok, i, 0)) for ok, i in zip(inside, (rows, columns)))
    mask = xp.asarray(inside[0][:, None, :, None] & inside[1][:, None])  # (rows, columns, width, width)
    found = x[:, :, rows[:, None, :, None], columns[None, :, None, :]] * mask
    return found.swapaxes(0, 1).reshape(x.shape[1], -1, width, width)


def transform(matrix, squares):
    """``matrix @ square @ matrix.T`` of squares (..., s, s): (s * s, ...)."""
    xp = get_array_module(squares)
    matrix = xp.asarray(matrix.astype(squares.dtype))
    result = matrix @ squares @ matrix.T
    return xp.moveaxis(result.reshape(*squares.shape[:-2], -1), -1, 0)


def transform_input(x, padding, tiles):
    """v, (P, I, T)."""
    return transform(matrices(tiles.side)[0], squares(x, tiles, tiles.side + 2, -padding))


def transform_gradient(dy, tiles):
    """d, (P, O, T)."""
    return transform(matrices(tiles.side)[2].T, squares(dy, tiles, tiles.side, 0))


def transform_weight(weight, side, rotated=False):
    """u, (P, O, I)."""
    return transform(matrices(side)[1], weight[:, :, ::-1, ::-1] if rotated else weight)


def transform_weight_gradient(u, side):
    """The gradient of the weights (O, I, 3, 3) from that of u (P, O, I)."""
    xp = get_array_module(u)
    result = transform(matrices(side)[1].T, _patches(u, side))
    return xp.moveaxis(result, 0, -1).reshape(*u.shape[1:], 3, 3)


def transform_output(m, y_shape, tiles):
    """y from the products m, (P, O, T)."""
    xp, side = get_array_module(m), tiles.side
    found = xp.moveaxis(transform(matrices(side)[2], _patches(m, side)), 0, -1)  # (O, T, side * side)
    rows, columns = (origins(n, tiles.dilation, side) for n in (tiles.per_column, tiles.per_row))
    found = found.reshape(m.shape[1], tiles.images, len(rows), len(columns), side, side)
    reach = side * tiles.dilation  # beyond the last tile's origin
    y = xp.empty((*y_shape[:2], rows.max() + reach, columns.max() + reach), m.dtype)
    for i in range(side):
        for j in range(side):
            places = rows[:, None] + i * tiles.dilation, columns + j * tiles.dilation
            where = tuple(xp.asarray(place) for place in places)
            y[:, :, where[0], where[1]] = found[..., i, j].swapaxes(0, 1)
    return y[:, :, : y_shape[2], : y_shape[3]]


def _patches(values, side):
    """(P, C, T) as squares, (C, T, side + 2, side + 2)."""
    xp = get_array_module(values)
    return xp.moveaxis(values, 0, -1).reshape(*values.shape[1:], side + 2, side + 2)


def forward(x, weight, bias, padding, dilation, tiles_of):
    """Convolve."""
    sides = [output_side(side, 3, 1, padding, dilation) for side in x.shape[2:]]
    y_shape = (len(x), len(weight), *sides)
    tiles = tiles_of(y_shape, dilation)
    m = transform_weight(weight, tiles.side) @ transform_input(x, padding, tiles)
    return transform_output(m, y_shape, tiles) + bias[:, None, None]


def backward(dy, x, weight, padding, dilation, tiles_of):
    """Return dx and dweight."""
    tiles = tiles_of(x.shape, dilation)
    u = transform_weight(weight, tiles.side, rotated=True).swapaxes(1, 2)  # (P, I, O)
    dx = transform_output(u @ transform_input(dy, 2 * dilation - padding, tiles), x.shape, tiles)
    tiles = tiles_of(dy.shape, dilation)
    du = transform_gradient(dy, tiles) @ transform_input(x, padding, tiles).swapaxes(1, 2)
    return dx, transform_weight_gradient(du, tiles.side)
